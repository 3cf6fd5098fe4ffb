"""How a cookbook can end: one table of exit codes for all cookbooks, in which a number has one meaning."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Self


class Outcome(Enum):
    """The end of a cookbook. The value is its exit code.

    argparse ends with 2, an uncaught error with 1, and Spicerack reserves 90 to 99: none of them is used here.

    Attributes:
        phrase: its words in the last line.
        meaning: one sentence for ``--help`` and the documentation.
    """

    _value_: int
    phrase: str
    meaning: str

    def __new__(cls, code: int, phrase: str, meaning: str) -> Self:
        """Make the code the value; the rest are attributes."""
        made = object.__new__(cls)
        made._value_ = code
        made.phrase, made.meaning = phrase, meaning
        return made

    DONE = 0, "done", "Done, or there was nothing to do; of a check: all is well."
    REFUSED = 10, "refused, nothing changed", "Refused, nothing changed: the last line says what is in the way."
    UNDONE = 11, "undone, back in service as found", "Undone, back in service as found."
    FELL_BACK = (
        12,
        "fell back to the earlier kernel, verified and in service",
        "Fell back to the earlier kernel, verified and in service.",
    )
    INCOMPLETE = 13, "ended, but hosts were skipped", "Ended, but hosts were skipped: the last line says which and why."
    FAILED = 14, "something is wrong", "Something is wrong, or still wrong: the last lines say what."
    UNKNOWN = 15, "not all is known", "Nothing is known to be wrong, but something could not be read."
    NO_ANSWER = (
        16,
        "no answer",
        "No host that was asked answers, and nothing was changed: the last line says what to do next.",
    )
    QUEUE_LEFT = (
        17,
        "more is left in the queue than the bound allows",
        "More is left in the queue than the bound allows: the last lines say where and why.",
    )
    LEFT_OUT = (
        20,
        "left out of service, safe",
        "Left out of service, safe: mail is on disk, the ports stay closed. Somebody has to look.",
    )
    INCONCLUSIVE = (
        21,
        "inconclusive, left out of service, safe",
        "Inconclusive, left out of service, safe: the verification failed, and nothing shows whose fault it is.",
    )
    MAIL_LOST = (
        22,
        "MAIL IS MISSING, left out of service",
        "MAIL IS MISSING, left out of service: the ledger misses a message.",
    )
    HUNG_AGAIN = (
        23,
        "an alias generator hung again and was ended",
        "An alias generator hung again and was ended; the previous file serves.",
    )
    INTERRUPTED = 30, "interrupted", "Interrupted: the last line says what is left standing and how to resume."
    PAUSED = 40, "paused until the next window", "Paused until the next window."
    OUTSIDE = 41, "outside the window, no host was begun", "Outside the window, no host was begun."
    TAKEN = 42, "nothing was done, somebody else is at work", "Nothing was done, somebody else is at work."
    UNPROVEN = (
        43,
        "the kernel did not prove itself under real mail",
        "The kernel did not prove itself under real mail: the roll has stopped.",
    )
    BLOCKED = (
        44,
        "blocked, no further host was begun",
        "Blocked, no further host was begun: the last line says what is in the way.",
    )


_RUN = (
    Outcome.DONE,
    Outcome.REFUSED,
    Outcome.UNDONE,
    Outcome.FELL_BACK,
    Outcome.UNKNOWN,
    Outcome.NO_ANSWER,
    Outcome.LEFT_OUT,
    Outcome.INCONCLUSIVE,
    Outcome.MAIL_LOST,
    Outcome.INTERRUPTED,
)
_CHECK = (
    Outcome.DONE,
    Outcome.REFUSED,
    Outcome.FAILED,
    Outcome.UNKNOWN,
    Outcome.NO_ANSWER,
    Outcome.INTERRUPTED,
)
ENDS: Mapping[str, tuple[Outcome, ...]] = MappingProxyType(
    {
        "depool-mx": _RUN,
        "drain-queue": (
            Outcome.DONE,
            Outcome.REFUSED,
            Outcome.UNKNOWN,
            Outcome.NO_ANSWER,
            Outcome.QUEUE_LEFT,
            Outcome.INTERRUPTED,
        ),
        "pool-mx": _RUN,
        "reboot-mx": _RUN,
        "refresh-aliases": (*_CHECK[:5], Outcome.HUNG_AGAIN, Outcome.INTERRUPTED),
        "remedy-mx": _CHECK,
        "repair-nic": _CHECK,
        "roll-kernel": (
            Outcome.DONE,
            Outcome.REFUSED,
            Outcome.UNDONE,
            Outcome.FELL_BACK,
            Outcome.INCOMPLETE,
            Outcome.LEFT_OUT,
            Outcome.INCONCLUSIVE,
            Outcome.MAIL_LOST,
            Outcome.INTERRUPTED,
            Outcome.PAUSED,
            Outcome.OUTSIDE,
            Outcome.TAKEN,
            Outcome.UNPROVEN,
            Outcome.BLOCKED,
        ),
        "status": _CHECK,
        "verify-mx": _CHECK,
    }
)
"""How each cookbook can end, in order of the codes. Any of them ends with 2 where its arguments are wrong."""

DELIBERATE = frozenset({Outcome.DONE, Outcome.PAUSED, Outcome.OUTSIDE, Outcome.TAKEN})
"""Ends of a roll that systemd takes for success: nothing is wrong, and the rest is done another time."""


def exit_codes(cookbook: str) -> str:
    """Return the lines of ``--help`` on how a cookbook can end.

    Arguments:
        cookbook: its name, such as ``verify-mx``.
    """
    return "\n".join(f"        {one.value:<3} {one.meaning}" for one in ENDS[cookbook])
