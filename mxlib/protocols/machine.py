"""The machine under an exchanger, seen from outside: its hypervisor and its console."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mxlib.base.verdict import Verdict
from mxlib.model.record import Level
from mxlib.protocols.host import Host


@dataclass(frozen=True)
class Recovery:
    """What came of the look at a host that does not answer.

    Attributes:
        note: what was found and done, in one line.
        back: whether it answers now.
        wait: whether it is still on its way up.
        power: whether a power cycle may help it.
        lines: the whole story, for the report.
    """

    note: str
    back: bool = False
    wait: bool = False
    power: bool = True
    lines: tuple[str, ...] = ()


class Machine(Protocol):
    """The machine from outside: its cold start, its network names, and what helps when it does not come back."""

    def ready(self, host: Host, level: Level, prevention: str) -> tuple[Verdict, ...]:
        """Whether it could be reached from outside, and what a reboot at this level does to its network names."""

    def renames(self) -> Mapping[str, str]:
        """Old name to new name of each network interface that a cold start renames.

        Raises:
            mxlib.base.errors.MxlibError: there is no forecast.
        """

    def prevent(self, method: str, kernels: Sequence[str]) -> str:
        """Prepare the host so that a cold start which renames its interface leaves it reachable.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: it cannot be done; nothing is left changed.
        """

    def settle(self, pinned: Sequence[str], kernels: Sequence[str]) -> str:
        """Leave one name for each interface, the one it has; let go of names that were pinned for nothing.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: it could not be done.
        """

    def watch(self) -> None:
        """Begin to read the console: an unread one stalls the guest. Harmless where there is none."""

    def attach(self) -> None:
        """Read the console from now on, where this run does not yet: what a dead one has left paused goes on."""

    def unwatch(self) -> None:
        """Leave the console: it has one reader at a time."""

    def shown(self) -> tuple[str, ...]:
        """The last lines that the console has shown of the boot; none where it is not read. Safe to show, bounded."""

    def stuck(self) -> str:
        """What the console has been showing since the boot came to a standstill; empty while nothing says so."""

    def off(self) -> bool:
        """Whether the machine is off though nobody has told its cluster to stop it; False where that is not known."""

    def power_on(self) -> str:
        """Start the machine, with the console on it from its first instruction on.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: it could not be started.
        """

    def mend(self) -> Recovery:
        """Find out why it does not answer and repair what certainly can be."""

    def power_cycle(self) -> str:
        """Cut its power and start it again, with the devices where they were.

        Returns:
            What was done, in one line; empty where there is no way to.

        Raises:
            mxlib.base.errors.MxlibError: it could not be done.
        """
