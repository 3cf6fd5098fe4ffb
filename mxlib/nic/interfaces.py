"""The files of ifupdown: which interfaces they configure, and how to rename one wherever it certainly stands. Pure.

Forms by interfaces(5) of ifupdown 0.8.41 (Debian 12). Layout, comments, continuation lines and everything that is not a
name stay byte for byte. A name in a place whose meaning is not certain (a file name, an unknown option) is left alone
and told.
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mxlib.facts.nic import InterfacesFile

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
"""A name of a physical interface; the kernel allows 15 characters."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_RESERVED = re.compile(r"inet6?|can|static|dhcp|manual|auto|loopback|ppp|bootp|tunnel|none|all|regex|inherits|lo")
_SELECTORS = re.compile(r"auto|allow-\S+|no-auto-down|no-scripts|rename")
_MAKES = re.compile(r"(?:bridge|bond|vlan|vxlan|tunnel|macvlan|wireguard)[_-](?!master).*|slaves|mode|endpoint")
_COMMANDS = frozenset({"up", "down", "pre-up", "post-up", "pre-down", "post-down"})
_NAMING_OPTIONS = re.compile(
    r"(?:vlan|bridge|bond|vxlan|macvlan|tunnel)[_-](?:raw[_-]device|ports|hw|slaves|master|primary|physdev|port|parent)"
    r"|bridge[_-](?:portprio|pathcost|portmcrouter|portmcfl)|slaves|master|parent|dev|vrf|physdev"
)
# Where a name may end or begin inside a shell command or a list of interfaces.
_BEFORE = r"(?:(?<=[\s\"';|&()<>=,{}])|(?<=^))"
_AFTER = r"(?=[\s\"';|&()<>=,{}]|$)"
_IN_PATH = r"(?<=/conf/)|(?<=/neigh/)|(?<=/sys/class/net/)"
_IN_KEY = r"(?<=\.conf\.)|(?<=\.neigh\.)"




@dataclass(frozen=True)
class Place:
    """A line in a file.

    Attributes:
        path: the file.
        line: its number, from 1.
        text: the line, stripped.
    """

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Rewrite:
    """Files as they are and as they should be.

    Attributes:
        before: every file that was looked at.
        after: the same files, in the same order.
        uncertain: lines that hold an old name where its meaning is not certain; they were left as they are.
    """

    before: tuple[InterfacesFile, ...]
    after: tuple[InterfacesFile, ...]
    uncertain: tuple[Place, ...] = ()

    @property
    def changed(self) -> tuple[tuple[InterfacesFile, InterfacesFile], ...]:
        """The files that differ: before and after."""
        return tuple((old, new) for old, new in zip(self.before, self.after, strict=True) if old.text != new.text)

    def diff(self) -> str:
        """The change as a unified diff, as ``diff -u`` shows it."""
        return "".join(line for old, new in self.changed for line in _diff(old, new))


def _diff(old: InterfacesFile, new: InterfacesFile) -> Iterator[str]:
    lines = _LINE.findall(old.text), _LINE.findall(new.text)
    for line in difflib.unified_diff(*lines, fromfile=old.path, tofile=new.path):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


@dataclass(frozen=True)
class LogicalLine:
    """A line with its continuation lines.

    Attributes:
        number: of its first line, from 1.
        raw: as it stands in the file, line ends included.
    """

    number: int
    raw: str

    @property
    def words(self) -> list[str]:
        """Its words; none for a comment."""
        return [] if self.raw.lstrip().startswith("#") else self.raw.replace("\\\n", " ").split()

    @property
    def keyword(self) -> str:
        """The first word, empty for a blank line or a comment."""
        return next(iter(self.words), "")

    @property
    def opens(self) -> bool:
        """Whether a stanza begins here, so that the one before ends."""
        return self.keyword in ("iface", "mapping", "source", "source-directory") or bool(
            _SELECTORS.fullmatch(self.keyword)
        )


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """The lines of a file, continued ones in one piece; joined they are the text again."""
    begun, raw = 1, ""
    for number, line in enumerate(_LINE.findall(text), 1):
        begun, raw = (begun, raw + line) if raw else (number, line)
        # A comment is never continued: what follows its backslash is a line of its own.
        if not raw.endswith("\\\n") or raw.lstrip().startswith("#"):
            yield LogicalLine(begun, raw)
            raw = ""
    if raw:
        yield LogicalLine(begun, raw)


def configured(files: Sequence[InterfacesFile]) -> tuple[str, ...]:
    """The names that have an ``iface`` stanza, in order, each once; ``lo`` is not told."""
    lines = (line.words for file in files for line in logical_lines(file.text))
    names = (words[1] for words in lines if len(words) > 1 and words[0] == "iface")
    return tuple(name for name in dict.fromkeys(names) if name != "lo")


