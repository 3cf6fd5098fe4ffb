"""What waits in a queue, by destination: what a drain is judged and planned by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mxlib.mta.event import Cause

RECENT = timedelta(minutes=10)
"""A delivery this young proves a destination."""


@dataclass(frozen=True)
class Heap:
    """Messages to one destination from one class of senders.

    Attributes:
        domain: of the address they are delivered to, lower case; ``(local)`` for a file or a program.
        senders: the class of senders: which of :attr:`GiveUp.classes` fit, such as ``1,3``; ``-`` for none.
        count: messages that are not frozen; one with several destinations counts at each.
        frozen: messages that wait for a person.
        oldest: when the oldest that is not frozen came in; None if all are.
        newest: when the newest did.
    """

    domain: str
    senders: str
    count: int
    frozen: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class Lately:
    """What the log says of one destination.

    Attributes:
        delivered: when it took the last message, within :data:`RECENT`; None for none.
        failed: when it failed last, however long ago; None for never. What was not tried is no failure.
        fails: failures after the last delivery, within :data:`RECENT`.
        host_fails: those of them that were not about a single recipient.
        cause: what the last failure blames.
        text: its words.
    """

    delivered: datetime | None = None
    failed: datetime | None = None
    fails: int = 0
    host_fails: int = 0
    cause: Cause | None = None
    text: str = ""


@dataclass(frozen=True)
class Backlog:
    """The queue by destination.

    Attributes:
        total: messages.
        frozen: messages that wait for a person.
        heaps: by destination and class of senders.
        lately: by destination.
        hosts: addresses of the hosts of a destination, as far as they were asked for.
        took: when a host, by its address, took its last message, within :data:`RECENT`.
        now: the host's clock.
        names: names of the hosts of a destination, lower case, as far as they were asked for.
    """

    total: int
    frozen: int
    heaps: tuple[Heap, ...]
    lately: dict[str, Lately]
    hosts: dict[str, frozenset[str]]
    took: dict[str, datetime]
    now: datetime
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest message that is not frozen came in."""
        return min((heap.oldest for heap in self.heaps if heap.oldest), default=None)


@dataclass(frozen=True)
class Hint:
    """What an MTA remembers of a failure, and goes by without trying: a retry hint.

    Attributes:
        key: its name in the MTA's own form.
        first_failed: when it began.
        last_try: when it was tried last.
        next_try: not tried before.
        expired: whether the cutoff was passed: a failure, or no attempt at all, is final now.
        text: the last error.
        ip: address of the host it is about; empty if it is about something else.
        address: the recipient it is about, lower case; empty if it is about something else.
        domain: of that recipient, or the one that could not be routed; lower case, empty for a host.
    """

    key: str
    first_failed: datetime
    last_try: datetime
    next_try: datetime
    expired: bool
    text: str
    ip: str = ""
    address: str = ""
    domain: str = ""


class GiveUp(Protocol):
    """When an MTA gives up: how long a message may be tried before a failure is final."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What the rules ask about senders, in the MTA's own form; the classes of a :class:`Heap` count them from 1."""

    def after(self, domain: str, senders: str) -> timedelta:
        """Return the least time after which a failure may be final.

        Args:
            domain: of the recipient, lower case.
            senders: the class of senders, as a :class:`Heap` has it.
        """


@dataclass(frozen=True)
class Assumed:
    """What is taken for the MTA's rules where they are unknown: one time for all.

    Attributes:
        seconds: how long.
    """

    seconds: float
    classes: tuple[str, ...] = ()

    def after(self, domain: str, senders: str) -> timedelta:
        """Return the same for everybody."""
        del domain, senders
        return timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Try:
    """An order: messages of one heap to be tried now.

    Attributes:
        domain: of the heap.
        senders: class of senders of the heap.
        after: only messages that came in after this; None for all.
        limit: so many at most, the oldest first.
    """

    domain: str
    senders: str
    after: datetime | None
    limit: int
