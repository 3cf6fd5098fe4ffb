"""The page of one run of a roll: the hosts over time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mxlib.base.journal import Event
from mxlib.base.text import duration, plural
from mxlib.model.outcome import Outcome
from mxlib.pages import tone
from mxlib.pages.axis import Axis
from mxlib.pages.figure import Figure
from mxlib.pages.render import render
from mxlib.pages.timeline import moment
from mxlib.roll.report import HostLine, Summary

_AXIS, _NAME, _BAR = 24, 28, 22
"""Heights in pixels: the labels of the axis, a host's name, a bar with its words."""


@dataclass(frozen=True)
class HostBar:
    """What was done with a host at a time.

    Attributes:
        label: its words.
        left: its left end, in per cent.
        width: its width, in per cent.
        tone: its colour; ``soak`` for a soak under real mail.
        to_left: whether its words end at its right end instead of beginning at its left end.
    """

    label: str
    left: float
    width: float
    tone: str
    to_left: bool

    @property
    def words(self) -> float:
        """Anchor of its words, in per cent."""
        return self.left + self.width if self.to_left else self.left


@dataclass(frozen=True)
class Lane:
    """One host.

    Attributes:
        host: its name.
        bars: what was done with it, in order.
        top: its upper edge, in pixels from above.
    """

    host: str
    bars: tuple[HostBar, ...]
    top: int

    @property
    def bottom(self) -> int:
        """Its lower edge, in pixels from above."""
        return self.top + _NAME + _BAR * len(self.bars)


@dataclass(frozen=True)
class HostRow:
    """One host in the table.

    Attributes:
        line: its state.
        said: the outcome of its run, in words; empty where it had none.
        tone: colour of the outcome.
        took: how long the run took, in words.
        page: file name of the run's own page, in the same folder; empty where there is none.
    """

    line: HostLine
    said: str
    tone: str
    took: str
    page: str


def page(summary: Summary, events: Iterable[Event]) -> str:
    """Return the page of a roll."""
    known = list(events)
    axis = Axis(moment(known[0].at), moment(known[-1].at)) if known else None
    values = {
        "title": summary.headline,
        "summary": summary,
        "tone": tone.of_outcome(summary.end),
        "figures": tuple(_figures(summary, axis)),
        "axis": axis,
        "lanes": _lanes(summary, known, axis) if axis else (),
        "lines": tuple(_line(one) for one in summary.hosts),
    }
    return render("roll.html", values)


def _figures(summary: Summary, axis: Axis | None) -> Iterator[Figure]:
    done = sum(one.outcome == Outcome.DONE.name for one in summary.hosts)
    runs = sum(bool(one.outcome) for one in summary.hosts)
    yield Figure(str(done), f"of {plural(len(summary.hosts), 'host')} rebooted in this run")
    if runs > done:
        yield Figure(str(runs - done), "ended otherwise", tone.BAD)
    if summary.soaks:
        yield Figure(str(len(summary.soaks)), "watched under real mail")
    if axis is not None:
        yield Figure(duration(axis.seconds), "from beginning to end")


def _lanes(summary: Summary, events: Sequence[Event], axis: Axis) -> tuple[Lane, ...]:
    found: dict[str, list[HostBar]] = {one.host: [] for one in summary.hosts}
    begun: dict[str, str] = {}
    for event in events:
        values = event.values
        if event.name == "take":
            begun[values["host"]] = event.at
        elif event.name == "host":
            outcome = Outcome[values["outcome"]]
            label = f"{_short(outcome)} {duration(float(values.get('seconds', 0.0)))}"
            since = begun.pop(values["host"], event.at)
            found.setdefault(values["host"], []).append(_bar(axis, since, event.at, label, tone.of_outcome(outcome)))
        elif event.name == "soak":
            seconds = float(values["seconds"])
            since = (moment(event.at) - timedelta(seconds=seconds)).isoformat()
            for host in values["hosts"]:
                label = f"watched {duration(seconds)}: {values['proof']}"
                found.setdefault(host, []).append(_bar(axis, since, event.at, label, "soak"))
    for host, since in begun.items():
        found.setdefault(host, []).append(_bar(axis, since, events[-1].at, "had not ended", tone.DOUBT))
    return tuple(_stacked(found))


def _stacked(found: Mapping[str, Sequence[HostBar]]) -> Iterator[Lane]:
    top = _AXIS
    for host, bars in found.items():
        lane = Lane(host, tuple(bars), top)
        yield lane
        top = lane.bottom


def _bar(axis: Axis, since: str, until: str, label: str, colour: str) -> HostBar:
    left, width = axis.place(moment(since)), axis.width(moment(since), moment(until))
    return HostBar(label, left, width, colour, left > 50)


def _short(outcome: Outcome) -> str:
    """Return an outcome in a word or two, as a bar has no room for its phrase."""
    return outcome.name.lower().replace("_", " ")


def _line(one: HostLine) -> HostRow:
    if not one.outcome:
        return HostRow(one, "", "", "", "")
    outcome = Outcome[one.outcome]
    name = one.report.rpartition("/")[2]
    own = f"{name.removesuffix('.md')}.html" if name.endswith(".md") else ""
    return HostRow(one, outcome.phrase, tone.of_outcome(outcome), duration(one.seconds), own)
