"""What a roll is handed, as small protocols: the MXs, the memory of earlier nights, the right to roll."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mxlib.model.outcome import Outcome
from mxlib.roll.soak import SoakState
from mxlib.roll.state import Blocker, Failure, Seen


@dataclass(frozen=True)
class HostEnd:
    """How the run on one host ended.

    Attributes:
        host: the MX.
        outcome: as :mod:`mxlib.model.outcome` has it.
        why: in one sentence.
        report: file of its report; empty if there is none.
        seconds: how long it took.
        kernel: the kernel that was on trial there: of a run that was resumed, its own; empty: that is not known.
        silent: whether it is only for want of an answer that the host is not called out of service.
    """

    host: str
    outcome: Outcome
    why: str
    report: str = ""
    seconds: float = 0.0
    kernel: str = ""
    silent: bool = False


class Fleet(Protocol):
    """The MXs, as a roll sees them."""

    def look(self) -> tuple[Seen, ...]:
        """Return how every MX of the service stands; one that cannot be asked is UNKNOWN.

        Raises:
            mxlib.base.errors.MxlibError: of no host it can be read.
        """

    def at_work(self) -> str:
        """Return who has an MX out right now with a run that lives; empty: nobody.

        Raises:
            mxlib.base.errors.SlotError: the slot of the service cannot be read.
        """

    def blockers(self) -> tuple[Blocker, ...]:
        """Return what else blocks the next host; what cannot be read does."""

    def reboot(self, host: str, *, resume: bool) -> HostEnd:
        """Reboot one host, from out of service to back in it, or resume the run that was left on it."""

    def soak(self, hosts: Sequence[str], limit_s: float | None) -> tuple[SoakState, str]:
        """Watch hosts under real mail.

        Arguments:
            limit_s: seconds after which it is broken off with WAIT; None: only its own bound holds.
        """


class Memory(Protocol):
    """What the nights of a roll know of each other, on whichever management host they run."""

    def failed(self, kernel: str) -> Mapping[str, Failure]:
        """Return the failures with a kernel, by host.

        Raises:
            mxlib.base.errors.SlotError: it cannot be read.
        """

    def remember(self, kernel: str, failed: Mapping[str, Failure]) -> None:
        """Replace what is known of failures with a kernel.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written.
        """


class RollSlot(Protocol):
    """The right to roll: one roll at a time, on whichever management host."""

    def take(self) -> int:
        """Take it.

        Raises:
            mxlib.base.errors.SlotTakenError: another roll lives.
            mxlib.base.errors.SlotError: whether one does cannot be read.
        """

    def mine(self) -> bool:
        """Whether it still is ours; where that cannot be read, it is not."""

    def release(self) -> None:
        """Give it up.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written; it expires by itself.
        """
