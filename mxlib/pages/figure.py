"""A headline number of a page."""

from dataclasses import dataclass

from mxlib.pages.tone import PLAIN


@dataclass(frozen=True)
class Figure:
    """A headline number of a page.

    Attributes:
        value: the number.
        what: what it counts.
        tone: its colour.
    """

    value: str
    what: str
    tone: str = PLAIN
