"""TCP Fast Open: what the kernel counted of it. The fault of 2021 needed it, and a black hole shows here first."""

from collections.abc import Mapping

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section

SECTION = Section("fastopen", "cat /proc/net/netstat")
# Connections it was tried on, those where it failed, and black holes found (it is then switched off for a while).
COUNTED = ("TCPFastOpenActive", "TCPFastOpenActiveFail", "TCPFastOpenBlackhole")


def parse_text(text: str) -> dict[str, int]:
    """Read ``/proc/net/netstat``: a line of names, a line of values, each with its group in front.

    Raises:
        mxlib.base.errors.ParseError: it has none of the counters.
    """
    lines = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise ParseError("no counters of TCP in /proc/net/netstat")
    found = {name: int(value) for name, value in zip(*lines, strict=True) if name in COUNTED}
    if not found:
        raise ParseError("this kernel does not count TCP Fast Open")
    return found


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much each counter rose.

    Arguments:
        before: the same host earlier in the same boot.
        after: the host later.
    """
    return {name: value - before.get(name, 0) for name, value in after.items()}
