"""The kernel's counters of TCP Fast Open. The fault of 2021 needed it, and a black hole shows here first."""

from collections.abc import Mapping

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section

SECTION = Section("fastopen", "cat /proc/net/netstat")
# Attempts, failed attempts, and black holes found (after one the kernel disables it for a while).
COUNTED = ("TCPFastOpenActive", "TCPFastOpenActiveFail", "TCPFastOpenBlackhole")


def parse_text(text: str) -> dict[str, int]:
    """Read ``/proc/net/netstat``: a line of names, a line of values, each with its group in front.

    Raises:
        mxlib.base.errors.ParseError: it does not have the counters.
    """
    lines = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise ParseError("/proc/net/netstat has no TCP counters")
    found = {name: int(value) for name, value in zip(*lines, strict=True) if name in COUNTED}
    if not found:
        raise ParseError("this kernel does not count TCP Fast Open")
    return found


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each counter rose.

    Args:
        before: the same host earlier in the same boot.
        after: the same host later.
    """
    return {name: value - before.get(name, 0) for name, value in after.items()}
