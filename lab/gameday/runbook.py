"""docs/runbook.md as a program reads it: sections, and what stands there to be typed, in the order of the page."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.place import REPOSITORY

PAGE = REPOSITORY / "docs" / "runbook.md"
EXAMPLE_HOST = "mx2001.example.org"
_EXAMPLE_KERNEL = re.compile(r"\b6\.1\.0-5[56]-amd64\b")
# A command in a block, a command in a sentence, a link to a section of the page.
_STEP = re.compile(
    r"^ {4}(?P<block>\S.*)$|`(?P<span>(?:cookbook|gnt-instance)\s[^`]+)`|\]\(#(?P<link>[a-z0-9-]+)\)", re.MULTILINE
)
_CODE = re.compile(r"(?:exit code |^)(\d+)\b")
_NAMES = re.compile(r"names ([\w-]+)")
_SAID = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class RunbookStep:
    """Something to do: a command to type, or a section of the page to go on at. One of the two is empty."""

    command: str = ""
    section: str = ""


@dataclass(frozen=True)
class RunbookRow:
    """A row of a table that says what to type where something was printed.

    Attributes:
        when: its first cell.
        type: the cell of what to type.
    """

    when: str
    type: str

    def fits(self, code: int, said: str) -> bool:
        """Whether the row is about what a command printed, and its exit code."""
        asked = _CODE.search(self.when)
        quoted = (".*".join(map(re.escape, one.split("…"))) for one in _SAID.findall(self.when) if one != "next:")
        named = _NAMES.findall(self.when.replace("`", ""))
        return (
            (asked is None or int(asked[1]) == code)
            and all(re.search(one, said) for one in quoted)
            and all(one in said for one in named)
        )


@dataclass(frozen=True)
class RunbookSection:
    """A section of the page.

    Attributes:
        title: its heading.
        text: what stands below it, until the next heading.
    """

    title: str
    text: str

    @property
    def steps(self) -> tuple[RunbookStep, ...]:
        """What to do, in the order in which it stands there; tables are left aside."""
        return steps("\n".join(line for line in self.text.split("\n") if not line.startswith("|")))

    @property
    def rows(self) -> tuple[RunbookRow, ...]:
        """The rows of its table of two columns, if it has one."""
        return tuple(RunbookRow(cells[0], cells[1]) for cells in self._cells(2))

    def for_code(self, code: int, cookbook: str) -> str:
        """Return what its table of exit codes says to type; empty: it has no such row.

        Arguments:
            cookbook: such as "verify-mx".
        """
        for number, names, _now, typed, _not in self._cells(5):
            if number == str(code) and (names == "all" or cookbook in names.split(", ")):
                return typed
        return ""

    def _cells(self, columns: int) -> Iterator[list[str]]:
        """Yield the cells of each row of a table, without its head."""
        lines = [line for line in self.text.split("\n") if line.startswith("|")]
        for line in lines[2:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == columns:
                yield cells


def steps(text: str) -> tuple[RunbookStep, ...]:
    """Return what a text says to do, in order. A command may be broken over two lines of a sentence."""
    return tuple(
        RunbookStep(" ".join((match["block"] or match["span"] or "").split()), match["link"] or "")
        for match in _STEP.finditer(text)
    )


def anchor(title: str) -> str:
    """Return the anchor of a heading, as a site of these pages makes it."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def read(path: Path = PAGE) -> Mapping[str, RunbookSection]:
    """Return the sections of the page by their anchors."""
    parts = re.split(r"^##+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = (RunbookSection(title, text) for title, text in zip(parts[1::2], parts[2::2], strict=True))
    return {anchor(section.title): section for section in sections}


def filled(command: str, host: str, kernel: str = "newest") -> str:
    """Return a command with a host in place of the page's example; a comment is left out.

    Arguments:
        host: fully qualified name.
        kernel: in place of the page's example releases.
    """
    words = shlex.split(_EXAMPLE_KERNEL.sub(kernel, command.replace(EXAMPLE_HOST, host)), comments=True)
    return shlex.join(words)


def would_type(page: Mapping[str, RunbookSection], start: str, host: str) -> list[str]:
    """Return the commands of a section, and of those that it leads to, in the order of reading, each once.

    Arguments:
        start: anchor of the section.
        host: fully qualified name of the host to fill in; empty: the example stays.
    """
    found: dict[str, None] = {}
    seen: set[str] = set()

    def walk(name: str) -> None:
        if name in seen or name not in page:
            return
        seen.add(name)
        for step in (*page[name].steps, *(one for row in page[name].rows for one in steps(row.type))):
            if step.command:
                found[filled(step.command, host or EXAMPLE_HOST)] = None
            else:
                walk(step.section)

    walk(start)
    return list(found)
