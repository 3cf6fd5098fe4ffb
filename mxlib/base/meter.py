"""What the round trips to the hosts of a run cost."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A meter's counters at one moment.

    Attributes:
        trips: round trips so far.
        seconds: how long they took, one after the other; those at the same time add up.
    """

    trips: int
    seconds: float

    def since(self, before: "Reading") -> "Reading":
        """What was added since another moment.

        Arguments:
            before: the earlier one.
        """
        return Reading(self.trips - before.trips, self.seconds - before.seconds)


class Meter:
    """Counts round trips, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = Reading(0, 0.0)

    def add(self, seconds: float) -> None:
        """Count one round trip.

        Arguments:
            seconds: how long it took.
        """
        with self._lock:
            self._reading = Reading(self._reading.trips + 1, self._reading.seconds + seconds)

    def read(self) -> Reading:
        """The counters now."""
        return self._reading
