"""The files of ifupdown: which interfaces they configure, on which cards, and what brings them up. Pure.

Forms by interfaces(5) of ifupdown 0.8.41 (Debian 12), ifenslave, bridge-utils, vlan and ifupdown-extra.
"""

import fnmatch
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mxlib.facts.nic import ConfigFile

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
"""A name of a physical interface; the kernel allows 15 characters."""
LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
SELECTORS = re.compile(r"auto|allow-\S+|no-auto-down|no-scripts|rename")
MEMBERS = re.compile(
    r"(?:bridge|bond|vlan|vxlan|macvlan|tunnel)[_-](?:ports|slaves|primary|raw[_-]device|physdev)"
    r"|slaves|physdev|ovs_(?:ports|bonds)"
)
"""Options whose words are the interfaces that the stanza's own interface is built on."""
STARTS = re.compile(r"auto|allow-\S+")
RENAME = re.compile("rename")
_MAKES = re.compile(
    r"(?:bridge|vlan|vxlan|tunnel|macvlan|wireguard)[_-].*|slaves|mode|endpoint|ovs_(?:ports|bonds|tunnel_.*)"
)
_MAKES_BOND = re.compile(r"bond[_-].*")
_IS_SLAVE = re.compile(r"(?:bond[_-])?master")
_VIRTUAL = re.compile(r"[:/]|^(?:lo$|br|bond|vlan|vxlan|wg|tun|tap|dummy|veth|vnet|ppp|sit|gre|vrf)")
_RAW_DEVICE = re.compile(r"vlan[_-]raw[_-]device")
_NO_MEMBER = frozenset({"none", "all", "lo", "regex", "noregex"})
_ADDRESSED = frozenset({"static", "dhcp", "auto", "bootp"})


@dataclass(frozen=True)
class LogicalLine:
    """A line with its continuation lines.

    Attributes:
        number: number of its first line, from 1.
        raw: the text in the file, line ends included.
    """

    number: int
    raw: str

    @property
    def words(self) -> list[str]:
        """Its words; none for a comment."""
        return [] if self.raw.lstrip().startswith("#") else self.raw.replace("\\\n", "").split()

    @property
    def keyword(self) -> str:
        """The first word, empty for a blank line or a comment."""
        return next(iter(self.words), "")

    @property
    def opens(self) -> bool:
        """Whether a stanza begins here, so that the previous one ends."""
        return self.keyword in ("iface", "mapping") or self.includes or bool(SELECTORS.fullmatch(self.keyword))

    @property
    def includes(self) -> bool:
        """Whether the line includes other files."""
        return self.keyword == "source" or self.keyword.startswith("source-dir")


@dataclass(frozen=True)
class Stanza:
    """One ``iface`` stanza.

    Attributes:
        name: the interface, or the template.
        method: its method, such as ``static``; empty if the line has none.
        options: the words of each line below it.
    """

    name: str
    method: str
    options: tuple[tuple[str, ...], ...]

    @property
    def virtual(self) -> bool:
        """Whether its interface is no card, but a bridge, a bond, a VLAN, a tunnel or an address label."""
        keys = [option[0] for option in self.options]
        bonds = not any(map(_IS_SLAVE.fullmatch, keys)) and any(map(_MAKES_BOND.fullmatch, keys))
        made = any(map(_MAKES.fullmatch, keys)) or (("ovs_type", "OVSPort") not in self.options and "ovs_type" in keys)
        return bonds or made or "." in self.name or bool(_VIRTUAL.search(self.name))

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the interfaces it is built on; patterns are left out."""
        slave = any(_IS_SLAVE.fullmatch(option[0]) for option in self.options)
        keyed = [(key, words) for key, *words in self.options if MEMBERS.fullmatch(key)]
        # A slave names the bond's primary among its fellows: it is not built on them.
        named = [word for key, words in keyed if not (slave and "primary" in key) for word in _plain(words)]
        base = re.split(r"[.:]", self.name)[0]
        own = any(_RAW_DEVICE.fullmatch(option[0]) for option in self.options)
        return tuple(dict.fromkeys([*named, *([base] if base != self.name and not own else [])]))


def _plain(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that are names, not expressions or keywords for none and all."""
    return (word for word in words if word not in _NO_MEMBER and word not in expressions(words))


def expressions(words: Sequence[str]) -> list[str]:
    """Return the regular expressions among the ports of a bridge: the words between ``regex`` and ``noregex``."""
    found, inside = [], False
    for word in words:
        found += [word] if inside and word not in _NO_MEMBER else []
        inside = word == "regex" or (inside and word != "noregex")
    return found


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """Yield the lines of a file, continued lines as one; joined they are the text again."""
    begun, raw = 1, ""
    for number, line in enumerate(LINE.findall(text), 1):
        begun, raw = (begun, raw + line) if raw else (number, line)
        # A comment is never continued: what follows its backslash is a line of its own.
        if not raw.endswith("\\\n") or raw.lstrip().startswith("#"):
            yield LogicalLine(begun, raw)
            raw = ""
    if raw:
        yield LogicalLine(begun, raw)


def _words(files: Sequence[ConfigFile]) -> Iterator[list[str]]:
    return (line.words for file in files for line in logical_lines(file.text))


def configured(files: Sequence[ConfigFile]) -> tuple[str, ...]:
    """Return the names that have an ``iface`` stanza, in order, each once, without ``lo``."""
    names = (words[1] for words in _words(files) if len(words) > 1 and words[0] == "iface")
    return tuple(name for name in dict.fromkeys(names) if name != "lo")


