"""Colours of a terminal: verdicts and ends of a run, wherever they stand in a line."""

import re
from collections.abc import Mapping

from mxlib.base.verdict import Status
from mxlib.model.outcome import Outcome

_GREEN, _YELLOW, _RED = "32", "33", "31"
_RESET = "\x1b[0m"

_OF_STATUS: Mapping[str, str] = {
    Status.OK.value: _GREEN,
    Status.UNKNOWN.value: _YELLOW,
    Status.FAILED.value: _RED,
}
_SOMEBODY_HAS_TO_LOOK = frozenset(
    {
        Outcome.FAILED,
        Outcome.QUEUE_LEFT,
        Outcome.LEFT_OUT,
        Outcome.INCONCLUSIVE,
        Outcome.MAIL_LOST,
        Outcome.UNPROVEN,
        Outcome.BLOCKED,
    }
)
_OF_END: Mapping[str, str] = {
    one.phrase: _GREEN if one is Outcome.DONE else _RED if one in _SOMEBODY_HAS_TO_LOOK else _YELLOW
    for one in Outcome
}
_VERDICT = re.compile(rf"(?<![\w-])(?:{'|'.join(_OF_STATUS)})(?![\w-])")
_PHRASES = "|".join(re.escape(one) for one in sorted(_OF_END, key=len, reverse=True))
_END = re.compile(
    rf"^((?:DRY-RUN: )?\d\d:\d\d:\d\d (?:(?:roll of )?[^\s:]+: )?(?:stopped, a host: )?)({_PHRASES})(?=$|[:;(]| \()"
)
"""The phrase of an outcome after the time and the subject: the last line of a run, or of one host of a roll."""


def coloured(line: str) -> str:
    """Return a line with its verdicts and the outcome in it in colour.

    Arguments:
        line: printable text; text of a host may be in it, and at worst has a word of its own coloured.
    """
    end = _END.match(line)
    begin = end.end() if end else 0
    rest = _VERDICT.sub(lambda found: _painted(found[0], _OF_STATUS[found[0]]), line[begin:])
    return f"{end[1]}{_painted(end[2], f'1;{_OF_END[end[2]]}')}{rest}" if end else rest


def _painted(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}{_RESET}"
