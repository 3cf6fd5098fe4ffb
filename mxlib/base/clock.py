"""Time as something that is passed in: tests take none, and no wait is without a condition and a deadline."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the library knows of time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC: for records."""

    def monotonic(self) -> float:
        """Seconds that never jump: for deadlines and durations."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def wait_for(condition: Callable[[], bool], *, deadline_s: float, every_s: float, clock: Clock) -> bool:
    """Ask until the answer is yes or the deadline has passed; the condition is asked at least once.

    Arguments:
        condition: asked again and again; what it raises passes through.
        deadline_s: seconds from now after which it is not asked any more.
        every_s: seconds between the end of one question and the next.
        clock: the time to live in.

    Returns:
        Whether the condition was met within the time.
    """
    end = clock.monotonic() + deadline_s
    while not condition():
        left = end - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(every_s, left))
    return True