def stanzas(files: Sequence[ConfigFile]) -> tuple[Stanza, ...]:
    """Return every ``iface`` stanza, in order."""
    found: list[tuple[list[str], list[tuple[str, ...]]]] = []
    for file in files:
        inside = False
        for line in logical_lines(file.text):
            words = line.words
            if line.opens:
                inside = words[0] == "iface" and len(words) > 1
                found += [(words, [])] if inside else []
            elif inside and words:
                found[-1][1].append(tuple(words))
    return tuple(Stanza(words[1], words[3] if len(words) > 3 else "", tuple(options)) for words, options in found)


def physical(files: Sequence[ConfigFile]) -> tuple[str, ...]:
    """Return the configured cards, in order: those with a stanza, or named by a bridge, a bond or a VLAN only."""
    every = stanzas(files)
    virtual = {stanza.name for stanza in every if stanza.virtual}
    named = [name for stanza in every for name in (stanza.name, *stanza.members)]
    inherited = {
        after for words in _words(files) for before, after in itertools.pairwise(words) if before == "inherits"
    }
    templates = {name for name in inherited if not starts(files, name)} | _by_script(files)
    cards = (_card(files, name) for name in [*_bases(named, virtual), *_mapped(files)] if name not in templates)
    return tuple(name for name in dict.fromkeys(cards) if name not in virtual and _may_be_card(name))


def _may_be_card(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and not _VIRTUAL.search(name)


def _bases(names: Iterable[str], virtual: Collection[str]) -> Iterator[str]:
    """Yield each name, or the card under it if it is a VLAN without a stanza."""
    for name in names:
        base = name.partition(".")[0]
        yield name if name in virtual or not re.fullmatch(r"\.[\d.]+", name[len(base) :]) else base


def _card(files: Sequence[ConfigFile], name: str) -> str:
    """Return the kernel's name of a card whose stanza has another one, by ``NAME=LOGICAL`` or a ``rename`` line."""
    logical = _pairs(files, STARTS)
    found = logical.get(name, name)
    return _pairs(files, RENAME).get(found, found)


def _pairs(files: Sequence[ConfigFile], keyword: "re.Pattern[str]") -> dict[str, str]:
    """Return right side to left side of the words ``LEFT=RIGHT`` in lines with this keyword; patterns are left out."""
    words = (word for line in _words(files) if line and keyword.fullmatch(line[0]) for word in line[1:])
    pairs = (word.partition("=") for word in words if "=" in word and "/" not in word)
    return {new: old for old, _, new in pairs}


def _mapped(files: Sequence[ConfigFile]) -> Iterator[str]:
    """Yield the names that a ``mapping`` passes to its script."""
    return (name for words in _words(files) if words[:1] == ["mapping"] for name in words[1:] if NAME.fullmatch(name))


def _by_script(files: Sequence[ConfigFile]) -> set[str]:
    """Return the stanzas that the script of a ``mapping`` may choose; they are not named after cards."""
    return {words[-1] for words in _words(files) if words[:1] == ["map"]}


def given(files: Sequence[ConfigFile]) -> dict[str, str]:
    """Return the kernel's name of a card to the one that ifupdown gives it by a ``rename`` line."""
    return {old: new for new, old in _pairs(files, RENAME).items()}


def starts(files: Sequence[ConfigFile], name: str) -> bool:
    """Whether an ``auto`` or ``allow-`` line brings the interface up, by its name or by a pattern."""
    chosen = (words[1:] for words in _words(files) if words and STARTS.fullmatch(words[0]))
    return any(selects(word, name) for words in chosen for word in words)


def selects(word: str, name: str) -> bool:
    """Whether a word of an ``auto``, ``allow-`` or ``rename`` line selects an interface.

    Args:
        word: ``NAME``, ``NAME=LOGICAL`` or ``/PATTERN``; a pattern over anything but names selects nothing here.
    """
    if word.startswith("/"):
        return fnmatch.fnmatchcase(name, word.split("/")[1].partition("=")[0])
    return word.partition("=")[0] == name


def dependents(files: Sequence[ConfigFile], name: str) -> tuple[str, ...]:
    """Return what comes up on top of a card: bridges, bonds, VLANs and labels, from the card upwards.

    Args:
        files: all files that ifupdown reads.
    """
    every = stanzas(files)
    virtual = {stanza.name for stanza in every}
    built = [(stanza.name, {*stanza.members, *_bases(stanza.members, virtual)}) for stanza in every]
    found: dict[str, None] = {}
    below = {name}
    while below := {one for one, members in built if below & members} - {*found, name}:
        found |= dict.fromkeys(one for one, _ in built if one in below)
    return tuple(one for one in found if starts(files, one))


def has_stanza(files: Sequence[ConfigFile], name: str) -> bool:
    """Whether a card can be brought up by itself, under its own name or the one that ifupdown gives it."""
    return bool({name, given(files).get(name), *_logical(files, name)} & set(configured(files)))


def _logical(files: Sequence[ConfigFile], name: str) -> Iterator[str]:
    return (logical for logical, card in _pairs(files, STARTS).items() if card == name)


def addressed(files: Sequence[ConfigFile]) -> tuple[str, ...]:
    """Return the interfaces that should carry an address of their own; labels count as their interface."""
    cards, names = physical(files), given(files)
    found = (_card(files, s.name.partition(":")[0]) for s in stanzas(files) if s.method in _ADDRESSED)
    wanted = (name for name in found if name in cards or starts(files, name))
    return tuple(dict.fromkeys(names.get(name, name) for name in wanted if name != "lo"))
