"""Renaming interfaces in the files of ifupdown, wherever a word is certainly a name. Pure.

Layout, comments, continuation lines and everything that is not a name stay byte for byte. A name whose meaning is not
certain (in a file name, after an unknown option) is left alone and reported.
"""

import difflib
import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mxlib.facts.nic import ConfigFile
from mxlib.nic.interfaces import (
    LINE,
    MEMBERS,
    NAME,
    SELECTORS,
    STARTS,
    LogicalLine,
    configured,
    expressions,
    logical_lines,
    selects,
)

_RESERVED = re.compile(r"inet6?|can|static|dhcp|manual|auto|loopback|ppp|bootp|tunnel|none|all|regex|inherits|lo")
_COMMANDS = frozenset({"up", "down", "pre-up", "post-up", "pre-down", "post-down"})
_NAMING_OPTIONS = re.compile(
    rf"{MEMBERS.pattern}|(?:vlan|bridge|bond|vxlan|macvlan|tunnel)[_-](?:hw|master|port|parent)"
    r"|bridge[_-](?:portprio|pathcost|portmcrouter|portmcfl)|master|parent|dev|vrf|ovs_bridge"
)
_LONGEST = 15
"""How many characters a name or a label may have (IFNAMSIZ - 1)."""
# Where a name may end or begin inside a shell command or a list of interfaces.
_BEFORE = r"(?:(?<=[\s\"';|&()<>=,{}])|(?<=^))"
_AFTER = r"(?=[\s\"';|&()<>=,{}]|$)"
_IN_PATH = r"(?<=/conf/)|(?<=/neigh/)|(?<=/sys/class/net/)"
_IN_KEY = r"(?<=\.conf\.)|(?<=\.neigh\.)"
# A VLAN's number, an address label: the name before it is the card's.
_SUFFIX = r"(?:\.\d+)*(?::[^\s\"';|&()<>=,{}/:]+)?"


@dataclass(frozen=True)
class Mention:
    """A line of a file that names an interface.

    Attributes:
        path: the file.
        line: number of the line, from 1.
        text: the line, stripped.
    """

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Rewrite:
    """Files before and after a change.

    Attributes:
        before: every file that was read.
        after: the same files, in the same order.
        uncertain: lines with an old name whose meaning is not certain; they were left as they are.
    """

    before: tuple[ConfigFile, ...]
    after: tuple[ConfigFile, ...]
    uncertain: tuple[Mention, ...] = ()

    @property
    def changed(self) -> tuple[tuple[ConfigFile, ConfigFile], ...]:
        """The files that differ: before and after."""
        return tuple((old, new) for old, new in zip(self.before, self.after, strict=True) if old.text != new.text)

    def diff(self) -> str:
        """Return the change as a unified diff, as ``diff -u`` shows it."""
        return "".join(line for old, new in self.changed for line in _diff(old, new))


def _diff(old: ConfigFile, new: ConfigFile) -> Iterator[str]:
    lines = LINE.findall(old.text), LINE.findall(new.text)
    for line in difflib.unified_diff(*lines, fromfile=old.path, tofile=new.path):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def rename(files: Sequence[ConfigFile], names: Mapping[str, str]) -> Rewrite:
    """Rename interfaces, all at once, wherever a word is certainly their name.

    Args:
        files: all files that ifupdown reads.
        names: old name to new name; may be a chain or a swap.

    Raises:
        ValueError: a name is invalid, a new name is configured already and not itself renamed, or the name of a VLAN
            or a label on the interface would get too long for the kernel.
    """
    if not all(NAME.fullmatch(name) and not _RESERVED.fullmatch(name) for pair in names.items() for name in pair):
        raise ValueError(f"not names of physical interfaces: {dict(names)}")
    taken = (set(names.values()) & set(configured(files))) - set(names)
    if taken or len(set(names.values())) != len(names):
        raise ValueError(f"configured already: {', '.join(sorted(taken)) or 'two interfaces would get one name'}")
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    renamer = _Renamer(re.compile(pattern), names)
    after = tuple(ConfigFile(file.path, renamer.text(file.text)) for file in files)
    uncertain = tuple(place for file in files for place in renamer.uncertain(file))
    long = [name for name in configured(after) if len(name) > _LONGEST and name not in configured(files)]
    if long:
        raise ValueError(f"longer than {_LONGEST} characters: {', '.join(long)}")
    return Rewrite(tuple(files), after, uncertain)


