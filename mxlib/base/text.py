"""Text for people: the output of a remote host is data, and loses its control characters first."""

import re

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""C0 and C1 controls except tab and newline, and the invisible or direction-changing characters of Unicode."""


def printable(text: str) -> str:
    """Strip terminal escape sequences and control characters; tabs and newlines stay."""
    return _CONTROL.sub("", _ANSI.sub("", text))


def one_line(text: str, limit: int = 200) -> str:
    """Return the text on one line, printable, cut with an ellipsis.

    Arguments:
        limit: greatest length in characters.
    """
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """Return a duration as people read it.

    Arguments:
        seconds: zero or more.

    Examples:
        >>> duration(3.21), duration(75), duration(3 * 3600 + 120)
        ('3.2 s', '1 min 15 s', '3 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    Arguments:
        noun: the singular, whose plural takes an s.
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def with_remark(command: str, remark: str) -> str:
    """Return a command with a remark that a shell takes for a comment: the line is typed, or pasted, as it stands."""
    return f"{command}    # {remark}"


def label_value(text: str) -> str:
    """Return text as the value of a Prometheus label, between its quotes, in the text format of exposition."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
