"""What the operator sees: one line a step, and one live line that the next replaces."""

import logging
import sys
from typing import TextIO

from mxlib.base.clock import Clock
from mxlib.base.text import printable

logger = logging.getLogger("mx-cookbooks")

_QUIET_S = 30.0
"""Without a terminal a live line is written this often."""


class Operator:
    """Lines for the terminal; those that stay also go to Spicerack's log of the cookbook."""

    def __init__(self, clock: Clock, stream: TextIO = sys.stderr):
        """Say nothing yet.

        Arguments:
            clock: the time to live in.
            stream: where live lines go.
        """
        self._clock = clock
        self._stream = stream
        self._terminal = stream.isatty()
        self._width = 0
        self._last = -_QUIET_S

    def line(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        logger.info("%s %s", self._clock.now().strftime("%H:%M:%S"), printable(text))

    def live(self, text: str) -> None:
        """A line that the next one replaces."""
        if self._terminal:
            shown = printable(text)[:150]
            self._put("\r" + shown.ljust(self._width))
            self._width = len(shown)
        elif self._clock.monotonic() - self._last >= _QUIET_S:
            self._last = self._clock.monotonic()
            logger.info("%s %s", self._clock.now().strftime("%H:%M:%S"), printable(text))

    def _clear(self) -> None:
        if self._width:
            self._put("\r" + " " * self._width + "\r")
            self._width = 0

    def _put(self, text: str) -> None:
        """Write to a terminal that may be gone after a SIGHUP."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._terminal = False
