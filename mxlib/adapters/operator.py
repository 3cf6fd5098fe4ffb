"""The operator: one line a step, on a terminal one live line that the next replaces, and rarely a question.

wmflib's ``ask_input`` has no default and no deadline, and takes Ctrl-C for a wrong answer, of which it wants three.
"""

import logging
import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from mxlib.adapters.live_line import Frame, live_line_of
from mxlib.base.clock import Clock
from mxlib.base.text import duration, one_line, printable
from mxlib.protocols.operator import Reply, Share

logger = logging.getLogger("mx-cookbooks")

_QUIET_S = 30.0
"""Without a terminal a live line is written this often."""
DEADLINE_S = 900.0
"""After so long without an answer the safe one is taken: a host must not wait half-way for somebody who has left."""
_LOOK_S = 0.5
_TIME = len("00:00:00 ")


class TerminalOperator:
    """Lines for the terminal; those that stay also go to Spicerack's log of the cookbook."""

    def __init__(self, clock: Clock, stream: TextIO | None = sys.stderr, heard: Callable[[], str] = lambda: ""):
        """Say nothing yet.

        Arguments:
            stream: where live lines go; None: there is none.
            heard: who asked the run to stop, which the live line says; empty: nobody.
        """
        self._clock = clock
        self._live = live_line_of(stream)
        self._heard = heard
        self._last = -_QUIET_S

    @property
    def room(self) -> int | None:
        """Columns of the terminal that a line has behind its time; None where there is no terminal."""
        return None if self._live.columns is None else self._live.columns - _TIME

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._live.clear()
        self._log(text)

    def live(self, text: str, share: Share | None = None) -> None:
        """Write a line that the next one replaces."""
        if self._live.live:
            self._live.show(Frame(text, share, heard=self._heard))
        elif self._clock.monotonic() - self._last >= _QUIET_S:
            self._last = self._clock.monotonic()
            self._log(text)

    def busy(self, text: str, share: Share | None = None) -> None:
        """Show what begins now, with the seconds that it takes; nothing where there is no terminal."""
        self._live.show(Frame(text, share, ticking=True, heard=self._heard))

    def close(self) -> None:
        """Take the live line away: what comes next, from whomever, is the last that is seen."""
        self._live.close()

    def _log(self, text: str) -> None:
        # a second line in the text of a host, or in somebody's reason, must not look like one of ours
        shown = printable(text).replace("\n", f"\n{' ' * _TIME}")
        logger.info("%s %s", self._clock.now().strftime("%H:%M:%S"), shown)


class Unattended:
    """Never asks: what would have been asked gets the safe answer, and stands in the report."""

    def __init__(self, say: Callable[[str], None]):
        """Keep where to say so."""
        self._say = say

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Reply:
        """Return the safe answer; see :meth:`mxlib.protocols.operator.Prompt.ask`."""
        self._say(f"not asked (unattended): {question} The safe answer is taken: {safe} ({answers[safe]})")
        return Reply(question, safe, answers[safe], "not asked: unattended")


class TerminalPrompt:
    """Asks on the terminal."""

    def __init__(self, say: Callable[[str], None], clock: Clock, check: Callable[[], None], source: TextIO):
        """Ask nothing yet.

        Arguments:
            say: shows a line to the operator.
            check: raises where the run is to stop.
            source: what the operator types.
        """
        self._say = say
        self._clock = clock
        self._check = check
        self._source = source
        self._typed = ""

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Reply:
        """Ask until one of the answers has come or time is up; see :meth:`mxlib.protocols.operator.Prompt.ask`."""
        self._say(question)
        for word, effect in answers.items():
            self._say(f"  {word:8}{effect}{' (Enter)' if word == safe else ''}")
        end = self._clock.monotonic() + DEADLINE_S
        while True:
            said = self._line(end)
            if said is None:
                self._say(f"no answer within {duration(DEADLINE_S)}: {safe}")
                return Reply(question, safe, answers[safe], "no answer")
            word = said.strip().lower() or safe
            if word in answers:
                return Reply(question, word, answers[word], "the operator")
            self._say(f"{one_line(word, 40)} is none of {', '.join(answers)}")

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
    say: Callable[[str], None], clock: Clock, check: Callable[[], None], *, unattended: bool
) -> Unattended | TerminalPrompt:
    """Return who asks: nobody is asked where nobody can answer.

    Arguments:
        say: shows a line to the operator.
        check: raises where the run is to stop.
        unattended: whether the operator wants no question.
    """
    # a stream that was closed before this process began is None
    if unattended or not all(one is not None and one.isatty() for one in (sys.stdin, sys.stderr)):
        return Unattended(say)
    return TerminalPrompt(say, clock, check, sys.stdin)
