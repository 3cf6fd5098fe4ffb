"""A number that is seen first."""

from dataclasses import dataclass

from mxlib.pages.tone import PLAIN


@dataclass(frozen=True)
class Figure:
    """A number that is seen first.

    Attributes:
        value: the number.
        what: what it counts.
        tone: its colour.
    """

    value: str
    what: str
    tone: str = PLAIN
