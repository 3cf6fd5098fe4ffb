"""Lines of an answer: one that is not understood may be about anything."""

from collections.abc import Callable, Iterable

from mxlib.base.errors import ParseError

_SHOWN = 100


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as a host's own tools count them: only a line feed ends one.

    ``str.splitlines`` ends them at other characters as well, such as U+2028, which an address or an answer may contain.
    """
    return text.removesuffix("\n").split("\n") if text else []


def lines_before_end(text: str, cut: str) -> list[str]:
    """Return the lines before the line ``end``, by which a script shows that it came to its end.

    Arguments:
        cut: the message where that line is missing.

    Raises:
        mxlib.base.errors.ParseError: it is missing.
    """
    *lines, end = lines_of(text) or [""]
    if end != "end":
        raise ParseError(cut)
    return lines


def refuse_unknown(lines: Iterable[str], known: Callable[[str], object], what: str) -> None:
    """Refuse an answer with a line that is not understood; an empty line says nothing.

    Arguments:
        known: is true for a line that is understood.
        what: begins the message, before the first line that is not.

    Raises:
        mxlib.base.errors.ParseError: there is such a line.
    """
    odd = next((line for line in lines if line.strip() and not known(line)), None)
    if odd is not None:
        raise ParseError(f"{what}: {odd[:_SHOWN]!r}")
