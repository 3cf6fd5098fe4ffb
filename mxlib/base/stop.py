"""Signals as a clean end: the first asks the run to stop at the next safe point, a later one stops it at once."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import current_thread, main_thread
from types import FrameType

from mxlib.base.clock import SystemClock
from mxlib.base.errors import InterruptedRunError
from mxlib.base.pulse import Pulse

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ONE_S = 2.0
"""Signals within these seconds count as one: when a terminal is closed, both the kernel and the shell send SIGHUP."""
_LOOK_S = 0.1


class Stop:
    """A request to stop the run.

    A signal's handler calls :meth:`ask` between any two instructions of the main thread, which may hold a lock. So
    nothing here takes one: who waits polls.

    Attributes:
        pulse: whether the run makes progress.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin without a request."""
        self.pulse = Pulse(now)
        self._now = now
        self._asked = False
        self._what = ""
        self._since: float | None = None

    def ask(self, what: str, *, insists: bool = True) -> None:
        """Request the run to stop.

        Arguments:
            what: who or what asks, such as the signal's name.
            insists: whether this stops the run at once if it is the second request; a closed terminal never insists.

        Raises:
            KeyboardInterrupt: an earlier request is more than :data:`ONE_S` old.
        """
        now, first = self._now(), self._since is None
        if self._since is not None and (not insists or now - self._since < ONE_S):
            return
        self._since, self._what = now, what
        self._asked = True
        if not first:
            raise KeyboardInterrupt(what)

    @property
    def heard(self) -> str:
        """Who or what has asked, and was not answered yet; empty: nobody."""
        return self._what if self._asked else ""

    def check(self) -> None:
        """Raise if a stop was requested: called where nothing is half done.

        Raises:
            mxlib.base.errors.InterruptedRunError: a stop was requested.
        """
        if self._asked:
            raise InterruptedRunError(self._what)

    def rest(self) -> None:
        """Take the request as heard: the run's clean end goes on undisturbed until the next request."""
        self._asked = False

    def wait(self, seconds: float) -> None:
        """Let time pass, unless a stop is requested.

        Raises:
            mxlib.base.errors.InterruptedRunError: a stop was requested.
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
        """Wrap the machine's clock."""
        self._stop = stop

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass, unless the run is asked to stop."""
        self._stop.wait(seconds)


@contextmanager
def handling(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function hear signals for the length of the block; then whoever heard them before hears them again.

    In the main thread only, as Python lets no other set a handler.

    Arguments:
        numbers: the signals.
        handler: is given a signal's number and the frame it came in.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into a request to stop; in the main thread only, elsewhere nothing changes."""

    def handler(number: int, _frame: FrameType | None) -> None:
        stop.ask(signal.Signals(number).name, insists=number != signal.SIGHUP)

    if current_thread() is not main_thread():
        yield
        return
    with handling(SIGNALS, handler):
        yield
