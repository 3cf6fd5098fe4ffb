"""The service around an MX: its one slot, the pool state, silences, alerts."""

from collections.abc import Collection, Mapping
from typing import Protocol

from mxlib.model.alert import Alert
from mxlib.model.state import Slot


class ServiceSlot(Protocol):
    """The one slot of the service."""

    token: int

    def state(self) -> Slot:
        """Return what the slot means for this run; UNKNOWN if it cannot be read."""

    def describe(self) -> str:
        """Return who holds the slot, in words; empty if nobody does."""

    def take(self, newest: int = 0) -> int:
        """Take the slot, and return the fencing token.

        Arguments:
            newest: the newest token that the host is known to have seen; the new one is greater.

        Raises:
            mxlib.base.errors.SlotTakenError: another run holds it.
            mxlib.base.errors.SlotError: it cannot be written.
        """

    def release(self) -> None:
        """Release the slot: the host is back.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written, and stays held for the host.
        """

    def leave(self) -> None:
        """End the lease: the slot stays held for the host, and any run may take it over."""


class PoolState(Protocol):
    """The pool state of one MX: a value for each of its pool objects."""

    def read(self, services: Collection[str] = ()) -> dict[str, str] | None:
        """Return the present values; empty where there is no pool; None where it is unreadable and left as it is.

        Arguments:
            services: names of the objects; empty: those that the site names now.

        Raises:
            mxlib.base.errors.PoolError: the values cannot be read.
        """

    def write(self, values: Mapping[str, str]) -> None:
        """Set values and read them back.

        Raises:
            mxlib.base.errors.PoolError: the values cannot be set, or were not read back as set.
        """

    def command(self, values: Mapping[str, str]) -> list[str]:
        """Return the command by which an operator would set these values."""


class Silencer(Protocol):
    """Silences the alerts of one MX."""

    def add(self, minutes: int) -> tuple[str, ...]:
        """Silence the alerts for some minutes, and return the ids of the silences.

        Raises:
            mxlib.base.errors.SilenceError: no silence was set.
        """

    def prolong(self, silence: str, minutes: int) -> None:
        """Let a silence last some minutes from now.

        Raises:
            mxlib.base.errors.SilenceError: the silence keeps its old end, or has expired.
        """

    def remove(self, silence: str) -> None:
        """End a silence.

        Raises:
            mxlib.base.errors.SilenceError: the silence was not ended; it will expire.
        """


class AlertSource(Protocol):
    """Where firing alerts are read."""

    def firing(self) -> tuple[Alert, ...] | None:
        """Return every alert that fires now, muted ones too; None where the site has no source of alerts.

        Raises:
            mxlib.base.errors.SilenceError: the alerts cannot be read.
        """


class NoAlerts:
    """The source of a site without alerts."""

    def firing(self) -> None:
        """Return None: there is nothing to read."""
