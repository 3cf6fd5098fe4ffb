"""A time axis drawn to scale: positions in per cent of its width, and round marks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 7 * 86400)
_LEAST_S = 1.0


@dataclass(frozen=True)
class Tick:
    """A mark on the axis.

    Attributes:
        place: per cent of the width.
        label: the time of day; with the date where the axis spans days.
    """

    place: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A span of time, from its left to its right end."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length; never 0, as positions are fractions of it."""
        return max(_LEAST_S, (self.end - self.begin).total_seconds())

    def place(self, moment: datetime) -> float:
        """Return the position of a moment, in per cent of the width; outside the axis, that of the nearer edge."""
        part = (moment - self.begin).total_seconds() / self.seconds
        return round(100 * min(1.0, max(0.0, part)), 3)

    def width(self, begin: datetime, end: datetime) -> float:
        """Return the width of a span, in per cent."""
        return round(self.place(end) - self.place(begin), 3)

    def ticks(self, most: int = 6) -> tuple[Tick, ...]:
        """Return marks at round times."""
        step = next((step for step in _STEPS_S if self.seconds / step <= most), _STEPS_S[-1])
        midnight = self.begin.replace(hour=0, minute=0, second=0, microsecond=0)
        first = -(-(self.begin - midnight).total_seconds() // step) * step
        form = "%H:%M:%S" if step < 60 else "%H:%M" if self.seconds < 86400 else "%d %b %H:%M"
        count = int((self.end - midnight).total_seconds() - first) // step + 1
        moments = (
            midnight + timedelta(seconds=first + number * step) for number in range(max(0, min(count, most + 1)))
        )
        return tuple(Tick(self.place(moment), f"{moment:{form}}") for moment in moments)
