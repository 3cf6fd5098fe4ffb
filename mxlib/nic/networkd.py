"""The files of systemd-networkd and udev: which card a file configures or names, and how to rename a card. Pure.

Forms by systemd.network(5) and systemd.link(5) of systemd 247 to 257. Whether a file matches is unknown, never no, if
it has a condition that is not read here (a driver, a path, a host).
"""

import fnmatch
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mxlib.facts.nic import ConfigFile, GuestNic
from mxlib.nic.interfaces import NAME
from mxlib.nic.rename import Mention, Rewrite

DIRECTORIES = ("/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network")
"""In order of precedence: of files with one name, the first directory's counts."""
DEFAULT_LINK = "99-default.link"
_WRITABLE = DIRECTORIES[0] + "/"
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_NETPLAN = re.compile(r"/run/systemd/network/[^/]*netplan[^/]*\Z")


class Match(Enum):
    """Whether a file applies to a card."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Setting:
    """One line of a file.

    Attributes:
        section: its section, such as ``Match``.
        key: its key, such as ``Name``.
        value: the text after the ``=``.
        number: number of the line, from 1.
    """

    section: str
    key: str
    value: str
    number: int


def settings(text: str) -> tuple[Setting, ...] | None:
    """Return the settings of a file, in order; None if a line is continued, or does not have the known form."""
    found, section = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain[0] in "#;":
            continue
        head = re.fullmatch(r"\[(.+)\]", plain)
        key, equals, value = plain.partition("=")
        if plain.endswith("\\") or (head is None and (not equals or not section)):
            return None
        section = head[1] if head is not None else section
        found += [] if head is not None else [Setting(section, key.strip(), value.strip(), number)]
    return tuple(found)


def effective(files: Sequence[ConfigFile], suffix: str) -> tuple[ConfigFile, ...]:
    """Return the files of a kind that take effect, in the order they are tried; masked and empty ones do not.

    Args:
        suffix: ``.network``, ``.link`` or ``.netdev``.
    """
    by_name: dict[str, ConfigFile] = {}
    for directory in reversed(DIRECTORIES):
        inside = (file for file in files if file.path.rpartition("/")[0] == directory and file.path.endswith(suffix))
        by_name |= {file.path.rpartition("/")[2]: file for file in inside}
    return tuple(by_name[name] for name in sorted(by_name) if by_name[name].text.strip())


def matches(
    file: ConfigFile, name: str, mac: str, files: Sequence[ConfigFile] = (), altnames: Sequence[str] = ()
) -> Match:
    """Whether a ``.network`` or ``.link`` file applies to a card of this name and MAC address.

    Args:
        name: the card's name. A ``.link`` file matches by the kernel's original name instead, which is unknown.
        mac: its MAC address, lower case.
        files: all files, to find drop-ins of this one.
        altnames: its alternative names, each of which matches as the name does.
    """
    found = settings(file.text)
    drop_ins = f"/{file.path.rpartition('/')[2]}.d/"
    if found is None or any(drop_ins in other.path for other in files):
        return Match.UNKNOWN
    verdicts = [_fits(key, value, (name, *altnames), mac) for key, value in _conditions(found).items()]
    # without a condition networkd and udev ignore a file, with a warning
    if Match.NO in verdicts or not verdicts:
        return Match.NO
    return Match.UNKNOWN if Match.UNKNOWN in verdicts else Match.YES


def _conditions(found: Iterable[Setting]) -> dict[str, str]:
    """Return the conditions of a file: lines with one key are one list, which an empty value clears."""
    conditions: dict[str, str] = {}
    for setting in found:
        if setting.section == "Match":
            conditions[setting.key] = f"{conditions.get(setting.key, '')} {setting.value}" if setting.value else ""
    return {key: value.strip() for key, value in conditions.items() if value}


def _fits(key: str, value: str, names: Sequence[str], mac: str) -> Match:
    words = value.split()
    if any(sign in value for sign in "\"'\\") or any(word.startswith("!") for word in words[1:]):
        return Match.UNKNOWN
    if key == "Name":
        return Match.YES if any(_one_of(words, name) is Match.YES for name in names) else Match.NO
    if key in ("MACAddress", "PermanentMACAddress"):
        known = [_mac(word) for word in words]
        return Match.YES if mac in known else Match.UNKNOWN if "" in known else Match.NO
    if key == "OriginalName" and words == ["*"]:
        return Match.YES
    return _one_of(words, "ether") if key == "Type" else Match.UNKNOWN


def _mac(word: str) -> str:
    """A MAC address as the kernel prints it, from any form that systemd.network(5) has; empty for what is none."""
    digits = re.sub(r"[:.-]", "", word.lower())
    return ":".join(re.findall("..", digits)) if re.fullmatch("[0-9a-f]{12}", digits) else ""


def _one_of(words: Sequence[str], value: str) -> Match:
    """Match as systemd does: a list of shell patterns, negated as a whole by a ``!`` before the first."""
    turned = bool(words) and words[0].startswith("!")
    patterns = [words[0][1:], *words[1:]] if turned else words
    found = any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)
    return Match.YES if found is not turned else Match.NO


def serving(files: Sequence[ConfigFile], name: str, mac: str, altnames: Sequence[str] = ()) -> str | None:
    """Return the ``.network`` file that configures a card; empty if none does, None if unknown."""
    for file in effective(files, ".network"):
        verdict = matches(file, name, mac, files, altnames)
        if verdict is not Match.NO:
            return file.path if verdict is Match.YES else None
    return ""


def altnames_as(nic: GuestNic, name: str) -> tuple[str, ...]:
    """Return the alternative names of a card once it is called so: a name by PCI slot moves with the slot."""
    found = re.fullmatch(r"(?:ens|enp0s)(\d+)", name)
    moved = {f"{form}{nic.slot}": f"{form}{found[1]}" for form in ("ens", "enp0s")} if found else {}
    return tuple(moved.get(one, one) for one in nic.altnames)


def pinned(files: Sequence[ConfigFile], nic: GuestNic) -> str:
    """Return the ``.link`` file that gives a card its present name by its MAC address, in any slot; empty if none does.

    It is found in the files, not asked from udev: so it holds for the next boot, if the initramfs has the file as well.
    """
    for file in effective(files, ".link"):
        found = settings(file.text) or ()
        verdict = matches(file, nic.name, nic.mac, files)
        if file.path.rpartition("/")[2] >= DEFAULT_LINK or verdict is Match.UNKNOWN:
            return ""
        if verdict is Match.YES:
            by_mac = any(s.section == "Match" and s.key.endswith("MACAddress") for s in found)
            link = {s.key: s.value for s in found if s.section == "Link"}
            named = link.get("Name") == nic.name and not link.get("NamePolicy")
            return file.path if by_mac and named else ""
    return ""


def overtaken(files: Sequence[ConfigFile], nic: GuestNic) -> str:
    """Return why the next boot may not name a card by the ``.link`` file that named it; empty if it will.

    What udev says of that file is as old as the card's name: the file may be gone, and another one may have come.
    systemd's own files, in ``/usr/lib``, are not read: they stay.
    """
    if pinned(files, nic):
        return ""
    own = nic.link_file or f"/usr/lib/systemd/network/{DEFAULT_LINK}"
    name, tried = own.rpartition("/")[2], effective(files, ".link")
    for file in tried:
        about = matches(file, nic.name, nic.mac, files)
        if file.path == own and (about is Match.NO or _names_otherwise(file, nic.name)):
            return f"{own} has named it, and would not name it so now"
        if file.path != own and file.path.rpartition("/")[2] <= name and about is not Match.NO:
            return f"{file.path} may name it at the next boot"
    masked = any(file.path in {f"{place}/{name}" for place in DIRECTORIES} for file in files)
    if nic.link_file is None:
        return "" if masked and nic.named_by_kernel else "what has named it is unknown"
    if own not in {file.path for file in tried} and (masked or own.rpartition("/")[0] in DIRECTORIES):
        return f"{own} has named it, and is gone or masked"
    changes = next((file.path for file in files if f"/{name}.d/" in file.path and _changes_name(file)), "")
    return f"{changes} changes what {own} says" if changes else ""


def _names_otherwise(link: ConfigFile, name: str) -> bool:
    given = {s.key: s.value for s in settings(link.text) or () if s.section == "Link"}
    return not given.get("NamePolicy") and given.get("Name", name) != name


def _changes_name(drop_in: ConfigFile) -> bool:
    found = settings(drop_in.text)
    return found is None or any(s.section == "Match" or s.key in ("Name", "NamePolicy") for s in found)


def wanted(files: Sequence[ConfigFile]) -> tuple[str, ...]:
    """Return the cards that ``.network`` files select by name, without patterns and what ``.netdev`` files create."""
    made = {s.value for file in effective(files, ".netdev") for s in settings(file.text) or () if s.key == "Name"}
    names = (word for file in effective(files, ".network") for s in settings(file.text) or () for word in _names(s))
    return tuple(name for name in dict.fromkeys(names) if name not in made and name != "lo")


def _names(setting: Setting) -> Iterator[str]:
    if (setting.section, setting.key) == ("Match", "Name"):
        yield from (word for word in setting.value.split() if NAME.fullmatch(word))


def from_netplan(files: Sequence[ConfigFile]) -> bool:
    """Whether netplan wrote any of the ``.network`` files that take effect."""
    return any(_NETPLAN.fullmatch(file.path) for file in effective(files, ".network"))


def addressed(files: Sequence[ConfigFile], nics: Sequence[GuestNic]) -> tuple[str, ...]:
    """Return the cards whose ``.network`` file gives them an address."""
    texts = {file.path: file.text for file in files}
    found = ((nic.name, texts.get(serving(files, nic.name, nic.mac, nic.altnames) or "", "")) for nic in nics)
    return tuple(name for name, text in found if any(map(_gives_address, settings(text) or ())))


def _gives_address(setting: Setting) -> bool:
    static = setting.key == "Address" and setting.section in ("Network", "Address")
    return static or (setting.key == "DHCP" and setting.value.lower() not in ("no", "false", "off", "0"))


def rename(files: Sequence[ConfigFile], names: Mapping[str, str]) -> Rewrite:
    """Give cards other names in the conditions of ``.network`` files, all at once.

    Args:
        names: old name to new name.

    Raises:
        ValueError: a name is invalid or taken, or is in a file that something else generates at each boot.
    """
    if not all(NAME.fullmatch(name) for pair in names.items() for name in pair):
        raise ValueError(f"not names of network cards: {dict(names)}")
    taken = set(names.values()) & set(wanted(files)) - set(names)
    if taken or len(set(names.values())) != len(names):
        raise ValueError(f"configured already: {', '.join(sorted(taken)) or 'two cards would get one name'}")
    after = tuple(ConfigFile(file.path, _renamed(file, names)) for file in files)
    rewrite = Rewrite(tuple(files), after, tuple(place for file in files for place in _uncertain(file, names)))
    generated = [new.path for _, new in rewrite.changed if not new.path.startswith(_WRITABLE)]
    if generated:
        raise ValueError(f"{', '.join(generated)} names it, and is generated at each boot")
    return rewrite


def _certain(file: ConfigFile) -> dict[int, Setting]:
    found = settings(file.text) if file.path.endswith(".network") else ()
    keys = (("Match", "Name"), ("Network", "BindCarrier"))
    return {setting.number: setting for setting in found or () if (setting.section, setting.key) in keys}


def _renamed(file: ConfigFile, names: Mapping[str, str]) -> str:
    certain = _certain(file)
    old = re.compile(rf"(?<![^\s=!])({'|'.join(map(re.escape, names))})(?!\S)")
    lines = enumerate(_LINE.findall(file.text), 1)
    return "".join(old.sub(lambda m: names[m[1]], line) if number in certain else line for number, line in lines)


def _uncertain(file: ConfigFile, names: Mapping[str, str]) -> Iterator[Mention]:
    certain = _certain(file)
    named = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, names))})(?![A-Za-z0-9_])")
    for number, line in enumerate(file.text.splitlines(), 1):
        if number not in certain and named.search(line) and not line.lstrip().startswith(("#", ";")):
            yield Mention(file.path, number, line.strip())


def up_script(names: Sequence[str], seconds: int) -> str:
    """Return a script that has networkd reload its files and configure cards; it fails if they are not online in time.

    Args:
        seconds: how long to wait for the cards.
    """
    quoted = " ".join(shlex.quote(name) for name in names)
    waits = " ".join(f"-i {shlex.quote(name)}" for name in names)
    wait = f"/lib/systemd/systemd-networkd-wait-online {waits} --timeout={seconds}"
    return f"set -e\nnetworkctl reload\nnetworkctl reconfigure {quoted}\n{wait}"
