"""The colour of an outcome, a status or a step: a colour means the same on all pages."""

from collections.abc import Mapping
from types import MappingProxyType

from mxlib.model.outcome import Outcome

GOOD, DOUBT, BAD, PLAIN = "good", "doubt", "bad", "plain"
_OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.DONE: GOOD,
        Outcome.PAUSED: PLAIN,
        Outcome.OUTSIDE: PLAIN,
        Outcome.TAKEN: PLAIN,
        Outcome.FAILED: BAD,
        Outcome.NO_ANSWER: BAD,
        Outcome.LEFT_OUT: BAD,
        Outcome.INCONCLUSIVE: BAD,
        Outcome.MAIL_LOST: BAD,
        Outcome.UNPROVEN: BAD,
        Outcome.BLOCKED: BAD,
    }
)


def of_outcome(outcome: Outcome) -> str:
    """Return the colour of an outcome; one that is neither done nor bad is a doubt."""
    return _OUTCOMES.get(outcome, DOUBT)


def of_status(status: str) -> str:
    """Return the colour of a check's status; whatever is neither OK nor FAILED is a doubt."""
    return {"OK": GOOD, "FAILED": BAD}.get(status, DOUBT)
