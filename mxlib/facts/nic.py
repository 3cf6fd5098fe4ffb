"""The network cards of a host: their names, what named them, and the files and services that configure them."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# A physical or virtual card has a "device" link; VLANs, bridges, bonds and lo have none. "chosen" is the name that udev
# gave it when it appeared, "next" the name that the installed udev would give it: an upgrade may make them differ. Of
# an Ethernet card udev says its naming scheme first (seen with 247, 252 and 257), whether it has a name for it or not:
# what lacks the scheme was not asked. With net.ifnames=0 no policy names a card, yet net_id says its names as ever.
DEVICES = Section(
    "nic-devices",
    """\
k='SCHEME|FROM_DATABASE|ONBOARD|SLOT|PATH'; ! grep -qw 'net\\.ifnames=0' /proc/cmdline || k=SCHEME
for d in /sys/class/net/*; do
[ -e "$d/device" ] || continue
printf 'nic %s\\nmac %s\\nat %s\\n' "${d##*/}" "$(cat "$d/address")" "$(readlink -f "$d/device")"
udevadm info -q property -p "$d" 2>/dev/null | sed -n -e 's/^ID_NET_LINK_FILE=/link /p' -e 's/^ID_NET_NAME=/chosen /p'
ip -o link show dev "${d##*/}" 2>/dev/null | grep -o 'altname [^ \\\\]*'
udevadm test-builtin net_id "$d" 2>/dev/null | sed -n -E "s/^ID_NET_NAM(E|ING)_($k)=/next \\2 /p"
done
echo end
""",
)
# As ifupdown 0.8.41 was seen to read them: every word that begins with "source-dir" names directories, lines may be
# continued, and a path is relative to the directory of the file that names it. What wordexp(3) would expand beyond
# shell patterns is not followed: it is reported as unread.
FILES = Section(
    "nic-files",
    r"""
