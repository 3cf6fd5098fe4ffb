"""What a run needs of the world besides hosts, as small protocols: the slot, the pool state, silences, the operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mxlib.base.verdict import Verdict
from mxlib.model.alert import Alert
from mxlib.model.record import Level
from mxlib.model.state import Slot
from mxlib.protocols.host import Host


class SlotSeam(Protocol):
    """The one slot of the service."""

    token: int

    def state(self) -> Slot:
        """What it means for this run; what cannot be read is UNKNOWN."""

    def describe(self) -> str:
        """Who has it, in words; empty if nobody has."""

    def take(self) -> int:
        """Take it and give the fencing token.

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


@dataclass(frozen=True)
class Answered:
    """A question to the operator and its answer.

    Attributes:
        question: what was asked.
        answer: the word.
        effect: what it does.
        by: who has answered, or why nobody was asked.
    """

    question: str
    answer: str
    effect: str
    by: str


class Asker(Protocol):
    """Who is asked."""

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> Answered:
        """Ask the operator.

        Arguments:
            question: one sentence.
            answers: what each word does.
            safe: the word that is taken where nobody answers.

        Raises:
            mxlib.base.errors.InterruptedRunError: the run is to stop.
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


class Teller(Protocol):
    """Where the operator looks."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def live(self, text: str) -> None:
        """A line that the next one replaces; where there is no terminal, one now and then."""




@dataclass(frozen=True)
class Mended:
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


class Rescue(Protocol):
    """The machine from outside: its cold start, its network names, and what helps when it does not come back."""

    def ready(self, host: Host, level: Level, prevention: str) -> tuple[Verdict, ...]:
        """Whether it could be reached from outside, and what a reboot at this level does to its network names."""

    def renames(self) -> Mapping[str, str]:
        """Old name to new name of each network interface that a cold start renames.

        Raises:
            mxlib.base.errors.MxlibError: it cannot be foretold.
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

    def mend(self) -> Mended:
        """Find out why it does not answer and repair what certainly can be."""

    def power_cycle(self) -> str:
        """Cut its power and start it again, with the devices where they were.

        Returns:
            What was done, in one line; empty where there is no way to.

        Raises:
            mxlib.base.errors.MxlibError: it could not be done.
        """
