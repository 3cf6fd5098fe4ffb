"""The queue by destination, as a drain is judged and planned by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mxlib.mta.event import Cause

LOCAL = "(local)"
"""The destination of deliveries on the host itself, in place of a domain."""
UNKNOWN = "?"
"""A domain or a host whose name is unknown: a rule for any name may be about it."""
RECENT = timedelta(minutes=10)
"""A delivery that is not older proves that a destination works."""


@dataclass(frozen=True)
class Heap:
    """Messages to one destination from one class of senders.

    Attributes:
        domain: of the address they are delivered to, lower case; :data:`LOCAL` for a file or a program.
        senders: class of senders: numbers of the :attr:`GiveUp.classes` that match, such as ``1,3``; ``-`` for none.
        count: messages that are not frozen; one with several destinations counts at each.
        frozen: messages that wait for a person.
        oldest: when the oldest that is not frozen arrived; None if all are frozen.
        newest: when the newest that is not frozen arrived.
    """

    domain: str
    senders: str
    count: int
    frozen: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class Lately:
    """What the log says about one destination.

    Attributes:
        delivered: when it took the last message, within :data:`RECENT`; None for none.
        failed: when it last failed, however long ago; None for never. A message that was not tried is no failure.
        fails: failures after the last delivery, within :data:`RECENT`; those of one recipient count once.
        host_fails: those of them that were not about a single recipient.
        cause: cause of the last failure.
        text: its text.
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
        lately: what the log says, by destination.
        hosts: addresses of the hosts of a destination, as far as they were looked up.
        took: when a host, by its address, last took a message, within :data:`RECENT`.
        now: the host's clock.
        names: names of the hosts of a destination, lower case, as far as they were looked up.
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
        """When the oldest message that is not frozen arrived; None without one."""
        return min((heap.oldest for heap in self.heaps if heap.oldest), default=None)


@dataclass(frozen=True)
class Hint:
    """A retry hint: what an MTA remembers of a failure, and obeys without trying again.

    Attributes:
        key: its key in the MTA's own form.
        first_failed: when the failures began.
        last_try: when it was last tried.
        next_try: earliest time of the next attempt.
        expired: whether the cutoff has passed: the next failure is final, even without an attempt.
        text: the last error.
        ip: address of the host that it is about; empty if it is about none, or about a host by its name.
        address: the recipient that it is about, lower case; empty if it is about none.
        domain: domain of that recipient, or the one that could not be routed; lower case; empty for a host.
        host: name of the host that it is about, at whatever address; lower case; empty if it is about none by name.
        message: key of the one message that it is about, at its host; empty if it is about every message there.
        arrived: when that message arrived; None if it is about none.
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
    host: str = ""
    message: str = ""
    arrived: datetime | None = None


class GiveUp(Protocol):
    """When an MTA gives up: how long it tries a message before a failure is final."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Patterns for senders in the rules, in the MTA's own form; :attr:`Heap.senders` numbers them from 1."""

    def after(self, domain: str, senders: str) -> timedelta:
        """Return the shortest time after which a failure may be final.

        Args:
            domain: of the recipient, or the name of a host; lower case; :data:`UNKNOWN` where it is unknown.
            senders: the class of senders, as a :class:`Heap` has it.
        """


@dataclass(frozen=True)
class Assumed:
    """A stand-in for the MTA's rules where they are unknown: one time for all messages.

    Attributes:
        seconds: until a failure is final.
    """

    seconds: float
    classes: tuple[str, ...] = ()

    def after(self, domain: str, senders: str) -> timedelta:
        """Return the same time for every recipient."""
        del domain, senders
        return timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Try:
    """An order to try messages of one heap now.

    Attributes:
        domain: domain of the heap.
        senders: class of senders of the heap.
        after: only messages that arrived after this time; None for all.
        limit: most messages, the oldest first.
    """

    domain: str
    senders: str
    after: datetime | None
    limit: int
