"""The operator: lines to read, and now and then a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Share:
    """How much of something is done.

    Attributes:
        done: so much of it.
        total: all of it, in the same unit; more than zero.
    """

    done: float
    total: float


class Operator(Protocol):
    """Where lines for the operator go."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def live(self, text: str, share: Share | None = None) -> None:
        """Show a line that the next one replaces; without a terminal, only one now and then.

        Arguments:
            text: how far it is, in words.
            share: the same for a bar; None: nobody knows how much is left.
        """

    def busy(self, text: str, share: Share | None = None) -> None:
        """Show what begins now, and may say nothing for a while: a terminal shows it with the seconds that it takes.

        Without a terminal nothing is shown: the line at its end says that it was done.
        """


@dataclass(frozen=True)
class Reply:
    """A question to the operator and its answer.

    Attributes:
        question: what was asked.
        answer: the word that was chosen.
        effect: what the word does.
        by: who answered, or why nobody was asked.
    """

    question: str
    answer: str
    effect: str
    by: str


class Prompt(Protocol):
    """Asks the operator a question."""

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Reply:
        """Ask the operator.

        Arguments:
            answers: what each word does.
            safe: the word that is taken where nobody answers.

        Raises:
            mxlib.base.errors.InterruptedRunError: the run is to stop.
        """
