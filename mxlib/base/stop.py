"""Signals as a clean end: the first asks the run to stop at the next safe point, a later one stops it at once."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import current_thread, main_thread
from types import FrameType

from mxlib.base.clock import SystemClock
from mxlib.base.errors import InterruptedRunError
from mxlib.base.pulse import Pulse

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ONE_S = 2.0
"""Signals within these seconds are one: where a terminal is closed, both the kernel and the shell send SIGHUP."""
_LOOK_S = 0.1


class Stop:
    """Whether somebody asked the run to stop.

    A signal's handler calls :meth:`ask` between any two instructions of the main thread, also where that holds a lock.
    So nothing here takes one: whoever waits looks again and again.

    Attributes:
        pulse: whether the run makes progress.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Nobody has asked yet.

        Arguments:
            now: seconds that never jump.
        """
        self.pulse = Pulse(now)
        self._now = now
        self._asked = False
        self._what = ""
        self._since: float | None = None

    def ask(self, what: str, *, insists: bool = True) -> None:
        """Ask.

        Arguments:
            what: who or what asks, such as the signal's name.
            insists: whether a second request stops the run at once; a terminal that goes away asks, and never insists.

        Raises:
            KeyboardInterrupt: it was asked more than :data:`ONE_S` before.
        """
        now, first = self._now(), self._since is None
        if self._since is not None and (not insists or now - self._since < ONE_S):
            return
        self._since, self._what = now, what
        self._asked = True
        if not first:
            raise KeyboardInterrupt(what)

    def check(self) -> None:
        """Raise if somebody asked: called where nothing is half done.

        Raises:
            mxlib.base.errors.InterruptedRunError: somebody did.
        """
        if self._asked:
            raise InterruptedRunError(self._what)

    def rest(self) -> None:
        """The run has heard; its own clean end goes on undisturbed until it is asked again."""
        self._asked = False

    def wait(self, seconds: float) -> None:
        """Let time pass, unless somebody asks.

        Raises:
            mxlib.base.errors.InterruptedRunError: somebody did.
        """
        self.pulse.quiet(seconds)
        end = self._now() + seconds
        while (left := end - self._now()) > 0:
            self.check()
            time.sleep(min(left, _LOOK_S))
        self.check()


class StoppableClock(SystemClock):
    """The machine's clock; its sleep ends when the run is asked to stop."""

    def __init__(self, stop: Stop):
        """Keep who is asked.

        Arguments:
            stop: whether somebody asked.
        """
        self._stop = stop

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass, unless the run is asked to stop."""
        self._stop.wait(seconds)


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into a request to stop. Only in the main thread; elsewhere nothing changes.

    Arguments:
        stop: what hears the request.
    """

    def handler(number: int, _frame: FrameType | None) -> None:
        stop.ask(signal.Signals(number).name, insists=number != signal.SIGHUP)

    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
