"""Questions to the operator: rare, with what each answer does, and the safe one for who says nothing.

wmflib's ``ask_input`` has no default and no deadline, and takes Ctrl-C for a wrong answer, of which it wants three.
"""

import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from mxlib.base.clock import Clock
from mxlib.base.text import duration, one_line
from mxlib.protocols.service import Answered

DEADLINE_S = 900.0
"""After this long without an answer the safe one is taken: a host must not stand half-way because somebody has left."""
_LOOK_S = 0.5


class Unattended:
    """Never asks: what would have been asked gets the safe answer, and stands in the report."""

    def __init__(self, tell: Callable[[str], None]):
        """Ask nothing, ever.

        Arguments:
            tell: where the operator looks.
        """
        self._tell = tell

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Answered:
        """The safe answer; see :meth:`mxlib.protocols.service.Asker.ask`."""
        self._tell(f"not asked (unattended): {question} Taken for answered: {safe} ({answers[safe]})")
        return Answered(question, safe, answers[safe], "not asked: unattended")


class Terminal:
    """Asks on the terminal."""

    def __init__(self, tell: Callable[[str], None], clock: Clock, check: Callable[[], None], source: TextIO):
        """Ask nothing yet.

        Arguments:
            tell: where the operator looks.
            clock: the time to live in.
            check: raises where the run is to stop.
            source: what the operator types.
        """
        self._tell = tell
        self._clock = clock
        self._check = check
        self._source = source
        self._typed = ""

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Answered:
        """Ask until one of the answers has come or the time is over; see :meth:`mxlib.protocols.service.Asker.ask`."""
        self._tell(question)
        for word, effect in answers.items():
            self._tell(f"  {word:8}{effect}{' (Enter)' if word == safe else ''}")
        end = self._clock.monotonic() + DEADLINE_S
        while True:
            said = self._line(end)
            if said is None:
                self._tell(f"no answer within {duration(DEADLINE_S)}: {safe}")
                return Answered(question, safe, answers[safe], "no answer")
            word = said.strip().lower() or safe
            if word in answers:
                return Answered(question, word, answers[word], "the operator")
            self._tell(f"{one_line(word, 40)} is none of {', '.join(answers)}")

    def _line(self, end: float) -> str | None:
        """What was typed; None where nothing was, or nobody is there any more."""
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


def asker(
    tell: Callable[[str], None], clock: Clock, check: Callable[[], None], *, unattended: bool
) -> Unattended | Terminal:
    """Who is asked: nobody where nobody can answer.

    Arguments:
        tell: where the operator looks.
        clock: the time to live in.
        check: raises where the run is to stop.
        unattended: whether the operator wants no question.
    """
    if unattended or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Unattended(tell)
    return Terminal(tell, clock, check, sys.stdin)
