"""Exim's retry hints: what it remembers of hosts, domains and addresses that failed.

Keys, as of Exim 4.96: ``T:host:ip`` (perhaps with a port) for a host, ``T:host:ip:id`` for one message at a host,
``R:domain`` for routing, ``R:address:<sender>`` and ``T:address`` for an address.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim

# Without a file there are no hints; with one that cannot be read nothing is known.
SECTION = Section(
    "retry-hints",
    f"[ ! -s {exim.SPOOL}/db/retry ] || TZ=UTC exim_dumpdb {exim.SPOOL} retry || exit\necho end",
    timeout_s=20,
)
_KEY = re.compile(r"  (?P<key>[RT]:\S+(?: \S+)*?) (?P<errno>-?\d+) (?P<more>-?\d+) ?(?P<text>.*)")
_TIMES = re.compile(
    r"(\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d)  (\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d)  (\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d) ?(\*?)"
)
_HOST = re.compile(r"T:(?P<name>[A-Za-z0-9_.-]+):(?P<ip>\d+(?:\.\d+){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*)(?P<rest>[+:].*)?")


@dataclass(frozen=True)
class Hint:
    """What Exim remembers of one failure.

    Attributes:
        key: as the database has it.
        first_failed: when it began.
        last_try: when it was tried last.
        next_try: not tried before.
        expired: whether the cutoff was passed: a failure, or no attempt at all, is final now.
        text: the last error.
    """

    key: str
    first_failed: datetime
    last_try: datetime
    next_try: datetime
    expired: bool
    text: str

    @property
    def ip(self) -> str:
        """Address of the host it is about; empty if it is about something else."""
        found = _HOST.fullmatch(self.key)
        return found["ip"].rstrip(":") if found else ""

    @property
    def address(self) -> str:
        """The recipient it is about, lower case; empty if it is about something else."""
        subject = self.key[2:].partition(":<")[0]
        return subject.lower() if "@" in subject and not self.ip else ""

    @property
    def domain(self) -> str:
        """Domain of that recipient, or the one that could not be routed; lower case, empty for a host."""
        if self.ip:
            return ""
        return self.address.rpartition("@")[2] or (self.key[2:].lower() if self.key.startswith("R:") else "")


def parse(outputs: Outputs) -> tuple[Hint, ...]:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or has another form.
    """
    *lines, end = outputs[SECTION.name].text().splitlines() or [""]
    if end != "end" or len(lines) % 2:
        raise ParseError("the retry hints are cut short")
    return tuple(_hint(*pair) for pair in zip(lines[::2], lines[1::2], strict=True))


def _hint(head: str, times: str) -> Hint:
    found, when = _KEY.fullmatch(head), _TIMES.match(times)
    if found is None or when is None:
        raise ParseError(f"not a retry hint: {head[:120]!r}")
    first, last, following = (datetime.strptime(when[n], "%d-%b-%Y %H:%M:%S").replace(tzinfo=UTC) for n in (1, 2, 3))
    return Hint(found["key"], first, last, following, bool(when[4]), found["text"])


SOURCE: Source[tuple[Hint, ...]] = Source("retry-hints", (SECTION,), parse)
