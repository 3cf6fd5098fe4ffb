"""What a run's round trips to hosts cost."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A meter's counters at one moment.

    Attributes:
        trips: round trips so far.
        seconds: how long they took; those that run side by side add up.
    """

    trips: int
    seconds: float

    def since(self, before: "Reading") -> "Reading":
        """Return what was added since an earlier reading."""
        return Reading(self.trips - before.trips, self.seconds - before.seconds)


class Meter:
    """Counts round trips, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = Reading(0, 0.0)

    def add(self, seconds: float) -> None:
        """Count one round trip."""
        with self._lock:
            self._reading = Reading(self._reading.trips + 1, self._reading.seconds + seconds)

    def read(self) -> Reading:
        """Return the counters as they are now."""
        return self._reading
