"""Whether a run makes progress: one that hangs must not keep its lease for ever."""

import time
from collections.abc import Callable
from threading import get_ident

QUIET_S = 600.0
"""Longest time without a sign of life, unless a longer one was announced: an SMTP session, a dialogue on a console."""


class Pulse:
    """Signs of life of a run. Each thread announces how long it may be quiet; that takes no lock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Give the first sign of life now."""
        self._now = now
        self._until: dict[int, float] = {}
        self.quiet()

    def quiet(self, seconds: float = 0.0) -> None:
        """Give a sign of life.

        Arguments:
            seconds: how much longer than :data:`QUIET_S` the next sign may take.
        """
        self._until[get_ident()] = self._now() + seconds + QUIET_S

    def beats(self) -> bool:
        """Whether a thread has given its sign of life in time."""
        return max(list(self._until.values())) > self._now()
