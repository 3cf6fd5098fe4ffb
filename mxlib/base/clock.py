"""Time as something that is passed in: tests take none, and every wait has a condition and a deadline."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

FIRST_PAUSE_S = 0.25
"""Seconds: what takes only a moment is not waited for longer."""


class Clock(Protocol):
    """A clock."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC: for records."""

    def monotonic(self) -> float:
        """Return seconds that never jump: for deadlines and durations."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def pauses(longest_s: float, first_s: float = FIRST_PAUSE_S) -> Iterator[float]:
    """Yield the seconds between looks, without end: short ones first, then each as long as all before it, in bounds."""
    seconds = waited = min(first_s, longest_s)
    while True:
        yield seconds
        seconds = min(waited, longest_s)
        waited += seconds


def wait_for(condition: Callable[[], bool], *, deadline_s: float, every_s: float, clock: Clock) -> bool:
    """Check a condition until it holds or the deadline has passed; at least once.

    Arguments:
        condition: checked again and again; an exception of it passes through.
        deadline_s: seconds from now after which it is no longer checked.
        every_s: longest pause between the end of one check and the next; the first ones are shorter.

    Returns:
        Whether the condition was met in time.
    """
    end, pause = clock.monotonic() + deadline_s, pauses(every_s)
    while not condition():
        left = end - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(next(pause), left))
    return True
