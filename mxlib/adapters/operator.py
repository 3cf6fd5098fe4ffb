"""The operator at a terminal: one line a step, one live line that the next replaces, and rarely a question.

wmflib's ``ask_input`` has no default and no deadline, and takes Ctrl-C for a wrong answer, of which it wants three.
"""

import logging
import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from mxlib.base.clock import Clock
from mxlib.base.text import duration, one_line, printable
from mxlib.protocols.operator import Reply

logger = logging.getLogger("mx-cookbooks")

_QUIET_S = 30.0
"""Without a terminal a live line is written this often."""
DEADLINE_S = 900.0
"""After so long without an answer the safe one is taken: a host must not wait half-way for somebody who has left."""
_LOOK_S = 0.5


class TerminalOperator:
    """Lines for the terminal; those that stay also go to Spicerack's log of the cookbook."""

    def __init__(self, clock: Clock, stream: TextIO = sys.stderr):
        """Say nothing yet.

        Arguments:
            stream: where live lines go.
        """
        self._clock = clock
        self._stream = stream
        self._terminal = stream.isatty()
        self._width = 0
        self._last = -_QUIET_S

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        logger.info("%s %s", self._clock.now().strftime("%H:%M:%S"), printable(text))

    def live(self, text: str) -> None:
        """Write a line that the next one replaces."""
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


class Unattended:
    """Never asks: what would have been asked gets the safe answer, and stands in the report."""

    def __init__(self, tell: Callable[[str], None]):
        """Keep where to say so."""
        self._tell = tell

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Reply:
        """Return the safe answer; see :meth:`mxlib.protocols.operator.Prompt.ask`."""
        self._tell(f"not asked (unattended): {question} Taken for answered: {safe} ({answers[safe]})")
        return Reply(question, safe, answers[safe], "not asked: unattended")


class TerminalPrompt:
    """Asks on the terminal."""

    def __init__(self, tell: Callable[[str], None], clock: Clock, check: Callable[[], None], source: TextIO):
        """Ask nothing yet.

        Arguments:
            tell: shows a line to the operator.
            check: raises where the run is to stop.
            source: what the operator types.
        """
        self._tell = tell
        self._clock = clock
        self._check = check
        self._source = source
        self._typed = ""

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Reply:
        """Ask until one of the answers has come or time is up; see :meth:`mxlib.protocols.operator.Prompt.ask`."""
        self._tell(question)
        for word, effect in answers.items():
            self._tell(f"  {word:8}{effect}{' (Enter)' if word == safe else ''}")
        end = self._clock.monotonic() + DEADLINE_S
        while True:
            said = self._line(end)
            if said is None:
                self._tell(f"no answer within {duration(DEADLINE_S)}: {safe}")
                return Reply(question, safe, answers[safe], "no answer")
            word = said.strip().lower() or safe
            if word in answers:
                return Reply(question, word, answers[word], "the operator")
            self._tell(f"{one_line(word, 40)} is none of {', '.join(answers)}")

    def _line(self, end: float) -> str | None:
        """Return what was typed; None where nothing was in time, or the terminal is gone."""
        while "\n" not in self._typed:
            left = end - self._clock.monotonic()
            if left <= 0:
                return None
            self._check()
            # read past Python's own buffer: select(2) does not see what lies in it
            if select.select([self._source], [], [], min(_LOOK_S, left))[0]:
                read = os.read(self._source.fileno(), 1024).decode(errors="replace")
                if not read:
                    return None
                self._typed += read
        line, _, self._typed = self._typed.partition("\n")
        return line


def prompt_for(
    tell: Callable[[str], None], clock: Clock, check: Callable[[], None], *, unattended: bool
) -> Unattended | TerminalPrompt:
    """Return who asks: nobody is asked where nobody can answer.

    Arguments:
        tell: shows a line to the operator.
        check: raises where the run is to stop.
        unattended: whether the operator wants no question.
    """
    if unattended or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Unattended(tell)
    return TerminalPrompt(tell, clock, check, sys.stdin)
