"""One interface under two names in ifupdown's files: it comes up under whichever name the next boot gives it. Pure.

Tried on Debian 12: two ``allow-hotplug`` stanzas with the same addresses, for the old and the new name; the one whose
device does not exist stays silent. ``auto`` does not work: networking.service fails for the missing device. Additions
lie between marks, so that :func:`strip` restores the file byte for byte.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mxlib.facts.nic import ConfigFile
from mxlib.nic.interfaces import LogicalLine, configured, logical_lines
from mxlib.nic.rename import Rewrite, rename

_BEGIN, _END = "# mx-cookbooks twin begin", "# mx-cookbooks twin end"
_WAS, _WAS_END = "# mx-cookbooks was: ", "# mx-cookbooks was end"
_BLOCK = re.compile(rf"\n{_BEGIN}[^\n]*\n.*?{_END}\n", re.DOTALL)
_REPLACED = re.compile(rf"{_WAS}(?P<line>[^\n]*\n).*?{_WAS_END}\n", re.DOTALL)
_NOTED = re.compile(rf"^{_BEGIN}: (\S+) is (\S+) after a cold start", re.MULTILINE)
_AUTO = re.compile(r"auto|allow-auto")


class TwinError(ValueError):
    """The interface cannot be given a second name this way with certainty; the message says why."""


@dataclass(frozen=True)
class _Stanza:
    lines: tuple[LogicalLine, ...]

    @property
    def words(self) -> list[str]:
        return self.lines[0].words


def twin(files: Sequence[ConfigFile], names: Mapping[str, str], note: str) -> Rewrite:
    """Let interfaces come up under a second name as well.

    Args:
        files: all files that ifupdown reads; earlier additions of this function are replaced.
        names: configured name to the name that the next boot may give.
        note: who did it and why; one line for the file.

    Raises:
        TwinError: nothing starts an interface by itself, other stanzas build on it, a pattern may match it, or its new
            name is taken.
    """
    plain = tuple(ConfigFile(file.path, strip(file.text)) for file in files)
    for old, new in names.items():
        _check(plain, old, new)
    after = tuple(ConfigFile(file.path, _with_twins(file.text, names, note)) for file in plain)
    same = [_unsigned(one.text) for one in after] == [_unsigned(one.text) for one in files]
    return Rewrite(tuple(files), tuple(files) if same else after)


def _unsigned(text: str) -> str:
    """Return the text without the notes: those of a second run are not a change."""
    return re.sub(rf"^({_BEGIN}:[^;\n]*);[^\n]*", r"\1", text, flags=re.MULTILINE)


def strip(text: str) -> str:
    """Return a file without the additions of :func:`twin`, byte for byte as it was."""
    return _REPLACED.sub(lambda found: found["line"], _BLOCK.sub("", text))


def settle(files: Sequence[ConfigFile], names: Mapping[str, str]) -> Rewrite:
    """Return the files with a single name for each interface.

    Args:
        files: files that :func:`twin` changed.
        names: old name to present name, for those that were renamed.

    Raises:
        ValueError: as :func:`mxlib.nic.interfaces.rename` does.
    """
    plain = tuple(ConfigFile(file.path, strip(file.text)) for file in files)
    renamed = rename(plain, names) if names else Rewrite(plain, plain)
    return Rewrite(tuple(files), renamed.after, renamed.uncertain)


def twinned(files: Sequence[ConfigFile]) -> bool:
    """Whether a file has additions of :func:`twin`."""
    return any(_BLOCK.search(file.text) or _REPLACED.search(file.text) for file in files)


def pairs(files: Sequence[ConfigFile]) -> dict[str, str]:
    """Return old name to second name, as noted by :func:`twin`."""
    return {old: new for file in files for new, old in _NOTED.findall(file.text)}


def _check(files: Sequence[ConfigFile], old: str, new: str) -> None:
    known = configured(files)
    if old not in known:
        raise TwinError(f"{old} has no iface stanza")
    if new in known:
        raise TwinError(f"{new} is configured already")
    lines = [line for file in files for line in logical_lines(file.text)]
    starters = [line for line in lines if _selects(line)]
    if not any(old in line.words[1:] for line in starters):
        raise TwinError(f"nothing brings {old} up by itself: no auto or allow-hotplug line names it")
    mentions = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(old)}(?![A-Za-z0-9_])")
    for line in lines:
        _check_line(line, old, own=_own(line, old), mentions=bool(line.words and mentions.search(line.raw)))
    for stanza in (stanza for file in files for stanza in _stanzas(file.text)):
        if not _is_iface(stanza, old):
            for line in stanza.lines[1:]:
                if line.words and mentions.search(line.raw):
                    raise TwinError(f"something builds on {old}: {' '.join(line.words)}")


def _check_line(line: LogicalLine, old: str, *, own: bool, mentions: bool) -> None:
    if not line.opens or line.keyword.startswith("source"):
        return
    if line.keyword != "iface" and any("/" in word for word in line.words[1:]):
        raise TwinError(f"a pattern may match it: {' '.join(line.words)}")
    if mentions and not own:
        raise TwinError(f"something builds on {old}: {' '.join(line.words)}")


def _own(line: LogicalLine, old: str) -> bool:
    words = line.words
    if words and words[0] == "iface":
        return words[1:2] == [old] and old not in words[2:]
    return _selects(line) and old in words[1:] and not any(w != old and w.startswith(f"{old}=") for w in words[1:])


def _selects(line: LogicalLine) -> bool:
    return line.keyword == "auto" or line.keyword.startswith("allow-")


def _stanzas(text: str) -> list[_Stanza]:
    """Return the stanzas of a file with their blank lines and comments, without the lines before the first."""
    stanzas: list[list[LogicalLine]] = []
    for line in logical_lines(text):
        if line.opens:
            stanzas.append([line])
        elif stanzas:
            stanzas[-1].append(line)
    return [_Stanza(tuple(lines)) for lines in stanzas]


def _is_iface(stanza: _Stanza, name: str) -> bool:
    return stanza.words[:2] == ["iface", name]


def _with_twins(text: str, names: Mapping[str, str], note: str) -> str:
    if text.endswith("\\"):
        raise TwinError("a file ends in a continued line")
    blocks = []
    for old, new in names.items():
        copies = "".join(_copy(stanza, old, new) for stanza in _stanzas(text) if _is_iface(stanza, old))
        begin = f"\n{_BEGIN}: {new} is {old} after a cold start; {' '.join(note.split())}\n"
        blocks += [f"{begin}allow-hotplug {new}\n{copies}{_END}\n"] if copies else []
    return "".join([*(_hotplug(line, names) for line in logical_lines(text)), *blocks])


def _copy(stanza: _Stanza, old: str, new: str) -> str:
    lines = list(stanza.lines)
    while lines and not lines[-1].words:
        lines.pop()
    text = "".join(line.raw for line in lines)
    renamed = rename((ConfigFile("", text),), {old: new}).after[0].text
    return renamed if renamed.endswith("\n") else renamed + "\n"


def _hotplug(line: LogicalLine, names: Collection[str]) -> str:
    """Return an ``auto`` line with the interfaces moved to an ``allow-hotplug`` line; any other line as it is."""
    moved = [word for word in line.words[1:] if word in names]
    if not _AUTO.fullmatch(line.keyword) or not moved:
        return line.raw
    if line.raw.count("\n") != 1:
        raise TwinError(f"a continued line or the last one names it: {' '.join(line.words)}")
    others = [word for word in line.words[1:] if word not in names]
    rest = f"auto {' '.join(others)}\n" if others else ""
    return f"{_WAS}{line.raw}{rest}allow-hotplug {' '.join(moved)}\n{_WAS_END}\n"
