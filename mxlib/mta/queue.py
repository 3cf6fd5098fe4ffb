"""The queue of an MTA: its length and ages, its flow, and when its messages bounce."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

OLD = timedelta(minutes=10)
"""Messages that have waited longer count as old."""


@dataclass(frozen=True)
class QueuedMessage:
    """A message in the spool.

    Attributes:
        message_id: its id.
        frozen: whether it waits for a person.
        bounce: whether its envelope sender is empty.
        domains: domains of the recipients that are not done.
        sender: envelope sender, lower case; ``-`` for a bounce; a character that is not printable ASCII is ``?``.
    """

    message_id: str
    frozen: bool
    bounce: bool
    domains: tuple[str, ...]
    sender: str = "-"


@dataclass(frozen=True)
class QueueFacts:
    """The queue of a host.

    Attributes:
        count: messages in the queue, as the MTA counts them.
        old: messages received longer ago than :data:`OLD`.
        oldest: when the oldest was received (UTC); None for an empty queue.
        messages: the oldest messages, up to a bound.
    """

    count: int
    old: int
    oldest: datetime | None
    messages: tuple[QueuedMessage, ...]

    @property
    def frozen(self) -> int:
        """Number of frozen messages among those that were opened."""
        return sum(message.frozen for message in self.messages)

    @property
    def complete(self) -> bool:
        """Whether every message was opened."""
        return self.count <= len(self.messages)

    @property
    def per_destination(self) -> Counter[str]:
        """Number of messages by domain of the recipients that are not done; without frozen ones."""
        return Counter(domain for message in self.messages if not message.frozen for domain in message.domains)


@dataclass(frozen=True)
class Flow:
    """The flow of the queue since a mark in the log.

    Attributes:
        arrived: number of messages that arrived.
        completed: number of messages that are completed.
        delivered: number of recipients delivered to.
        failed: number of recipients that were given up.
        lost: whether lines of the log are missing, so that the counts are too small.
        mark: where the next look begins.
        runs: whether queue runners of ours are at work.
    """

    arrived: int
    completed: int
    delivered: int
    failed: int
    lost: bool
    mark: str
    runs: bool


@dataclass(frozen=True)
class Deadlines:
    """How long queued messages will still be tried.

    Attributes:
        left: seconds until the retry cutoff of each message, by id; negative when it is past.
        domains: domain of the recipient that is given up first, by id.
    """

    left: dict[str, float]
    domains: dict[str, str]

    def within(self, seconds: float) -> tuple[str, ...]:
        """Return the messages that bounce within some seconds if no attempt succeeds, the first to bounce first."""
        return tuple(sorted((one for one, left in self.left.items() if left < seconds), key=self.left.__getitem__))

    @property
    def earliest(self) -> str | None:
        """The message that bounces first; None without one."""
        return min(self.left, key=self.left.__getitem__, default=None)
