"""A replayed incident: its history, and beside it what happens in the lab."""

import signal
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab import demo, lifecycle
from lab.faults import catalogue as faults
from lab.lifecycle import Say, Stations, ssh
from lab.place import Exchanger
from lab.shell import LabError
from lab.stations.box import Box

_COLUMN = 58


@dataclass(frozen=True)
class Moment:
    """A moment of the original incident.

    Attributes:
        when: day and time (UTC), as in the incident's report; unique within a story.
        what: one sentence.
    """

    when: str
    what: str


@dataclass(frozen=True)
class Note:
    """A moment of the replay.

    Attributes:
        seconds: seconds since the replay began.
        what: one sentence.
        then: ``when`` of its counterpart in the original; empty if it has none.
        good: whether it is as expected.
    """

    seconds: float
    what: str
    then: str = ""
    good: bool = True


@dataclass
class Stage:
    """Where a story is replayed: the lab and the growing timeline.

    Attributes:
        place: the lab's stations, up.
        say: prints what is going on.
        notes: the timeline so far.
        began: when the replay began (monotonic seconds).
    """

    place: Stations
    say: Say
    notes: list[Note] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def note(self, what: str, *, then: str = "") -> None:
        """Add to the timeline what has happened.

        Arguments:
            then: ``when`` of its counterpart in the original.
        """
        self.notes.append(Note(time.monotonic() - self.began, what, then))
        self.say(what)

    def must(self, good: bool, what: str, *, then: str = "") -> bool:
        """Add to the timeline whether a promise of the story holds; the replay continues either way.

        Arguments:
            then: ``when`` of its counterpart in the original.

        Returns:
            ``good``.
        """
        self.notes.append(Note(time.monotonic() - self.began, what, then, good))
        self.say(what if good else f"NOT SO: {what}")
        return good

    def cookbook(self, *words: str, on: Box | None = None, timeout: float = 1800) -> tuple[int, str]:
        """Run a cookbook as an operator without a terminal, and show its output.

        Arguments:
            on: the management host; None is the first one.
            timeout: seconds.

        Returns:
            Its exit code and its output.

        Raises:
            LabError: it did not end in time.
        """
        host = on or self.place.operator
        self.say(f"on {host.name}: cookbook {' '.join(words)}")
        said: list[str] = []
        with subprocess.Popen(
            demo.cookbook(host, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        ) as run:  # fmt: skip
            late = threading.Timer(timeout, lifecycle.send_signal, (run, signal.SIGKILL))
            late.start()
            assert run.stdout is not None
            for line in run.stdout:
                said.append(line)
                print(f"    {line}", end="", flush=True)
            code = run.wait()
            late.cancel()
        if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            raise LabError(f"no end after {timeout:.0f} s: cookbook {' '.join(words)}")
        self.say(f"exit code {code}")
        return code, "".join(said)

    def on(self, mx: Exchanger, script: str, timeout: float = 60) -> str:
        """Run a script on an exchanger.

        Arguments:
            script: POSIX sh.
            timeout: seconds.

        Raises:
            LabError: it failed.
        """
        done = ssh(self.place, mx, script, timeout)
        if done.returncode:
            raise LabError(f"{mx.name}: exit code {done.returncode}: {done.stdout.strip()[-400:]}")
        return done.stdout

    @contextmanager
    def broken(self, fault: str, mx: Exchanger, kernel: str | None = None) -> Iterator[None]:
        """Put a fault on for the length of a ``with`` block."""
        goal = faults.target(self.place, mx, kernel)
        faults.apply(goal, faults.find(fault))
        try:
            yield
        finally:
            faults.undo(goal, faults.find(fault))


@dataclass(frozen=True)
class Story:
    """An incident that can be replayed.

    Attributes:
        name: its day, as in ``mxlab incident NAME``.
        title: one line.
        history: what happened, in order.
        replay: plays it on a stage and leaves the lab as it was: both exchangers serving, no fault, empty queues.
    """

    name: str
    title: str
    history: tuple[Moment, ...]
    replay: Callable[[Stage], None]


def side_by_side(story: Story, notes: list[Note]) -> str:
    """Return the incident's timeline and the replay's, in two columns; notes without a counterpart keep their order.

    Arguments:
        notes: what happened in the replay, in order.
    """
    rows = [(f"then: {story.title}", "now: the replay in the lab"), ("", "")]
    waiting = list(notes)
    for moment in story.history:
        beside = [note for note in waiting if note.then == moment.when]
        last = waiting.index(beside[-1]) + 1 if beside else 0
        shown = [_shown(note) for note in waiting[:last]]
        waiting = waiting[last:]
        rows.append((f"{moment.when}  {moment.what}", "\n".join(shown)))
    rows += [("", _shown(note)) for note in waiting]
    return "\n".join(line for left, right in rows for line in _row(left, right))


def _shown(note: Note) -> str:
    minutes, seconds = divmod(round(note.seconds), 60)
    return f"+{minutes:02}:{seconds:02}  {'' if note.good else 'NOT SO: '}{note.what}"


def _row(left: str, right: str) -> list[str]:
    columns = [
        [line for text in side.splitlines() for line in textwrap.wrap(text, _COLUMN, subsequent_indent="    ")] or [""]
        for side in (left, right)
    ]
    height = max(map(len, columns))
    filled = [column + [""] * (height - len(column)) for column in columns]
    return [f"{one:<{_COLUMN}} | {other}".rstrip() for one, other in zip(*filled, strict=True)]
