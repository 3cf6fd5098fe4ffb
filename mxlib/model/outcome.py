"""How a run can end, and the exit code that says so."""

from enum import Enum


class Outcome(Enum):
    """The end of a run. The value is the cookbook's exit code.

    Spicerack reserves 90 to 99, argparse uses 2, an uncaught error 1: none of them is used here.
    """

    DONE = 0
    """The goal is reached, or was reached already."""
    REFUSED = 10
    """The guard or the slot said no; nothing was changed."""
    UNDONE = 11
    """Given up and undone: back in service as found."""
    FELL_BACK = 12
    """The target kernel failed; back in service, verified, with the fallback."""
    LEFT_OUT = 20
    """Out of service, safe: mail is on disk, ports stay closed. A person has to look."""
    INCONCLUSIVE = 21
    """Out of service, safe: the verification failed, and nothing shows whose fault it is."""
    MAIL_LOST = 22
    """Out of service: the ledger misses a message."""
    INTERRUPTED = 30
    """Stopped by a signal or by another operator; the last line says what is left standing and how to go on."""

    @property
    def phrase(self) -> str:
        """What the first line of a report says."""
        return _PHRASES[self]


class DrainOutcome(Enum):
    """How a draining on its own ended. The value is the cookbook's exit code."""

    DONE = 0
    """What is left is within the bound."""
    LEFT = 20
    """More is left than the bound allows; what and why was told for each destination."""
    UNKNOWN = 21
    """The host or its queue could not be read, so nothing can be said of it."""
    INTERRUPTED = 30
    """Stopped by a signal; the queue goes on as the MTA's own runners take it."""

    @property
    def phrase(self) -> str:
        """What it means, in a few words."""
        return _DRAIN_PHRASES[self]


_DRAIN_PHRASES = {
    DrainOutcome.DONE: "what is left is within the bound",
    DrainOutcome.LEFT: "more is left than the bound allows",
    DrainOutcome.UNKNOWN: "the host or its queue cannot be read",
    DrainOutcome.INTERRUPTED: "interrupted",
}
_PHRASES = {
    Outcome.DONE: "done",
    Outcome.REFUSED: "refused, nothing changed",
    Outcome.UNDONE: "undone, back in service as found",
    Outcome.FELL_BACK: "fell back to the earlier kernel, verified and in service",
    Outcome.LEFT_OUT: "left out of service, safe",
    Outcome.INCONCLUSIVE: "inconclusive, left out of service, safe",
    Outcome.MAIL_LOST: "MAIL IS MISSING, left out of service",
    Outcome.INTERRUPTED: "interrupted",
}
