"""The steps of a run as bars on one axis, and the time that the host was out of service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mxlib.base.text import duration
from mxlib.pages.axis import Axis
from mxlib.pages.tone import BAD, PLAIN
from mxlib.reboot.report import Away, TimelineEntry, away

_LEFT_HALF = 50.0
"""Up to this position the words of a bar begin at its left end; beyond it they end at its right end."""
_MARKS = ("asked", "interrupted", "turning back")


@dataclass(frozen=True)
class StepBar:
    """One step, drawn.

    Attributes:
        row: its row, counted from 0 at the top.
        step: its name.
        took: how long it took, in words; empty for a moment.
        left: its left end, in per cent.
        width: its width, in per cent; 0 for a moment.
        tone: its colour.
        words: anchor of its words, in per cent.
        to_left: whether the words end there instead of beginning there.
    """

    row: int
    step: str
    took: str
    left: float
    width: float
    tone: str
    words: float
    to_left: bool


@dataclass(frozen=True)
class Stretch:
    """A stretch of the band above the bars, which shows the state of the host.

    Attributes:
        kind: ``serves``, ``out`` or ``down``.
        label: its words.
        left: its left end, in per cent.
        width: its width, in per cent.
    """

    kind: str
    label: str
    left: float
    width: float


@dataclass(frozen=True)
class Timeline:
    """A run, drawn to scale.

    Attributes:
        axis: from the first to the last moment of the run.
        bars: one a step.
        band: the state of the host, from left to right; stretches without an answer are drawn over the others.
        out: how long the host was out of service, in words; empty if the run did not take it out.
    """

    axis: Axis
    bars: tuple[StepBar, ...]
    band: tuple[Stretch, ...]
    out: str


def moment(text: str) -> datetime:
    """Parse a time of a journal."""
    return datetime.fromisoformat(text)


def drawn(entries: Sequence[TimelineEntry]) -> Timeline | None:
    """Draw a run; None if it has no steps."""
    if not entries:
        return None
    axis = Axis(moment(entries[0].began), max(moment(one.at) for one in entries))
    gap = away(entries)
    band = (*_band(axis, gap), *_down(axis, entries)) if gap else ()
    return Timeline(axis, tuple(_bar(axis, row, one) for row, one in enumerate(entries)), band, _said(axis, gap))


def _bar(axis: Axis, row: int, entry: TimelineEntry) -> StepBar:
    begin, end = moment(entry.began), moment(entry.at)
    left, width = axis.place(begin), axis.width(begin, end)
    to_left = left > _LEFT_HALF
    tone = BAD if entry.failed else "mark" if entry.step in _MARKS else PLAIN
    took = "" if tone == "mark" else duration(entry.seconds or (end - begin).total_seconds())
    return StepBar(row, entry.step, took, left, width, tone, left + width if to_left else left, to_left)


def _said(axis: Axis, gap: Away | None) -> str:
    if gap is None:
        return ""
    took = duration(((gap.back or axis.end) - gap.since).total_seconds())
    return took if gap.back else f"{took}, and still out"


def _band(axis: Axis, gap: Away) -> Iterator[Stretch]:
    end = gap.back or axis.end
    spans = (
        ("serves", "in service", axis.begin, gap.since),
        ("out", f"out of service {duration((end - gap.since).total_seconds())}", gap.since, end),
        ("serves", "in service", end, axis.end),
    )
    for kind, label, begin, until in spans:
        if (width := axis.width(begin, until)) > 0:
            yield Stretch(kind, label, axis.place(begin), width)


def _down(axis: Axis, entries: Sequence[TimelineEntry]) -> Iterator[Stretch]:
    """Yield a stretch from each order to reboot until the host answered, or the run gave up waiting."""
    ordered: datetime | None = None
    for entry in entries:
        if entry.step == "reboot" and not entry.failed:
            ordered = moment(entry.at)
        elif entry.step in ("await boot", "mend", "found boot") and ordered is not None:
            until, answers = moment(entry.at), entry.note.startswith("back after")
            if answers or entry is entries[-1]:
                took = duration((until - ordered).total_seconds())
                yield Stretch("down", f"boots {took}", axis.place(ordered), axis.width(ordered, until))
                ordered = None
