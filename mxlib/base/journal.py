"""The journal of a run: append-only, one JSON line an event, on disk before the next thing is done."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mxlib.base.clock import Clock
from mxlib.base.errors import JournalError

_EXTRAS = 2_000_000


class EventLog(Protocol):
    """Where the events of a run go."""

    def write(self, event: str, **values: object) -> None:
        """Add an event.

        Raises:
            mxlib.base.errors.JournalError: the event could not be put on disk.
        """


@dataclass(frozen=True)
class Event:
    """One line of a journal.

    Attributes:
        name: its kind.
        at: its time, ISO 8601, UTC.
    """

    name: str
    at: str
    values: dict[str, Any]


class Journal:
    """The journal of one run on one management host."""

    def __init__(self, path: Path, clock: Clock):
        """Open the file; a run that is resumed on this management host continues in the same one.

        Raises:
            mxlib.base.errors.JournalError: the file cannot be opened.
        """
        self.path = path
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            # a line cut short, by a kill or a full disk, must not swallow the next one
            self._torn = path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from None

    def write(self, event: str, **values: object) -> None:
        """Add an event; it is on disk when this returns."""
        try:
            self._put(f"{_line(event, self._clock, values)}\n".encode())
            os.fsync(self._file)
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from None

    def _put(self, line: bytes) -> None:
        """Write the whole line: of a disk with little room the kernel takes what fits, and fails only the next time."""
        left = b"\n" + line if self._torn else line
        while left:
            left = left[os.write(self._file, left) :]
            self._torn = bool(left)

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        os.close(self._file)


class SparingJournal:
    """A journal that, when it cannot be written, costs the journal and not the run: that is said once."""

    def __init__(self, journal: EventLog, say: Callable[[str], None]) -> None:
        """Write nothing yet.

        Arguments:
            say: hears, once, that events are being lost.
        """
        self._journal = journal
        self._say = say
        self._lost = False

    def write(self, event: str, **values: object) -> None:
        """Add an event, if it can be; later ones are tried again, as the disk may have room then."""
        try:
            self._journal.write(event, **values)
        except JournalError as error:
            if not self._lost:
                self._say(f"NOT in the journal from here on, the run goes on without: {error}")
            self._lost = True


class KeptJournal:
    """A journal that is in memory, too: how a run ended is not to be read from a disk that may be full."""

    def __init__(self, journal: EventLog, clock: Clock, before: Iterable[Event] = ()) -> None:
        """Write nothing yet.

        Arguments:
            before: what the journal has already.
        """
        self._journal, self._clock = journal, clock
        self.events = list(before)

    def write(self, event: str, **values: object) -> None:
        """Add an event, as it will be read."""
        self.events.extend(filter(None, (_parse(_line(event, self._clock, values)),)))
        self._journal.write(event, **values)


class NoJournal:
    """The journal of a run that leaves nothing behind: a dry run, or one that only reads."""

    def write(self, event: str, **values: object) -> None:
        """Write nothing."""


class Extras:
    """Events that only a page shows: bounded, accepted from any thread, and never in the way of the run.

    An event that cannot be written, or that comes once the bound is reached, is dropped.
    """

    def __init__(self, bound: int = _EXTRAS) -> None:
        """Begin without a journal: events are dropped.

        Arguments:
            bound: bytes that all events may take together.
        """
        self._to: EventLog = NoJournal()
        self._left = bound
        self._lock = threading.Lock()

    def into(self, journal: EventLog) -> None:
        """Write into a journal from now on."""
        with self._lock:
            self._to = journal

    def write(self, event: str, **values: object) -> None:
        """Add an event, if it can be."""
        size = len(json.dumps(values, default=str))
        with self._lock, suppress(JournalError):
            if size <= self._left:
                self._left -= size
                self._to.write(event, **values)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a journal, in order; lines that were cut short are left out.

    Raises:
        mxlib.base.errors.JournalError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None
    for line in lines:
        if (event := _parse(line)) is not None:
            yield event


def _line(event: str, clock: Clock, values: Mapping[str, object]) -> str:
    return json.dumps({"event": event, "at": clock.now().isoformat(), **values}, default=str)


def _parse(line: str) -> Event | None:
    try:
        raw = json.loads(line)
        return Event(raw.pop("event"), raw.pop("at"), raw)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
