"""Maintenance windows: days, opening and closing time, time zone. Pure.

A window is written ``DAYS FROM-TO [ZONE]``: ``mon-thu 22:00-05:00 Europe/Berlin``, ``tue,thu 01:00-04:00``,
``2tue 22:00-06:00`` (the second Tuesday of the month), ``-1fri ...`` (the last Friday), ``daily ...``, or ``always``.
The days are those on which the window opens; where TO is not after FROM it closes on the next day. Without a zone: UTC.

python-dateutil finds the days by the rules of RFC 5545 (``FREQ=MONTHLY;BYDAY=...``), zoneinfo what the clock shows. A
time that comes twice (autumn) or not at all (spring) is read so that the window gets shorter, never longer: the opening
is the later of the two readings, the closing the earlier one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import rrule

ALWAYS = "always"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPEC = re.compile(r"(?P<days>\S+) (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)(?: (?P<zone>[A-Za-z0-9_+/-]+))?")
_DAY = re.compile(r"(?P<nth>-1|[1-5])?(?P<day>[a-z]{3})")
_DAY_LONG = timedelta(days=1)


class WindowError(ValueError):
    """A text that is no window; the message is what was expected."""


@dataclass(frozen=True)
class Window:
    """One window.

    Attributes:
        text: as it was written.
        days: the days it opens on, as RFC 5545 numbers and counts them: (0 for Monday, n-th of the month or None).
        opens: local time at which it opens.
        closes: local time at which it closes; on the next day unless it is after ``opens``.
    """

    text: str
    days: tuple[tuple[int, int | None], ...]
    opens: time
    closes: time
    zone: ZoneInfo

    def spans(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield opening and closing (aware, in UTC, in order) for each day on which the window opens.

        A window of which a change of the clock leaves nothing is left out.

        Arguments:
            first: first day, on the zone's calendar.
            last: last day, included.
        """
        begin = datetime.combine(first, time())
        for day in _rule(self.days, begin.replace(day=1), datetime.combine(last, time())):
            if day < begin:
                continue
            closing_day = day if self.closes > self.opens else day + _DAY_LONG
            opening = max(_readings(datetime.combine(day, self.opens), self.zone))
            closing = min(_readings(datetime.combine(closing_day, self.closes), self.zone))
            if opening < closing:
                yield opening, closing


def _rule(days: Iterable[tuple[int, int | None]], since: datetime, until: datetime) -> Iterable[datetime]:
    weekdays = [rrule.weekday(number, nth) if nth else rrule.weekday(number) for number, nth in days]
    found: Iterable[datetime] = rrule.rrule(rrule.MONTHLY, byweekday=weekdays, dtstart=since, until=until)
    return found


def _readings(naive: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return both moments that a local time may mean; they differ where the clock is changed (PEP 495)."""
    return (naive.replace(tzinfo=zone, fold=0).astimezone(UTC), naive.replace(tzinfo=zone, fold=1).astimezone(UTC))


def parse(text: str) -> Window | None:
    """Read one window.

    Returns:
        The window; None for :data:`ALWAYS`.

    Raises:
        WindowError: the text is no window.
    """
    flat = " ".join(text.split())
    if flat == ALWAYS:
        return None
    found = _SPEC.fullmatch(flat)
    if found is None:
        raise WindowError(f"DAYS HH:MM-HH:MM [ZONE], such as mon-thu 22:00-05:00 Europe/Berlin, or {ALWAYS}")
    return Window(
        flat, _days(found["days"]), _time(found["opens"]), _time(found["closes"]), _zone(found["zone"] or "UTC")
    )


def parse_all(texts: Iterable[str]) -> tuple[Window, ...]:
    """Read several windows; an empty result means always open: no text, or one that is :data:`ALWAYS`.

    Raises:
        WindowError: one of the texts is no window.
    """
    found = [parse(text) for text in texts]
    return () if None in found else tuple(one for one in found if one is not None)


def _days(text: str) -> tuple[tuple[int, int | None], ...]:
    if text == "daily":
        return tuple((number, None) for number in range(7))
    return tuple(day for part in text.split(",") for day in _part(part))


def _part(text: str) -> Iterator[tuple[int, int | None]]:
    first, dash, last = text.partition("-") if not text.startswith("-") else (text, "", "")
    if dash:
        here, there = _number(first), _number(last)
        yield from ((number % 7, None) for number in range(here, there + (7 if there < here else 0) + 1))
        return
    found = _DAY.fullmatch(text)
    if found is None:
        raise WindowError("days such as mon-thu, sat,sun, 2tue (the second Tuesday), -1fri (the last Friday) or daily")
    yield _number(found["day"]), int(found["nth"]) if found["nth"] else None


def _number(day: str) -> int:
    if day not in _DAYS:
        raise WindowError(f"a day of {', '.join(_DAYS)}, got {day!r}")
    return _DAYS.index(day)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise WindowError(f"a time from 00:00 to 23:59, got {text!r}") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WindowError(f"a time zone such as Europe/Berlin, got {name!r}") from None


def closing(windows: Sequence[Window], at: datetime) -> datetime | None:
    """Return when the windows that are open now close; None where none is open.

    Windows that touch or overlap count as one. Looks two days ahead.

    Arguments:
        at: now, aware.
    """
    end = None
    for opens, closes in _around(windows, at, days=2):
        if opens <= (at if end is None else end) and closes > at:
            end = closes if end is None else max(end, closes)
    return end


def opening(windows: Sequence[Window], at: datetime) -> datetime | None:
    """Return when the next window opens; None where none does within a year.

    Arguments:
        at: now, aware.
    """
    near = (opens for days in (8, 366) for opens, _ in _around(windows, at, days) if opens > at)
    return next(near, None)


def _around(windows: Sequence[Window], at: datetime, days: int) -> list[tuple[datetime, datetime]]:
    """The spans of all windows around a moment, by their opening."""
    spans: list[tuple[datetime, datetime]] = []
    for window in windows:
        today = at.astimezone(window.zone).date()
        spans += window.spans(today - 2 * _DAY_LONG, today + days * _DAY_LONG)
    return sorted(spans)
