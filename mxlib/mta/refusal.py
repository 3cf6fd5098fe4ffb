"""Mail that was refused, and answers of other hosts that an MTA remembers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SENDERS_REMEMBER_S = 2 * 3600
"""So long most MTAs of senders go by a refusal without asking again (the default of callouts)."""


@dataclass(frozen=True)
class Refusal:
    """A recipient that was refused.

    Attributes:
        when: when (UTC).
        sender: envelope sender; empty for a bounce.
        recipient: the address.
        host: name and address of who wanted to deliver.
        why: what was answered.
    """

    when: datetime
    sender: str
    recipient: str
    host: str
    why: str


class RefusalCache(Protocol):
    """Answers of other hosts that an MTA remembers, and refuses by without asking again."""

    def negative(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Keys of what makes the MTA refuse these recipients; case makes no difference."""

    def negative_domains(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Domains of these recipients whose host refuses every question; others need that entry, too."""
