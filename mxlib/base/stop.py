"""Signals as a clean end: the first asks the run to stop at the next safe point, the second stops it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from mxlib.base.clock import SystemClock
from mxlib.base.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._what = ""
        self._times = 0

    def ask(self, what: str) -> None:
        """Ask.

        Arguments:
            what: who or what asks, such as the signal's name.

        Raises:
            KeyboardInterrupt: it was asked before.
        """
        self._times += 1
        self._what = what
        self._asked.set()
        if self._times > 1:
            raise KeyboardInterrupt(what)

    def check(self) -> None:
        """Raise if somebody asked: called where nothing is half done.

        Raises:
            mxlib.base.errors.InterruptedRunError: somebody did.
        """
        if self._asked.is_set():
            raise InterruptedRunError(self._what)

    def rest(self) -> None:
        """The run has heard; its own clean end goes on undisturbed until it is asked again."""
        self._asked.clear()

    def wait(self, seconds: float) -> None:
        """Let time pass, unless somebody asks.

        Arguments:
            seconds: how long.

        Raises:
            mxlib.base.errors.InterruptedRunError: somebody did.
        """
        self._asked.wait(seconds)
        self.check()


class StoppableClock(SystemClock):
    """The machine's clock; its sleep ends when the run is asked to stop."""

    def __init__(self, stop: Stop):
        """Keep who asks.

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
    """Turn SIGINT, SIGTERM and SIGHUP into a question to stop. Only in the main thread; elsewhere nothing changes.

    Arguments:
        stop: whom to ask.
    """

    def handler(number: int, _frame: FrameType | None) -> None:
        stop.ask(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
