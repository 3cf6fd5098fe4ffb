"""Generated alias files: the units that write them, and what the site expects of both.

A wrong value raises ``ValueError(key, expected)``; :mod:`mxlib.config.load` adds the file and the value.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from mxlib.config.values import ADDRESS_PATTERN, must
from mxlib.config.verify import UNIT_NAME

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PATH = re.compile(r"(?:/[A-Za-z0-9._+@-]+)+")


def _unit(name: str, kind: str) -> bool:
    return bool(UNIT_NAME.fullmatch(name)) and name.endswith(kind)


@dataclass(frozen=True)
class AliasGenerator:
    """A unit that a timer starts, and that writes a file of mail addresses on every MX.

    Attributes:
        name: its name in reports and metrics.
        unit: the service that writes the file.
        file: absolute path of the file.
        timer: the timer that starts it; None where something else does.
        format: ``aliases``: lines "ADDRESS: TARGET", as in aliases(5); ``table``: "ADDRESS TARGET", as in Postfix's
            tables; ``list``: an address a line.
        floor: fewest entries the file must have; without such a floor, the generator of 2022 accepted any number.
        interval: seconds between two runs.
        bound: seconds a run may take; one that takes longer is stuck.
        max_age: greatest age of the file in seconds; None is twice the interval. A generator that does not write an
            unchanged file again needs more.
        max_difference: how far the number of entries may differ from the peers', as a share, 0 to 1.
        samples: addresses in the file that every MX must accept.
        start_timeout: start timeout in seconds that ``--pin-timeout`` sets for the unit.
    """

    name: str
    unit: str
    file: str
    timer: str | None = None
    format: Literal["aliases", "table", "list"] = "aliases"
    floor: int = 1
    interval: float = 3600.0
    bound: float = 900.0
    max_age: float | None = None
    max_difference: float = 0.1
    samples: tuple[str, ...] = ()
    start_timeout: int = 1800

    def __post_init__(self) -> None:
        must(bool(_NAME.fullmatch(self.name)), "name", "1 to 32 of a-z, 0-9 and -")
        must(_unit(self.unit, ".service"), "unit", "the full name of a service")
        must(self.timer is None or _unit(self.timer, ".timer"), "timer", "the full name of a timer")
        must(bool(_PATH.fullmatch(self.file)) and "/../" not in self.file, "file", "an absolute path of plain names")
        must(self.floor >= 0, "floor", "0 or more entries")
        for key in ("interval", "bound", "allowed_age"):
            value = getattr(self, key)
            must(math.isfinite(value) and value > 0, "max_age" if key == "allowed_age" else key, "a number above 0")
        must(0 <= self.max_difference <= 1, "max_difference", "0 to 1")
        must(all(map(ADDRESS_PATTERN.fullmatch, self.samples)), "samples", "mail addresses")
        must(10 <= self.start_timeout <= 86400, "start_timeout", "10 to 86400 seconds")

    @property
    def allowed_age(self) -> float:
        """Greatest age of the file in seconds."""
        return 2 * self.interval if self.max_age is None else self.max_age

    @property
    def success_age(self) -> float:
        """Greatest age, in seconds, of the last successful run: one run may be missed."""
        return 2 * self.interval
