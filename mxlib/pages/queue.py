"""The queue over time, in all and by destination, as the drain counted it, and the drain's rate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from mxlib.base.journal import Event
from mxlib.base.text import duration, plural
from mxlib.pages.axis import Axis
from mxlib.pages.timeline import moment

_WIDE, _HIGH = 1000, 100
_ALL = "all messages"


@dataclass(frozen=True)
class ChartLine:
    """A line of the chart.

    Attributes:
        name: a destination, or all messages.
        number: number of its style in the chart.
        points: value of SVG's ``points``, on 1000 by 100.
        first: messages at the first count.
        last: messages at the last count.
    """

    name: str
    number: int
    points: str
    first: int
    last: int


@dataclass(frozen=True)
class Chart:
    """The queue, drawn.

    Attributes:
        axis: from the first to the last count.
        top: messages at the upper edge.
        lines: the sum first, then the destinations, those with most messages first.
        rates: a sentence on the rate of each drain.
    """

    axis: Axis
    top: int
    lines: tuple[ChartLine, ...]
    rates: tuple[str, ...]


@dataclass(frozen=True)
class _Count:
    at: datetime
    left: int
    by: Mapping[str, int] | None
    completed: int | None


def drawn(events: Sequence[Event]) -> Chart | None:
    """Draw the queue; None if it was not counted at least twice."""
    counts = [
        _Count(moment(one.at), int(one.values["left"]), one.values.get("by"), one.values.get("completed"))
        for one in events
        if one.name == "queue"
    ]
    rates = tuple(_rates(events, counts))
    if len(counts) < 2:
        return None
    axis = Axis(counts[0].at, counts[-1].at)
    top = _round_up(max(one.left for one in counts))
    surveys = [(one.at, one.by) for one in counts if one.by is not None]
    names = sorted({name for _at, by in surveys for name in by}, key=lambda name: (-_most(name, surveys), name))
    every = [_line(axis, top, 0, _ALL, [(one.at, one.left) for one in counts])]
    every += [
        _line(axis, top, number, name, [(at, by.get(name, 0)) for at, by in surveys])
        for number, name in enumerate(names, 1)
    ]
    return Chart(axis, top, tuple(every), rates)


def _most(name: str, surveys: Iterable[tuple[datetime, Mapping[str, int]]]) -> int:
    return max(by.get(name, 0) for _at, by in surveys)


def _line(axis: Axis, top: int, number: int, name: str, found: Sequence[tuple[datetime, int]]) -> ChartLine:
    places = (f"{axis.place(at) * _WIDE / 100:g},{_HIGH - _HIGH * min(count, top) / top:g}" for at, count in found)
    return ChartLine(name, number, " ".join(places), found[0][1], found[-1][1])


def _round_up(count: int) -> int:
    """Return the next even number of one digit and zeros, so that its half is whole."""
    if count <= 2:
        return 2
    step = 10 ** (len(str(count)) - 1)
    step = step if step > 1 else 2
    return -(-count // step) * step


def _rates(events: Iterable[Event], counts: Sequence[_Count]) -> Iterator[str]:
    for event in events:
        values = event.values
        if event.name in ("done", "failed") and values.get("step") == "drain" and "completed" in values:
            yield _rate(values, _fastest(counts, moment(event.at), float(values.get("seconds", 0.0))))


def _rate(values: Mapping[str, object], fastest: float) -> str:
    completed, before, after = (int(str(values.get(key, 0))) for key in ("completed", "before", "after"))
    seconds = float(str(values.get("seconds", 0.0)))
    said = f"{plural(completed, 'message')} of {before} completed"
    if seconds > 0:
        said += f" in {duration(seconds)}, {completed / seconds:.1f}/s on average"
    return f"{said}{f', {fastest:.1f}/s at its fastest' if fastest else ''}; {after} left"


def _fastest(counts: Sequence[_Count], end: datetime, seconds: float) -> float:
    """Return the greatest rate between two counts of a drain, in messages per second."""
    mine = [
        one for one in counts
        if one.completed is not None and one.at <= end and (not seconds or (end - one.at).total_seconds() <= seconds)
    ]  # fmt: skip
    rates = [
        ((new.completed or 0) - (old.completed or 0)) / max(0.5, (new.at - old.at).total_seconds())
        for old, new in pairwise(mine)
    ]
    return max(rates, default=0.0)
