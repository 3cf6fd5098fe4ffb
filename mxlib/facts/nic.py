"""The network interfaces of a host: their names and what named them, and the files of ifupdown that configure them."""

import base64
import binascii
import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# A device of its own has a "device" link; VLANs, bridges, bonds and lo have none.
DEVICES = Section(
    "nic-devices",
    """\
for d in /sys/class/net/*; do
[ -e "$d/device" ] || continue
printf 'nic %s\\nmac %s\\nat %s\\n' "${d##*/}" "$(cat "$d/address")" "$(readlink -f "$d/device")"
udevadm info -q property -p "$d" 2>/dev/null | sed -n 's/^ID_NET_LINK_FILE=/link /p'
done
echo end
""",
)
# ifupdown follows "source" and "source-directory" relative to the file they stand in; so does this, to a depth of five.
FILES = Section(
    "nic-files",
    """\
one() {
f=$(readlink -f "$1") || return 0
[ -f "$f" ] || return 0
printf 'file %s %s\\n' "$(printf %s "$f" | base64 -w 0)" "$(base64 -w 0 <"$f")"
[ "$2" -lt 5 ] || return 0
sed -n -E 's/^[[:space:]]*(source|source-directory)[[:space:]]+/\\1 /p' "$f" | while read -r how what; do
case $what in /*) ;; *) what=$(dirname "$1")/$what ;; esac
for g in $what; do
if [ "$how" = source-directory ]; then
for h in "$g"/*; do case ${h##*/} in *[!A-Za-z0-9_-]*) ;; *) ( one "$h" $(($2 + 1)) ) ;; esac; done
else ( one "$g" $(($2 + 1)) ); fi
done
done
}
one /etc/network/interfaces 0
echo end
""",
)
STATE = Section(
    "nic-state",
    """\
sed 's/^/up /' /run/network/ifstate 2>/dev/null
ip -o addr show scope global 2>/dev/null | sed -n -E 's/^[0-9]+: +([^ ]+) +inet6? +([^ ]+).*/address \\1 \\2/p'
systemctl list-units --all --plain --no-legend 'ifup@*' networking.service 2>/dev/null |
sed -n -E 's/^([^ ]+) +[^ ]+ +([^ ]+) .*/unit \\1 \\2/p'
echo end
""",
)
NOTE_PATH = "/var/lib/mx-cookbooks/nic/names"
NOTE = Section("nic-note", f"cat {NOTE_PATH} 2>/dev/null\necho end\n")
_NIC = re.compile(r"nic (?P<name>\S+)\nmac (?P<mac>[0-9a-f:]{17})\nat (?P<at>/\S*)\n(?:link (?P<link>[^\n]+)\n)?")
_ON_ROOT_BUS = re.compile(r"/pci0000:00/0000:00:(?P<slot>[0-9a-f]{2})\.0(?:/virtio\d+)?\Z")


@dataclass(frozen=True)
class InterfacesFile:
    """One file, as it is on the host.

    Attributes:
        path: where it is, symbolic links followed.
        text: all of it.
    """

    path: str
    text: str


@dataclass(frozen=True)
class GuestNic:
    """One network card, as the host sees it.

    Attributes:
        name: its name now.
        mac: its MAC address, lower case.
        slot: its slot on the first PCI bus; None when it is elsewhere.
        link_file: the .link file of systemd that named it, None when not known.
    """

    name: str
    mac: str
    slot: int | None
    link_file: str | None

    @property
    def by_default_policy(self) -> bool:
        """Whether nothing but systemd's own rule chose the name."""
        return self.link_file is not None and self.link_file.endswith("/lib/systemd/network/99-default.link")


@dataclass(frozen=True)
class NicFacts:
    """The network cards of a host and what configures them.

    Attributes:
        nics: cards with a device of their own.
        files: the files ifupdown reads, ``/etc/network/interfaces`` first; empty if there are none.
    """

    nics: tuple[GuestNic, ...]
    files: tuple[InterfacesFile, ...]


@dataclass(frozen=True)
class NicState:
    """What ifupdown and systemd hold for up, and which addresses there are.

    Attributes:
        up: names ifupdown brought up.
        addresses: global addresses with prefix length, by interface.
        units: state of ``networking.service`` and each ``ifup@NAME.service``.
    """

    up: tuple[str, ...]
    addresses: tuple[tuple[str, str], ...]
    units: tuple[tuple[str, str], ...]


def parse(outputs: Outputs) -> NicFacts:
    """Read the answers of both sections.

    Raises:
        mxlib.base.errors.ParseError: they do not have their known form.
    """
    return NicFacts(_nics(_body(outputs, DEVICES)), _files(_body(outputs, FILES)))


def parse_state(outputs: Outputs) -> NicState:
    """Read the answer of the state section.

    Raises:
        mxlib.base.errors.ParseError: it does not have its known form.
    """
    text = _body(outputs, STATE)
    return NicState(
        up=tuple(re.findall(r"^up (\S+?)=", text, re.MULTILINE)),
        addresses=tuple(re.findall(r"^address (\S+) (\S+)$", text, re.MULTILINE)),
        units=tuple(re.findall(r"^unit (\S+) (\S+)$", text, re.MULTILINE)),
    )


def parse_note(outputs: Outputs) -> dict[str, str]:
    """Name by MAC as noted on the host before a reboot; empty if nothing was noted.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    return dict(re.findall(r"^([0-9a-f:]{17}) ([A-Za-z0-9_-]{1,15})$", _body(outputs, NOTE), re.MULTILINE))


def _body(outputs: Outputs, section: Section) -> str:
    text = outputs[section.name].text().rstrip("\n") + "\n"
    if not text.endswith("end\n"):
        raise ParseError(f"section {section.name}: cut short")
    return text[: -len("end\n")]


def _nics(text: str) -> tuple[GuestNic, ...]:
    found = list(_NIC.finditer(text))
    if "".join(match[0] for match in found) != text:
        raise ParseError("the list of network cards does not have its known form")
    return tuple(GuestNic(match["name"], match["mac"], _slot(match["at"]), match["link"]) for match in found)


def _slot(device: str) -> int | None:
    found = _ON_ROOT_BUS.search(device)
    return int(found["slot"], 16) if found else None


def _files(text: str) -> tuple[InterfacesFile, ...]:
    files: dict[str, InterfacesFile] = {}
    for line in text.splitlines():
        keyword, path, *content = line.split(" ")
        if keyword != "file" or len(content) != 1:
            raise ParseError("the list of ifupdown's files does not have its known form")
        file = InterfacesFile(_decoded(path), _decoded(content[0]))
        files.setdefault(file.path, file)
    return tuple(files.values())


def decoded_file(path: str, packed: str) -> InterfacesFile:
    """A file that came as base64.

    Raises:
        mxlib.base.errors.ParseError: it did not come whole.
    """
    return InterfacesFile(path, _decoded("".join(packed.split())))


def _decoded(text: str) -> str:
    try:
        # surrogateescape: whatever bytes a comment holds, they are written back as they were.
        return base64.b64decode(text, validate=True).decode(errors="surrogateescape")
    except binascii.Error:
        raise ParseError("a file of ifupdown did not come whole") from None


SOURCE = Source("nic", (DEVICES, FILES), parse)
NOTE_SOURCE = Source("nic-note", (NOTE,), parse_note)
STATE_SOURCE = Source("nic-state", (STATE,), parse_state)
