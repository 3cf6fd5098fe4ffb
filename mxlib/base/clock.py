"""Time as something that is passed in: tests take none, and every wait has a condition and a deadline."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


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


def wait_for(condition: Callable[[], bool], *, deadline_s: float, every_s: float, clock: Clock) -> bool:
    """Check a condition until it holds or the deadline has passed; at least once.

    Arguments:
        condition: checked again and again; an exception of it passes through.
        deadline_s: seconds from now after which it is no longer checked.
        every_s: seconds between the end of one check and the next.

    Returns:
        Whether the condition was met in time.
    """
    end = clock.monotonic() + deadline_s
    while not condition():
        left = end - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(every_s, left))
    return True
