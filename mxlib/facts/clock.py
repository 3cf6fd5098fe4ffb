"""How far a host's clock is off, by the clock of the asking side, and whether it is kept right."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

SECTION = Section(
    "clock",
    """\
date '+now %s.%N'
timedatectl show -p NTP -p NTPSynchronized 2>/dev/null || true
""",
)


@dataclass(frozen=True)
class ClockFacts:
    """A host's clock.

    Attributes:
        offset_s: seconds it is ahead of the asking side at the least; 0 when the difference is within the time the
            question took.
        uncertainty_s: how long the question took: the true offset may be that much larger.
        synchronized: whether systemd says that the clock is kept right; None when it does not say.
    """

    offset_s: float
    uncertainty_s: float
    synchronized: bool | None


def parse(outputs: Outputs) -> ClockFacts:
    """Read the answer of the section.

    Raises:
        mxlib.errors.ParseError: no time in it.
    """
    output = outputs[SECTION.name]
    text = output.text()
    now = re.search(r"^now (\d+\.\d+)$", text, re.MULTILINE)
    if now is None:
        raise ParseError("the host does not say what time it is")
    ahead = (datetime.fromtimestamp(float(now[1]), tz=UTC) - output.when).total_seconds()
    # The host answered somewhere within the round trip, so only what lies outside of it is an offset.
    offset = min(ahead, 0.0) if ahead < 0 else max(ahead - output.round_trip_s, 0.0)
    synchronized = re.search(r"^NTPSynchronized=(yes|no)$", text, re.MULTILINE)
    return ClockFacts(offset, output.round_trip_s, synchronized[1] == "yes" if synchronized else None)


SOURCE = Source("clock", (SECTION,), parse)
