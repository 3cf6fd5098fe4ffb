"""Whether a run makes progress: one that hangs must not keep what is renewed beside it for ever."""

import time
from collections.abc import Callable
from threading import get_ident

QUIET_S = 600.0
"""Longer than this nothing is done that does not say so: a session from outside, a dialogue on a console."""


class Pulse:
    """The signs of life of a run. Each of its threads says how long it may be quiet; no lock is taken for that."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """The run begins to live now.

        Arguments:
            now: seconds that never jump.
        """
        self._now = now
        self._until: dict[int, float] = {}
        self.quiet()

    def quiet(self, seconds: float = 0.0) -> None:
        """Give a sign of life.

        Arguments:
            seconds: what is begun now may take this long, beyond :data:`QUIET_S`, before the next sign.
        """
        self._until[get_ident()] = self._now() + seconds + QUIET_S

    def beats(self) -> bool:
        """Whether a thread has given its sign of life in time."""
        return max(list(self._until.values())) > self._now()
