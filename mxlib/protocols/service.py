"""What stands in front of the service: its one slot, the pool state, silences, alerts."""

from collections.abc import Mapping
from typing import Protocol

from mxlib.model.alert import Alert
from mxlib.model.state import Slot


class ServiceSlot(Protocol):
    """The one slot of the service."""

    token: int

    def state(self) -> Slot:
        """What it means for this run; what cannot be read is UNKNOWN."""

    def describe(self) -> str:
        """Who has it, in words; empty if nobody has."""

    def take(self, newest: int = 0) -> int:
        """Take it, and return the fencing token.

        Arguments:
            newest: the newest token that the host has seen, as far as it is known: the new one is greater.

        Raises:
            mxlib.base.errors.SlotTakenError: somebody else has it.
            mxlib.base.errors.SlotError: it cannot be written.
        """

    def release(self) -> None:
        """Give it up: the host is back.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written; it stays held for the host.
        """

    def leave(self) -> None:
        """Stop living in it: the host keeps it, anybody may take the run over."""


class PoolState(Protocol):
    """The pool state of one MX: a value for each object it consists of."""

    def read(self) -> dict[str, str]:
        """The present values; empty where there is no pool.

        Raises:
            mxlib.base.errors.PoolError: they cannot be read.
        """

    def write(self, values: Mapping[str, str]) -> None:
        """Set values and read them back.

        Raises:
            mxlib.base.errors.PoolError: they cannot be set, or are not what was set.
        """

    def command(self, values: Mapping[str, str]) -> list[str]:
        """What an operator would type to set these values."""


class Silencer(Protocol):
    """What can silence the alerts of one MX."""

    def add(self, minutes: int) -> tuple[str, ...]:
        """Silence for some minutes and give the ids of what was set.

        Raises:
            mxlib.base.errors.SilenceError: it was not set.
        """

    def prolong(self, silence: str, minutes: int) -> None:
        """Let a silence last some minutes from now.

        Raises:
            mxlib.base.errors.SilenceError: it runs out as it was, or has run out.
        """

    def remove(self, silence: str) -> None:
        """End a silence.

        Raises:
            mxlib.base.errors.SilenceError: it was not ended; it will run out.
        """


class AlertSource(Protocol):
    """What fires."""

    def firing(self) -> tuple[Alert, ...] | None:
        """Every alert that fires now, also those nobody is told of; None where the site has no such source.

        Raises:
            mxlib.base.errors.SilenceError: it cannot be told.
        """


class NoAlerts:
    """A site whose alerts nobody here can ask for."""

    def firing(self) -> None:
        """Nothing is asked."""
