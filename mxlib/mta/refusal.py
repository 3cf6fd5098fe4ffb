"""Refused recipients, and answers of other hosts that an MTA remembers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SENDERS_REMEMBER_S = 2 * 3600
"""Seconds for which most senders' MTAs rely on a refusal without asking again (the default for callouts)."""
MOST = 2000
"""Most refusals that are read of a host: the last ones."""


@dataclass(frozen=True)
class Refusal:
    """A recipient that was refused.

    Attributes:
        when: time of the refusal (UTC).
        sender: envelope sender; empty for a bounce.
        recipient: the address.
        host: name and address of the host that wanted to deliver.
        why: the reply.
    """

    when: datetime
    sender: str
    recipient: str
    host: str
    why: str


class RefusalCache(Protocol):
    """Answers of other hosts that an MTA remembers, and by which it refuses recipients without asking again."""

    def negative(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the keys of the answers that make the MTA refuse these recipients; case makes no difference."""

    def negative_domains(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the domains of these recipients whose host refuses every callout; that entry concerns others too."""
