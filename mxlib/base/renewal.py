"""What has to be renewed while a run lives, in a thread beside it: a run that dies stops renewing, and that tells."""

import logging
import threading
from collections.abc import Callable

from mxlib.base.errors import InterruptedRunError, MxlibError

logger = logging.getLogger(__name__)

_JOIN_S = 10.0


class Renewal:
    """A thread that renews something while a run lives."""

    def __init__(self, renew: Callable[[], None], every_s: float, what: str):
        """Not started yet.

        Arguments:
            renew: renews it; what it works with must be this thread's own.
            every_s: seconds between renewals.
            what: its name, for the log.
        """
        self._renew = renew
        self._every_s = every_s
        self._what = what
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"renewal of {what}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_JOIN_S)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._renew()
            except (MxlibError, InterruptedRunError) as error:
                # the planner looks for itself before each step; a run that ends cleanly needs its lease until then
                logger.warning("%s was not renewed: %s", self._what, error)
