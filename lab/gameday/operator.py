"""The scripted operator: follows docs/runbook.md alone, from the section that an alert links to.

It reads a section from top to bottom and types what stands there, with the alert's host filled in. What a command
prints goes first: a command that it asks for is typed next, as the runbook says.
"""

import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.campaign.operator import all_words
from lab.gameday.monitoring import FiredAlert
from lab.gameday.runbook import RunbookSection, RunbookStep, filled, steps

LIMIT = 16
"""So many commands it types at most: more would be no way out of an incident."""
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")
_HOST = re.compile(r"^(?:OK|FAILED|UNKNOWN) +(?P<host>mx\d+\.lab\.test)\b")
# Checks with one reason share a line of a verification. That alerts fire is what the operator came for, and no cause.
_CHECKS = re.compile(
    r"^(?!FAILED +alerts )(?:FAILED|UNKNOWN) +(?P<checks>[a-z][a-z0-9-]+(?:, [a-z][a-z0-9-]+)*) +(?P<why>\S.*)$"
)
_IN_THE_WAY = re.compile(r"^(?:FAILED|UNKNOWN) +(?P<check>[a-z][a-z0-9-]*): ")
_SERVICES = (
    ("etcd", re.compile(r"\betcd\b")),
    ("alertmanager", re.compile(r"\bAlertmanager\b")),
    ("ganeti", re.compile(r"\bRAPI\b|remote API|the cluster could not be asked")),
)
_EFFECTS = frozenset({"log", "queue", "queue-trend", "bounce-deadline"})
_REFUSED = 10
_GOES_BY_ITS_END = ("repair-nic",)
"""Cookbooks whose last line is the diagnosis."""


class Hands(Protocol):
    """What the operator is given."""

    def type(self, command: str) -> tuple[int, str]:
        """Type a command on a management host, or on the cluster's master, and return exit code and output."""

    def name(self, where: str, said: str) -> None:
        """Say what is at fault."""

    def whole(self) -> bool:
        """Whether no alert has a reason any more."""


@dataclass
class RunbookOperator:
    """One operator in one game.

    Attributes:
        page: the runbook.
        kernel: the release in place of the page's examples.
        named: what was said to be at fault: where, and in which words.
    """

    page: Mapping[str, RunbookSection]
    hands: Hands
    kernel: str = "newest"
    named: list[tuple[str, str]] = field(default_factory=list)
    _ended: dict[str, tuple[int, str]] = field(default_factory=dict)
    _looked: tuple[int, int] = (-1, -1)
    _whole: bool = False

    def play(self, alerts: Sequence[FiredAlert]) -> None:
        """Follow the runbook for each alert, the most urgent first, until the game is whole."""
        seen: set[tuple[str, str]] = set()
        for alert in sorted(alerts, key=lambda one: one.urgency):
            if self._is_over():
                return
            if alert.name.startswith("MxAlias"):
                # such an alert says itself what is wrong
                self._name(alert.host.partition(".")[0], alert.annotations["summary"])
            if (alert.anchor, alert.host) not in seen:
                seen.add((alert.anchor, alert.host))
                self._follow(alert.anchor, alert.host, {alert.anchor})

    def _follow(self, anchor: str, host: str, seen: set[str]) -> None:
        section = self.page[anchor]
        ended = [self._step(step, host, seen) for step in section.steps]
        for row in section.rows:
            if any(row.fits(*one) for one in ended if one is not None):
                for step in steps(row.type):
                    self._step(step, host, seen)

    def _step(self, step: RunbookStep, host: str, seen: set[str]) -> tuple[int, str] | None:
        """Type a command, or go on at another section that was not read yet.

        Returns:
            Exit code and output of the command.
        """
        if step.command:
            return self._type(filled(step.command, host, self.kernel), host)
        if step.section in self.page and step.section not in seen and not self._is_over():
            seen.add(step.section)
            self._follow(step.section, host, seen)
        return None

    def _type(self, command: str, host: str) -> tuple[int, str] | None:
        """Type a command, then what its output asks for, or else what the runbook has for its exit code.

        Returns:
            What it ended with, also where it was typed before; None: it was not, as enough was.
        """
        todo = deque([command])
        while todo and not self._is_over():
            now = todo.popleft()
            if now in self._ended:
                continue
            code, said = self._ended[now] = self.hands.type(now)
            for where, words in findings(now, said, host):
                self._name(where, words)
            todo.extendleft(reversed(self._next(now, code, said, host)))
        return self._ended.get(command)

    def _next(self, command: str, code: int, said: str, host: str) -> list[str]:
        asked = [shlex.join(words) for words in all_words(said)]
        if asked:
            return asked
        if code == _REFUSED and "depool-mx" in command and "--accept" not in command:
            # what a person at a terminal is asked, and types `accept` for
            names = dict.fromkeys(match["check"] for line in _lines(said) if (match := _IN_THE_WAY.match(line)))
            return [" ".join([command, *(f"--accept {name}" for name in names)])] if names else []
        cookbook = re.search(r"sre\.mail\.([\w-]+)", command)
        cell = self.page["a-run-ended-with-n"].for_code(code, cookbook[1]) if cookbook and code else ""
        return [filled(one.command, host, self.kernel) for one in steps(cell) if one.command]

    def _name(self, where: str, words: str) -> None:
        if (where, words) not in self.named:
            self.named.append((where, words))
            self.hands.name(where, words)

    def _is_over(self) -> bool:
        done = (len(self._ended), len(self.named))
        if self._looked != done:
            # a look takes a while where a host does not answer, and nothing changes but by what the operator does
            self._whole, self._looked = self.hands.whole(), done
        return self._whole or len(self._ended) >= LIMIT


def findings(command: str, said: str, host: str) -> Iterator[tuple[str, str]]:
    """Yield what an output says is at fault: where, and in which words; the first check of each host and service.

    Log and queue come last: they show effects, and also those of a fault that was mended a quarter of an hour ago.

    Arguments:
        command: that printed it.
        host: fully qualified name of the host it was about.
    """
    here, found = host, []
    lines = _lines(said)
    for line in lines:
        about = _HOST.match(line)
        match = _CHECKS.match(line)
        if about:
            here = about["host"]
        elif match:
            first = match["checks"].partition(",")[0]
            found.append((first in _EFFECTS, at_fault(first, match["why"], here), f"{match['checks']}: {match['why']}"))
    first_of: dict[str, str] = {}
    for _, where, words in sorted(found, key=lambda one: one[0]):
        first_of.setdefault(where, words)
    yield from first_of.items()
    if any(f"sre.mail.{one}" in command for one in _GOES_BY_ITS_END) and lines:
        yield host.partition(".")[0], _last(lines, host)


def _lines(said: str) -> list[str]:
    """Return the lines of an output, without the time that Spicerack's log puts before each."""
    return [_CLOCK.sub("", line).strip() for line in said.splitlines() if line.strip()]


def _last(lines: Sequence[str], host: str) -> str:
    """Return the last line about a host; what Spicerack adds below it is left aside."""
    mine = [line for line in lines if host in line and not line.startswith(("END", "Released"))]
    return (mine or lines)[-1]


def at_fault(check: str, why: str, host: str) -> str:
    """Return what a verdict blames: a host's short name, a service, or the remote end of a destination."""
    if "REMOTE END" in why:
        return check.removeprefix("outbound-").partition("-")[0]
    return next((name for name, form in _SERVICES if form.search(why)), host.partition(".")[0])
