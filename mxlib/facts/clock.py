"""How far a host's clock is off, by the clock of the asking side, and whether it is kept right."""

import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section, SectionOutput
from mxlib.facts.source import Outputs, Source

# timedatectl starts a service first, which takes its time on a busy host; the clock itself is known without it.
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
        offset_s: seconds it is ahead of the asking side at the least, negative for behind; 0 when it may be right.
        uncertainty_s: the true offset may be that much larger: the time spent on the way.
        synchronized: whether systemd says that the clock is kept right; None when it does not say.
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
        raise ParseError("the host does not say what time it is")
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