def loses(word: str, old: str, new: str) -> bool:
    """Whether a pattern of an ``auto`` or ``allow-`` line selects an interface by its old name but not by its new."""
    return word.startswith("/") and selects(word, old) and not selects(word, new)


def _nth(word: str) -> bool:
    """Whether a pattern selects only the n-th interface that it matches; which one that is is unknown."""
    return word.count("/") > 1


class _Renamer:
    """Renames interfaces line by line; the keyword of a logical line decides which words are names."""

    def __init__(self, one_of: "re.Pattern[str]", names: Mapping[str, str]) -> None:
        names_of = one_of.pattern
        self._names = names
        self._word = re.compile(rf"{_BEFORE}(?P<name>{names_of})(?={_SUFFIX}{_AFTER})")
        self._command = re.compile(
            rf"(?:{_BEFORE}(?=(?:{names_of}){_SUFFIX}{_AFTER})|(?:{_IN_PATH})(?=(?:{names_of}){_SUFFIX}/)"
            rf"|(?:{_IN_KEY})(?=(?:{names_of})\.))(?P<name>{names_of})"
        )
        self._anywhere = re.compile(rf"(?<![A-Za-z0-9_])(?:{names_of})(?![A-Za-z0-9_])")

    def text(self, text: str) -> str:
        """Return a whole file with the new names."""
        return "".join(self._line(line) for line in logical_lines(text))

    def uncertain(self, file: ConfigFile) -> Iterator[Mention]:
        """Yield the lines that still hold an old name; found in the old text, so that chains do not confuse."""
        for line in logical_lines(file.text):
            form = self._form(line)
            rest = form.sub("", line.raw) if form is not None else line.raw
            named = self._anywhere.search(rest) or any(self._by_pattern(line))
            if line.words and not line.includes and named:
                yield Mention(file.path, line.number, " ".join(line.words))

    def _line(self, line: LogicalLine) -> str:
        form = self._form(line)
        if form is None:
            return line.raw
        head = re.match(r"\s*\S+", line.raw)
        start = head.end() if head else 0
        renamed = form.sub(lambda found: self._names[found["name"]], line.raw[start:])
        return line.raw[:start] + self._with_lost(line, renamed)

    def _with_lost(self, line: LogicalLine, text: str) -> str:
        """Return the words after the keyword, with the new name added beside a pattern that does not match it."""
        if not STARTS.fullmatch(line.keyword):
            return text
        for word in line.words[1:]:
            new = [n for old, n in self._names.items() if loses(word, old, n)] if not _nth(word) else []
            if new:
                logical = word[word.index("=") :] if "=" in word else ""
                text = text.replace(word, " ".join([word, *(f"{name}{logical}" for name in new)]), 1)
        return text

    def _by_pattern(self, line: LogicalLine) -> Iterator[str]:
        """Yield the patterns of a line that no longer match an interface by its new name, and are left as they are."""
        for word in line.words[1:]:
            for old, new in self._names.items():
                if _left_pattern(line, word, old, new):
                    yield word

    def _form(self, line: LogicalLine) -> "re.Pattern[str] | None":
        """Return the form of a name in a line with this keyword; None if no name is certain there."""
        keyword = line.keyword
        if keyword in _COMMANDS:
            return self._command
        if keyword in ("iface", "mapping") or SELECTORS.fullmatch(keyword) or _NAMING_OPTIONS.fullmatch(keyword):
            return self._word
        return None


def _left_pattern(line: LogicalLine, word: str, old: str, new: str) -> bool:
    if SELECTORS.fullmatch(line.keyword):
        whole = word in line.raw and STARTS.fullmatch(line.keyword)
        return loses(word, old, new) and (_nth(word) or not whole)
    if line.keyword == "mapping":
        return word != old and fnmatch.fnmatchcase(old, word) and not fnmatch.fnmatchcase(new, word)
    by_expression = MEMBERS.fullmatch(line.keyword) is not None and word in expressions(line.words)
    return by_expression and _loses_by_expression(word, old, new)


def _loses_by_expression(expression: str, old: str, new: str) -> bool:
    """Whether a regular expression of bridge_ports matches the old name only; True if it cannot be read."""
    try:
        return bool(re.search(expression, old)) and not re.search(expression, new)
    except re.error:
        return True