unread() { printf 'unread %s\n' "$(printf '%s: %s' "$1" "$2" | base64 -w 0)"; }
one() {
f=$(readlink -f "$1") || return 0
[ -f "$f" ] || return 0
printf 'file %s %s\n' "$(printf %s "$f" | base64 -w 0)" "$(base64 -w 0 <"$f")"
sed -n -E '/^[[:space:]]*#/d; :a; /\\$/ { $!{ N; s/\\\n//; ba } }
s/^[[:space:]]*(source|source-dir[^[:space:]]*)[[:space:]]+(.*[^[:space:]])[[:space:]]*$/\1 \2/p' "$f" |
while read -r how what; do
case $what in *[\$\`\"\'\\\{\~]*) unread "$f" "$how $what"; continue ;; esac
[ "$2" -lt 5 ] || { unread "$f" "$how $what"; continue; }
case $what in /*) ;; *) what=$(dirname "$1")/$what ;; esac
set -f; set -- "$1" "$2" $what; set +f
here=$1; depth=$2; shift 2
for w; do
case $w in /*) ;; \#*) break ;; *) unread "$here" "$how $what"; continue ;; esac
for g in $w; do
case $how in
source) ( one "$g" $((depth + 1)) ) ;;
*) for h in "$g"/*; do case ${h##*/} in *[!A-Za-z0-9_-]*) ;; *) ( one "$h" $((depth + 1)) ) ;; esac; done ;;
esac
done
done
set -- "$here" "$depth"
done
}
one /etc/network/interfaces 0
echo end
""".lstrip(),
)
# What configures the cards. Files of systemd mask each other by name, so their links are not followed.
NETWORKING = Section(
    "nic-networking",
    r"""
for u in networking systemd-networkd NetworkManager; do
e=$(systemctl is-enabled "$u.service" 2>/dev/null | head -n 1); a=$(systemctl is-active "$u.service" 2>/dev/null)
printf 'unit %s %s %s\n' "$u" "${e:-absent}" "${a:-unknown}"
done
for t in ifup networkctl netplan update-initramfs lsinitramfs; do command -v "$t" >/dev/null && echo "tool $t"; done
printf 'virt %s\n' "$(systemd-detect-virt --vm 2>/dev/null)"
for f in /etc/systemd/network/* /run/systemd/network/* /usr/local/lib/systemd/network/* \
/etc/systemd/network/*.d/* /run/systemd/network/*.d/* /usr/local/lib/systemd/network/*.d/* \
/etc/netplan/* /run/netplan/* /lib/netplan/*; do
case $f in *.network|*.netdev|*.link|*.conf|*.yaml) ;; *) continue ;; esac
[ -e "$f" ] && [ ! -d "$f" ] || continue
printf 'file %s %s\n' "$(printf %s "$f" | base64 -w 0)" "$(base64 -w 0 <"$f")"
done
echo end
""".lstrip(),
)
NOTE_PATH = "/var/lib/mx-cookbooks/nic/names"
NOTE = Section("nic-note", f"cat {NOTE_PATH} 2>/dev/null\necho end\n")
_NIC = re.compile(
    r"nic (?P<name>\S+)\nmac (?P<mac>[0-9a-f:]{17})\nat (?P<at>/\S*)\n"
    r"(?P<udev>(?:(?:link|chosen|altname|next \w+) \S[^\n]*\n)*)"
)
_POLICY = ("FROM_DATABASE", "ONBOARD", "SLOT", "PATH")
"""The order in which 99-default.link of systemd takes a name, after "keep" and the kernel's own."""
_DEFAULT_LINKS = tuple(f"{lib}/systemd/network/99-default.link" for lib in ("/usr/lib", "/lib"))
_ON_ROOT_BUS = re.compile(r"/pci0000:00/0000:00:(?P<slot>[0-9a-f]{2})\.0(?:/virtio\d+)?\Z")


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file, as it is on the host.

    Attributes:
        path: where it is; for ifupdown's, with symbolic links followed.
        text: its content.
    """

    path: str
    text: str


@dataclass(frozen=True)
class GuestNic:
    """A network card, as the host sees it.

    Attributes:
        name: its present name.
        mac: its MAC address, lower case.
        slot: its slot on the first PCI bus; None when it is elsewhere.
        link_file: the .link file of systemd that named it; None when unknown, or when there was none.
        chosen: the name that udev chose when the card appeared; None when unknown.
        next_name: the name that systemd's default policy would choose now; empty when it leaves the kernel's, None when
            udev could not be asked.
        altnames: its alternative names.
    """

    name: str
    mac: str
    slot: int | None
    link_file: str | None
    chosen: str | None = None
    next_name: str | None = None
    altnames: tuple[str, ...] = ()

    @property
    def named_by_kernel(self) -> bool:
        """Whether its name is one that the kernel gives."""
        return re.fullmatch(r"eth\d+", self.name) is not None

    @property
    def by_default_policy(self) -> bool:
        """Whether systemd's default policy alone chose the name."""
        return self.link_file in _DEFAULT_LINKS


@dataclass(frozen=True)
class Networking:
    """What could configure the cards of a host.

    Attributes:
        units: by service, without its suffix: the words of ``systemctl is-enabled`` and ``is-active``.
        tools: those of ifup, networkctl, netplan, update-initramfs and lsinitramfs that are installed.
        virt: the kind of virtual machine, as systemd-detect-virt prints it; ``none`` on physical hardware.
        files: ``.network``, ``.netdev`` and ``.link`` files of systemd with their drop-ins, and netplan's.
    """

    units: Mapping[str, tuple[str, str]]
    tools: frozenset[str]
    virt: str
    files: tuple[ConfigFile, ...]

    def runs(self, service: str) -> bool:
        """Return whether a service is active, or will be after the next boot."""
        enabled, active = self.units.get(service, ("absent", "unknown"))
        return enabled in ("enabled", "enabled-runtime") or active in ("active", "activating", "failed", "reloading")


@dataclass(frozen=True)
class NicFacts:
    """The network cards of a host and what configures them.

    Attributes:
        nics: cards with a device.
        files: the files ifupdown reads, ``/etc/network/interfaces`` first; empty if there are none.
        unread: lines that include further files in a form that is not followed.
        networking: what could configure the cards.
    """

    nics: tuple[GuestNic, ...]
    files: tuple[ConfigFile, ...]
    unread: tuple[str, ...]
    networking: Networking


def parse(outputs: Outputs) -> NicFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: they have another form.
    """
    lines = _body(outputs, FILES).splitlines()
    unread = tuple(_decoded(line.removeprefix("unread ")) for line in lines if line.startswith("unread "))
    files = _files(line for line in lines if not line.startswith("unread "))
    return NicFacts(_nics(_body(outputs, DEVICES)), files, unread, _networking(_body(outputs, NETWORKING)))


_NOTED = re.compile(r"([0-9a-f:]{17}) ([A-Za-z0-9_-]{1,15})")


def parse_note(outputs: Outputs) -> dict[str, str]:
    """Return the name by MAC that was noted on the host before a reboot; empty if nothing was noted.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    lines = _body(outputs, NOTE).splitlines()
    refuse_unknown(lines, _NOTED.fullmatch, "not a name that was noted")
    return {found[1]: found[2] for found in map(_NOTED.fullmatch, lines) if found}


def _body(outputs: Outputs, section: Section) -> str:
    text = outputs[section.name].text().rstrip("\n") + "\n"
    if not text.endswith("end\n"):
        raise ParseError(f"section {section.name}: cut short")
    return text[: -len("end\n")]


def _nics(text: str) -> tuple[GuestNic, ...]:
    found = list(_NIC.finditer(text))
    if "".join(match[0] for match in found) != text:
        raise ParseError("the list of network cards has an unknown form")
    return tuple(_nic(match) for match in found)


def _nic(found: "re.Match[str]") -> GuestNic:
    udev = [line.split(" ", 1) for line in found["udev"].splitlines()]
    said = {key: value for key, value in udev if key != "next"}
    policy = dict(value.split(" ", 1) for key, value in udev if key == "next")
    next_name = next((policy[kind] for kind in _POLICY if kind in policy), "" if "SCHEME" in policy else None)
    others = tuple(value for key, value in udev if key == "altname")
    slot = _slot(found["at"])
    return GuestNic(found["name"], found["mac"], slot, said.get("link"), said.get("chosen"), next_name, others)


def _slot(device: str) -> int | None:
    found = _ON_ROOT_BUS.search(device)
    return int(found["slot"], 16) if found else None


def _networking(text: str) -> Networking:
    units: dict[str, tuple[str, str]] = {}
    tools, virt, files = set(), "", []
    for line in text.splitlines():
        words = line.split(" ")
        if words[0] == "unit" and len(words) == 4:
            units[words[1]] = words[2], words[3]
        elif words[0] == "tool" and len(words) == 2:
            tools.add(words[1])
        elif words[0] == "virt" and len(words) == 2:
            virt = words[1]
        else:
            files.append(line)
    return Networking(units, frozenset(tools), virt, _files(files))


def _files(lines: Iterable[str]) -> tuple[ConfigFile, ...]:
    files: dict[str, ConfigFile] = {}
    for line in lines:
        keyword, path, *content = line.split(" ")
        if keyword != "file" or len(content) != 1:
            raise ParseError(f"not a line about a network file: {line[:80]!r}")
        file = ConfigFile(_decoded(path), _decoded(content[0]))
        files.setdefault(file.path, file)
    return tuple(files.values())


def decoded_file(path: str, packed: str) -> ConfigFile:
    """Return a file that came as base64.

    Raises:
        mxlib.base.errors.ParseError: it was cut short on its way.
    """
    return ConfigFile(path, _decoded("".join(packed.split())))


def _decoded(text: str) -> str:
    try:
        # surrogateescape: any bytes of a comment are written back unchanged.
        return base64.b64decode(text, validate=True).decode(errors="surrogateescape")
    except binascii.Error:
        raise ParseError("a network file was cut short on its way") from None


SOURCE = Source("nic", (DEVICES, FILES, NETWORKING), parse)
NOTE_SOURCE = Source("nic-note", (NOTE,), parse_note)
