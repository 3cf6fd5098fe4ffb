"""Renewal of a lease in a thread beside the run: a run that dies or hangs stops renewing it."""

import logging
import threading
from collections.abc import Callable

from mxlib.base.errors import InterruptedRunError, MxlibError

logger = logging.getLogger(__name__)

_JOIN_S = 10.0


class Renewal:
    """A thread that renews something while a run makes progress."""

    def __init__(self, renew: Callable[[], None], every_s: float, what: str, lives: Callable[[], bool]):
        """Prepare the thread; :meth:`start` starts it.

        Arguments:
            renew: called in the thread; shares no connection with other threads.
            every_s: seconds between renewals.
            what: name of what is renewed, for the log.
            lives: whether the run makes progress.
        """
        self._renew = renew
        self._every_s = every_s
        self._what = what
        self._lives = lives
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"renewal of {what}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for its end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_JOIN_S)

    def _run(self) -> None:
        told = ""
        while not self._stop.wait(self._every_s):
            trouble, why = self._trouble()
            if trouble != told:
                # a trouble that lasts is said once: the planner reads the slot before each step, and says how it stands
                said = f"{trouble}: {why}" if trouble else "is renewed again"
                logger.warning("%s %s", self._what, said)
            told = trouble

    def _trouble(self) -> tuple[str, str]:
        """Renew it, and return what kept that from being done, and why; empty: nothing."""
        if not self._lives():
            return "is not renewed", "the run makes no progress"
        try:
            self._renew()
        except (MxlibError, InterruptedRunError) as error:
            return "was not renewed", f"{error}; that is tried again"
        return "", ""
