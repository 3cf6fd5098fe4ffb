"""The operator: lines to read, and now and then a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Operator(Protocol):
    """Where lines for the operator go."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def live(self, text: str) -> None:
        """Show a line that the next one replaces; without a terminal, only one now and then."""


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
