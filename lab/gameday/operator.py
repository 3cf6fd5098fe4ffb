"""The scripted operator: follows docs/runbook.md alone, from the section that an alert links to.

It reads a section from top to bottom and types what stands there, with the alert's host filled in. What a command
prints goes first: a command that it asks for is typed next, as the runbook says. It is done with an alert where the
runbook says so: verify-mx finds its host well, or the host is out of service. It knows nothing but what is printed.
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

LIMIT = 24
"""So many commands it types at most: more would be no way out of an incident."""
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")
_HOST = re.compile(r"^(?:OK|FAILED|UNKNOWN) +(?P<host>mx\d+\.lab\.test)\b")
# Checks with one reason share a line of a verification. That alerts fire is what the operator came for, and no cause.
_CHECKS = re.compile(
    r"^(?!FAILED +alerts )(?:FAILED|UNKNOWN) +(?P<checks>[a-z][a-z0-9-]+(?:, [a-z][a-z0-9-]+)*) +(?P<why>\S.*)$"
)
_IN_THE_WAY = re.compile(r"^(?:FAILED|UNKNOWN) +(?P<check>[a-z][a-z0-9-]*): ")
VERIFY = "cookbook sre.mail.verify-mx mx2001.example.org"
_SERVICES = (
    ("etcd", re.compile(r"\betcd\b")),
    ("alertmanager", re.compile(r"\bAlertmanager\b")),
    ("ganeti", re.compile(r"\bRAPI\b|remote API|the cluster could not be asked")),
)
_EFFECTS = frozenset({"log", "queue", "queue-trend", "bounce-deadline"})
_REFUSED, _WRONG = 10, 14
_UNREAD = (15, 16)
_PATIENCE = 6
"""So often it looks at a host that boots, before it reads on."""
# What changes something. The head of the page says what does not.
_ACTS = re.compile(
    r"^gnt-instance |^cookbook (?!-d )sre\.mail\.(?!verify-mx|status)"
    r"(?!.* --(?:check|console|forecast|plan|status|suggest)\b)"
)
_GOES_BY_ITS_END = ("repair-nic",)
"""Cookbooks whose last line is the diagnosis."""


class Hands(Protocol):
    """What the operator is given."""

    def type(self, command: str) -> tuple[int, str]:
        """Type a command on a management host, or on the cluster's master, and return exit code and output."""

    def name(self, where: str, said: str) -> None:
        """Say what is at fault."""

    def wait(self) -> None:
        """Let a while pass, as a host boots."""


@dataclass
class RunbookOperator:
    """One operator in one game.

    Attributes:
        page: the runbook.
        kernel: the release in place of the page's examples.
        named: what was said to be at fault: where, and in which words.
        typed: how many commands were typed.
    """

    page: Mapping[str, RunbookSection]
    hands: Hands
    kernel: str = "newest"
    named: list[tuple[str, str]] = field(default_factory=list)
    typed: int = 0
    _ended: dict[str, tuple[int, str]] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _look: str = ""
    _looks: list[tuple[int, str]] = field(default_factory=list)
    _by_owner: bool = False

    def play(self, alerts: Sequence[FiredAlert]) -> None:
        """Follow the runbook for each alert, the most urgent first; a task can wait for the day."""
        seen: set[tuple[str, str]] = set()
        for alert in sorted(alerts, key=lambda one: one.urgency):
            # what a ticket asks for is done when its first command succeeds; an alert's host is to be well
            self._by_owner = alert.name == "Ticket"
            first = self.page[alert.anchor].steps[0].command if self._by_owner else VERIFY
            self._look, self._looks = filled(first, alert.host, self.kernel), []
            if self._is_over() or alert.labels.get("severity") == "task":
                continue
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
            if any(row.fits(*one) for one in (*filter(None, ended), *self._looks)):
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
        todo, acted = deque([command]), False
        while todo and not self._is_over():
            now = todo.popleft()
            if now in self._ended:
                continue
            code, said = self._ended[now] = self._run(now)
            acted = acted or (code == 0 and bool(_ACTS.match(now)))
            if self._tell(now, said, host):
                self._look_again(host)
            todo.extendleft(reversed(self._next(now, code, said, host)))
        if acted:
            self._look_again(host)
        return self._ended.get(command)

    def _run(self, command: str) -> tuple[int, str]:
        """Type a command; of one that succeeds, note whether it ends the alert."""
        self.typed += 1
        code, said = self.hands.type(command)
        if code == 0 and (command.replace(" --verbose", "") == self._look or "sre.mail.depool-mx" in command):
            self._done.add(self._look)
        return code, said

    def _look_again(self, host: str) -> None:
        """See whether what was done or told has ended it; effects alone are of what was: they look back."""
        for _ in range(_PATIENCE):
            if self._is_over():
                return
            code, said = self._run(self._look)
            if code == _WRONG and _blames_effects_alone(said):
                self._done.add(self._look)
            elif code not in _UNREAD:
                self._looks.append((code, said))
                self._tell(self._look, said, host)
                return
            self.hands.wait()

    def _tell(self, command: str, said: str, host: str) -> bool:
        """Name what was printed to be at fault; return whether its owner knows it now, who is not the operator."""
        told = [self._name(where, words) for where, words in findings(command, said, host)]
        return any(told)

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

    def _name(self, where: str, words: str) -> bool:
        """Say what is at fault.

        Returns:
            Whether somebody else was told by it, who mends it.
        """
        if (where, words) in self.named:
            return False
        self.named.append((where, words))
        self.hands.name(where, words)
        return self._by_owner or not where.startswith("mx")

    def _is_over(self) -> bool:
        return self._look in self._done or self.typed >= LIMIT


def _blames_effects_alone(said: str) -> bool:
    checks = [match["checks"].split(", ") for line in _lines(said) if (match := _CHECKS.match(line))]
    return bool(checks) and _EFFECTS.issuperset(name for names in checks for name in names)


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
