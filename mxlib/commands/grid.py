"""A table that fits a terminal: a line for each thing, or where that is too wide, the things side by side."""

from collections.abc import Iterable, Sequence


def fitted(heads: Sequence[str], things: Sequence[Sequence[str]], room: int | None = None) -> list[str]:
    """Return the lines of a table.

    Arguments:
        heads: what each value of a thing is called.
        things: the values of each, in that order.
        room: columns that there are; None: as many as are needed.
    """
    lines = _aligned([heads, *things])
    if room is None or max(map(len, lines)) <= room:
        return lines
    return [*_side_by_side(heads, things, room)]


def _side_by_side(heads: Sequence[str], things: Sequence[Sequence[str]], room: int) -> Iterable[str]:
    """A line for each value; as many things beside each other as there is room for, and one at least."""
    count = 1
    while count < len(things) and max(map(len, _turned(heads, things[: count + 1]))) <= room:
        count += 1
    yield from _turned(heads, things[:count])
    if things[count:]:
        yield ""
        yield from _side_by_side(heads, things[count:], room)


def _turned(heads: Sequence[str], things: Sequence[Sequence[str]]) -> list[str]:
    return _aligned([*zip(heads, *things, strict=True)])


def _aligned(grid: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in grid]