def physical(files: Sequence[InterfacesFile]) -> tuple[str, ...]:
    """The configured names that stand for a device of its own: no VLAN, alias, bridge, bond, tunnel or template."""
    virtual, templates = set(), set()
    current = ""
    for line in (line for file in files for line in logical_lines(file.text)):
        words = line.words
        if line.opens:
            current = words[1] if words[0] == "iface" and len(words) > 1 else ""
            templates |= {after for before, after in itertools.pairwise(words) if before == "inherits"}
        elif current and words and _MAKES.fullmatch(words[0]):
            virtual.add(current)
    odd = re.compile(r"[.:/]|^(?:lo$|br|bond|vlan|vxlan|wg|tun|tap|dummy|veth|ppp|sit|gre|vrf)")
    selected = _selected(files)
    return tuple(
        name
        for name in configured(files)
        if name not in virtual and not odd.search(name) and (name not in templates or name in selected)
    )


def _selected(files: Sequence[InterfacesFile]) -> frozenset[str]:
    lines = (line.words for file in files for line in logical_lines(file.text))
    chosen = (words[1:] for words in lines if words and re.fullmatch(r"auto|allow-\S+", words[0]))
    return frozenset(name.partition("=")[0] for names in chosen for name in names)


def rename(files: Sequence[InterfacesFile], names: Mapping[str, str]) -> Rewrite:
    """Give interfaces other names, all at once, wherever they certainly stand.

    Arguments:
        files: all files that ifupdown reads.
        names: old name to new name; may be a chain or a swap.

    Raises:
        ValueError: a name is none, or a new name is configured already and not itself renamed.
    """
    if not all(NAME.fullmatch(name) and not _RESERVED.fullmatch(name) for pair in names.items() for name in pair):
        raise ValueError(f"not names of physical interfaces: {dict(names)}")
    taken = (set(names.values()) & set(configured(files))) - set(names)
    if taken or len(set(names.values())) != len(names):
        raise ValueError(f"configured already: {', '.join(sorted(taken)) or 'two interfaces would get one name'}")
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    renamer = _Renamer(re.compile(pattern), names)
    after = tuple(InterfacesFile(file.path, renamer.text(file.text)) for file in files)
    uncertain = tuple(place for file in files for place in renamer.uncertain(file))
    return Rewrite(tuple(files), after, uncertain)


class _Renamer:
    """Renames in one logical line after the other; the keyword decides which words are names."""

    def __init__(self, one_of: "re.Pattern[str]", names: Mapping[str, str]) -> None:
        names_of = one_of.pattern
        suffix = r"(?:[.:]\d+)*"
        self._names = names
        self._word = re.compile(rf"{_BEFORE}(?P<name>{names_of})(?={suffix}{_AFTER})")
        self._command = re.compile(
            rf"(?:{_BEFORE}(?=(?:{names_of}){suffix}{_AFTER})|(?:{_IN_PATH})(?=(?:{names_of}){suffix}/)"
            rf"|(?:{_IN_KEY})(?=(?:{names_of})\.))(?P<name>{names_of})"
        )
        self._anywhere = re.compile(rf"(?<![A-Za-z0-9_])(?:{names_of})(?![A-Za-z0-9_])")

    def text(self, text: str) -> str:
        """A whole file."""
        return "".join(self._line(line) for line in logical_lines(text))

    def uncertain(self, file: InterfacesFile) -> Iterator[Place]:
        """The lines that still hold an old name: taken from the old text, so that chains do not confuse."""
        for line in logical_lines(file.text):
            form = self._form(line)
            rest = form.sub("", line.raw) if form is not None else line.raw
            if line.words and not line.keyword.startswith("source") and self._anywhere.search(rest):
                yield Place(file.path, line.number, " ".join(line.words))

    def _line(self, line: LogicalLine) -> str:
        form = self._form(line)
        if form is None:
            return line.raw
        head = re.match(r"\s*\S+", line.raw)
        start = head.end() if head else 0
        return line.raw[:start] + form.sub(lambda found: self._names[found["name"]], line.raw[start:])

    def _form(self, line: LogicalLine) -> "re.Pattern[str] | None":
        """What a name looks like in a line with this keyword; None where no name is certain."""
        keyword = line.keyword
        if keyword in _COMMANDS:
            return self._command
        if keyword in ("iface", "mapping") or _SELECTORS.fullmatch(keyword) or _NAMING_OPTIONS.fullmatch(keyword):
            return self._word
        return None
