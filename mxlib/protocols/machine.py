"""The machine under a mail exchanger, from outside: its hypervisor and its console."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mxlib.base.verdict import Verdict
from mxlib.model.record import Level
from mxlib.protocols.host import Host


@dataclass(frozen=True)
class Recovery:
    """The result of trying to repair a host that does not answer.

    Attributes:
        note: what was found and done, in one line.
        back: whether the host answers now.
        wait: whether it is still booting.
        power: whether a power cycle may help.
        lines: the whole story, for the report.
    """

    note: str
    back: bool = False
    wait: bool = False
    power: bool = True
    lines: tuple[str, ...] = ()


class Machine(Protocol):
    """The machine from outside: cold start, network names, and repair when it does not come back."""

    def ready(self, host: Host, level: Level, prevention: str) -> tuple[Verdict, ...]:
        """Judge whether the machine can be reached from outside, and what a reboot at this level does to its names."""

    def renames(self) -> Mapping[str, str]:
        """Return old name to new name of each network interface that a cold start renames.

        Raises:
            mxlib.base.errors.MxlibError: there is no forecast.
        """

    def prevent(self, method: str, kernels: Sequence[str]) -> str:
        """Prepare the host, so that it stays reachable when a cold start renames its interface.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: the host cannot be prepared; nothing is left changed.
        """

    def settle(self, pinned: Sequence[str], kernels: Sequence[str]) -> str:
        """Leave each interface one name, its present one, and release names that were pinned needlessly.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: it could not be done.
        """

    def note_script(self) -> str:
        """Return the command that notes the network names on the host, for a repair over the console.

        It needs the shell function ``put PATH TEXT``; it is empty where there is nothing to note.
        """

    def attach(self) -> None:
        """Read the console if this run does not yet, as an unread one stalls the guest. Harmless where there is none.

        A machine that somebody has left paused continues.
        """

    def unwatch(self) -> None:
        """Stop reading the console: it has one reader at a time."""

    def shown(self) -> tuple[str, ...]:
        """Return the console's last lines since the boot, printable and bounded; empty where it is not read."""

    def stuck(self) -> str:
        """Return what the console shows of a boot that has come to a standstill; empty if nothing says so."""

    def off(self) -> bool:
        """Whether the machine is off although nobody asked its cluster to stop it; False where that is unknown."""

    def power_on(self) -> str:
        """Start the machine, with its console read from the first instruction on.

        Returns:
            What was done, in one line.

        Raises:
            mxlib.base.errors.MxlibError: the machine could not be started.
        """

    def mend(self) -> Recovery:
        """Find out why the host does not answer, and repair what can be repaired with certainty."""

    def power_cycle(self) -> str:
        """Cut the machine's power and start it again, with its devices in the same slots.

        Returns:
            What was done, in one line; empty where the site has no means to.

        Raises:
            mxlib.base.errors.MxlibError: the power cycle failed.
        """
