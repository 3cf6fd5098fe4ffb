"""A host's clock: its offset from the clock of the management host, and whether it is synchronized."""

import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section, SectionOutput
from mxlib.facts.source import Outputs, Source

# timedatectl starts a service first, which is slow on a busy host; the clock itself is known without it.
SECTION = Section(
    "clock",
    """\
date '+now %s.%N'
timeout 5 timedatectl show -p NTP -p NTPSynchronized 2>/dev/null || true
""",
    timed=True,
)


@dataclass(frozen=True)
class ClockFacts:
    """A host's clock.

    Attributes:
        offset_s: seconds by which it is at least ahead of the management host; negative: behind; 0: it may be right.
        uncertainty_s: seconds by which the true offset may be larger: the time on the way.
        synchronized: whether systemd reports it as synchronized; None when that is unknown.
    """

    offset_s: float
    uncertainty_s: float
    synchronized: bool | None


def parse(outputs: Outputs) -> ClockFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: no time in it.
    """
    output = outputs[SECTION.name]
    text = output.text()
    now = re.search(r"^now (\d+\.\d+)$", text, re.MULTILINE)
    if now is None:
        raise ParseError("the host did not print its time")
    lowest, highest = _bounds(output, float(now[1]))
    offset = lowest if lowest > 0 else min(highest, 0.0)
    synchronized = re.search(r"^NTPSynchronized=(yes|no)$", text, re.MULTILINE)
    return ClockFacts(offset, max(highest - lowest, 0.0), synchronized[1] == "yes" if synchronized else None)


def _bounds(output: SectionOutput, now: float) -> tuple[float, float]:
    """The least and the greatest offset: the script began after we asked, and ended before we had the answer."""
    began, ended = output.host_times or (now, now)
    asked = output.when.timestamp()
    return ended - (asked + output.round_trip_s), began - asked


SOURCE = Source("clock", (SECTION,), parse)
