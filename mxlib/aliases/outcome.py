"""How refresh-aliases ends, and what it found on the way."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mxlib.mta.exim.rejects import Refusal


class RefreshExit(Enum):
    """How a run ends. The value is the cookbook's exit code; Spicerack reserves 90 to 99."""

    DONE = 0
    """Every MX answers the same, or did so already."""
    REFUSED = 10
    """Nothing was changed: the request or the configuration is wrong, or another run is at work."""
    FAILED = 14
    """Something is still wrong; the last lines say what."""
    UNKNOWN = 15
    """Nothing is known to be wrong, but something could not be told."""
    HUNG_AGAIN = 23
    """A generator hung again and was ended; the file of before serves."""
    INTERRUPTED = 30
    """Stopped by a signal; the host's own script ends by itself."""

    @property
    def phrase(self) -> str:
        """What the last line says."""
        return _PHRASES[self]


_PHRASES = {
    RefreshExit.DONE: "done",
    RefreshExit.REFUSED: "refused, nothing changed",
    RefreshExit.FAILED: "STILL WRONG",
    RefreshExit.UNKNOWN: "not all is known",
    RefreshExit.HUNG_AGAIN: "HANGS AGAIN, ended; the file of before serves",
    RefreshExit.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True)
class HungRun:
    """A run that hung, looked into before it was ended.

    Attributes:
        host: where.
        unit: which.
        why: one sentence.
        lines: all that was seen.
    """

    host: str
    unit: str
    why: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class HostRefusals:
    """Mail that an MX refused meanwhile.

    Attributes:
        host: which MX.
        since: from when on its log was read.
        refusals: in order.
    """

    host: str
    since: datetime
    refusals: tuple[Refusal, ...]
