"""Typed events of a mail log, whichever MTA wrote it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class EventKind(Enum):
    """What happened to a message, an address or a session."""

    ARRIVED = "arrived"
    DELIVERED = "delivered"
    FURTHER = "delivered to one more recipient"
    CUTTHROUGH = "delivered while it came in"
    FAILED = "failed for good"
    DEFERRED = "deferred"
    COMPLETED = "completed"
    FROZEN = "frozen"
    ATTEMPT = "attempt failed"
    REJECTED = "rejected"
    OTHER = "other"


class Cause(Enum):
    """The cause of a deferral or a failure, by its text."""

    TIMEOUT_AFTER_DATA = "timeout after end of data"
    TIMEOUT_SENDING = "timeout while sending the body"
    TIMEOUT_IN_SESSION = "timeout in the SMTP session"
    CONNECT_TIMEOUT = "connection timed out"
    REFUSED = "connection refused"
    UNREACHABLE = "network or host unreachable"
    CLOSED = "connection closed by the remote"
    TLS = "TLS"
    DNS = "name lookup"
    UNROUTEABLE = "unrouteable address"
    CHUNKING = "BDAT (CHUNKING) refused"
    REMOTE_4XX = "remote answered 4xx"
    REMOTE_5XX = "remote answered 5xx"
    UNTRIED = "not tried: stale retry hints"
    LOCAL = "local delivery"
    OTHER = "other"


@dataclass(frozen=True)
class LogEvent:
    """One line of the main log.

    Attributes:
        when: the time of the line.
        kind: what happened.
        message_id: id of the message; empty for a line about none.
        address: the recipient, or the envelope sender of an arrival; empty for ``<>`` and where there is none.
        host: name of the other end, without parentheses; empty where there is none.
        ip: its address; empty where there is none.
        confirmation: reply of the remote when it took the message (``C="..."``).
        cause: of a deferral, a failure, a failed attempt or a refused command; None for other lines.
        text: the line after its time and id.
    """

    when: datetime
    kind: EventKind
    message_id: str
    address: str
    host: str
    ip: str
    confirmation: str
    cause: Cause | None
    text: str

    @property
    def untried(self) -> bool:
        """Whether nothing was tried: hints of an earlier fault decided, so it proves nothing about the present."""
        return self.cause is Cause.UNTRIED

    @property
    def domain(self) -> str:
        """Domain of the address, lower case; empty without one."""
        return self.address.rpartition("@")[2].lower() if "@" in self.address else ""

    @property
    def delivered(self) -> bool:
        """Whether a recipient has received the message."""
        return self.kind in (EventKind.DELIVERED, EventKind.FURTHER, EventKind.CUTTHROUGH)


@dataclass(frozen=True)
class LogGrowth:
    """What was written to the main log since a mark.

    Attributes:
        events: its lines, in order.
        mark: the place after them, in the MTA's own form.
        lost: whether lines between the marks are missing.
        whole: whether the log ends at the mark; else there is more to read from there.
        unread: lines that no reader understands; an indented line continues the one before it.
    """

    events: tuple[LogEvent, ...]
    mark: str
    lost: bool = False
    whole: bool = True
    unread: tuple[str, ...] = ()

    def of(self, message_id: str) -> tuple[LogEvent, ...]:
        """Return the events of one message."""
        return tuple(event for event in self.events if event.message_id == message_id)

    @property
    def completed(self) -> frozenset[str]:
        """Ids of messages that are completed."""
        return frozenset(event.message_id for event in self.events if event.kind is EventKind.COMPLETED)

    @property
    def arrived(self) -> frozenset[str]:
        """Ids of messages that arrived."""
        return frozenset(event.message_id for event in self.events if event.kind is EventKind.ARRIVED)


@dataclass(frozen=True)
class RecentLog:
    """The log of the last quarter of an hour.

    Attributes:
        arrived: number of messages that arrived.
        delivered: number of recipients delivered to.
        completed: number of messages that are completed.
        wrong: number of lines about deferrals, failures, rejections and errors.
        events: the latest of those lines; of rejections and of what was not tried, which prove nothing, only a few.
        unread: lines that no reader understands: each may be about anything.
        cut: whether earlier lines of these minutes were not read, so that the counts are too small.
        partly: whether there were more lines about deferrals and errors than are in ``events``; the counts are right.
    """

    arrived: int
    delivered: int
    completed: int
    wrong: int
    events: tuple[LogEvent, ...] = field(repr=False)
    unread: tuple[str, ...] = ()
    cut: bool = False
    partly: bool = False

    def causes(self) -> dict[str, Counter[Cause]]:
        """Return the deferred and failed messages by domain and cause; each counts once, however often it was tried."""
        found: dict[str, Counter[Cause]] = {}
        wrong = {
            (event.domain or "(none)", event.cause, event.message_id)
            for event in self.events
            if event.kind in (EventKind.DEFERRED, EventKind.FAILED) and event.cause
        }
        for domain, cause, _ in wrong:
            found.setdefault(domain, Counter())[cause] += 1
        return found

    @property
    def refused_chunks(self) -> Counter[str]:
        """How many chunks of a message (BDAT) the MTA itself has refused, by the senders' domain or address.

        Each is a message that its sender takes for rejected.
        """
        return Counter(
            event.host.partition(".")[2] or event.host or event.ip
            for event in self.events
            if event.kind is EventKind.REJECTED and event.cause is Cause.CHUNKING
        )

    def hosts(self, cause: Cause) -> tuple[str, ...]:
        """Return the remote hosts, by name where it is known, at which a delivery failed for one cause."""
        found = (event.host or event.ip for event in self.events if event.cause is cause and event.message_id)
        return tuple(sorted(set(filter(None, found))))

    def count(self, cause: Cause) -> int:
        """Return how many messages were deferred or failed for one cause."""
        return sum(causes[cause] for causes in self.causes().values())
