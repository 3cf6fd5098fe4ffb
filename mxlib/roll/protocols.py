"""What a roll needs of the world, as small protocols: the MXs, the memory of its nights, the right to roll."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mxlib.model.outcome import Outcome
from mxlib.roll.soak import Proof
from mxlib.roll.state import Failure, Seen


@dataclass(frozen=True)
class HostEnd:
    """How the run on one host ended.

    Attributes:
        host: the MX.
        outcome: as :mod:`mxlib.model.outcome` has it.
        why: in one sentence.
        report: file of its report; empty if there is none.
        seconds: how long it took.
    """

    host: str
    outcome: Outcome
    why: str
    report: str = ""
    seconds: float = 0.0


class Fleet(Protocol):
    """The MXs, as a roll sees them."""

    def look(self) -> tuple[Seen, ...]:
        """How every MX of the service stands; one that cannot be asked is UNKNOWN.

        Raises:
            mxlib.base.errors.MxlibError: it cannot be told of any.
        """

    def at_work(self) -> str:
        """Who has an MX out right now with a run that lives; empty: nobody.

        Raises:
            mxlib.base.errors.SlotError: the slot of the service cannot be read.
        """

    def blockers(self) -> tuple[str, ...]:
        """What else stands against beginning a host; what cannot be told does."""

    def reboot(self, host: str, *, resume: bool) -> HostEnd:
        """Take one host all the way, or go on with the run that was left on it."""

    def soak(self, hosts: Sequence[str], limit_s: float | None) -> tuple[Proof, str]:
        """Watch hosts under real mail.

        Arguments:
            hosts: which.
            limit_s: seconds after which it is broken off with WAIT; None: only its own bound holds.
        """


class Memory(Protocol):
    """What the nights of a roll know of each other, wherever they run."""

    def failed(self, kernel: str) -> Mapping[str, Failure]:
        """Hosts that failed with a kernel.

        Raises:
            mxlib.base.errors.SlotError: it cannot be read.
        """

    def remember(self, kernel: str, failed: Mapping[str, Failure]) -> None:
        """Write down which hosts failed with a kernel.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written.
        """


class RollSlot(Protocol):
    """One roll at a time, whoever runs it, from wherever."""

    def take(self) -> int:
        """Take it.

        Raises:
            mxlib.base.errors.SlotTakenError: another roll lives.
            mxlib.base.errors.SlotError: it cannot be told.
        """

    def mine(self) -> bool:
        """Whether it still is ours; what cannot be read is not."""

    def release(self) -> None:
        """Give it up.

        Raises:
            mxlib.base.errors.SlotError: it cannot be written; it runs out.
        """
