"""What a roll reads, decides and ends with, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mxlib.model.outcome import Outcome


class Stand(Enum):
    """How a host stands towards the kernel of a roll."""

    THERE = "there"
    """Runs it, in service."""
    TODO = "to do"
    """In service with another one, and could boot it."""
    SKIPPED = "skipped"
    """In service with another one, or an older build of it, and cannot be booted into it."""
    LEFTOVER = "left out by an earlier roll"
    FOREIGN = "out of service by others"
    UNKNOWN = "unknown"
    """It cannot be asked, or its answer does not say."""


OUT = frozenset({Stand.LEFTOVER, Stand.FOREIGN, Stand.UNKNOWN})


@dataclass(frozen=True)
class Seen:
    """One host as it was read.

    Attributes:
        host: its name.
        dc: its data centre, or whatever fails as one with it.
        preference: of its MX record.
        stand: how it stands.
        why: what makes it stand so, in words.
        kernel: what it runs; empty where that is not known.
        unwell: which of its checks did not pass, and why; empty: all did.
        expected_s: seconds that its reboot is expected to take.
        newer: the kernel it runs, if that is newer than the one of the roll.
        kernel_bad: why the kernel it runs does not pass its check, where the roll leads away from it.
        target: the kernel on trial in the run of a roll that has left it out; empty: there is none, or it is not known.
    """

    host: str
    dc: str
    preference: int
    stand: Stand
    why: str = ""
    kernel: str = ""
    unwell: str = ""
    expected_s: float = 0.0
    newer: str = ""
    kernel_bad: str = ""
    target: str = ""

    @property
    def serves(self) -> bool:
        """Whether clients can rely on it."""
        return self.stand not in OUT and not self.unwell


@dataclass(frozen=True)
class Failure:
    """A host whose run failed, or whose soak did.

    Attributes:
        outcome: how its run ended; UNPROVEN: its soak has failed.
        why: in one sentence.
        at: when, ISO 8601.
        run: id of the roll's run.
    """

    outcome: Outcome
    why: str
    at: str
    run: str


LASTING = frozenset({Outcome.FELL_BACK, Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.MAIL_LOST})
"""Failures of a host's run that later nights remember: the kernel caused them, or nobody has explained them yet."""
REMEMBERED = LASTING | {Outcome.UNPROVEN}
"""All failures that later nights remember."""
TOLERABLE = frozenset({Outcome.FELL_BACK, Outcome.UNDONE})
"""The host is in service, so a roll with ``max_failed`` may continue. After any other failure it keeps the slot."""


@dataclass(frozen=True)
class Blocker:
    """What blocks the next host, beside the hosts themselves.

    Attributes:
        said: in words.
        out: the host of which it only says that it is out of service or does not answer; empty: it says something else.
    """

    said: str
    out: str = ""


@dataclass(frozen=True)
class RollGoal:
    """What is wanted.

    Attributes:
        kernel: release that every host is to run.
        canary: the host that goes first; empty: the first in order.
        max_failed: failures after which the roll may go on.
        max_out: hosts that may be out or unwell at a time, the one that is rebooted included.
        min_in_service: others that have to be in service and well.
        resume: whether the run on a host that an earlier roll left out is resumed; else the roll stops and says so.
    """

    kernel: str
    canary: str = ""
    max_failed: int = 0
    max_out: int = 1
    min_in_service: int = 1
    resume: bool = True


@dataclass(frozen=True)
class RollState:
    """Where things stand.

    Attributes:
        hosts: every MX of the service; those that are not part of the roll count, too.
        wanted: names of the hosts of the roll.
        failed: hosts whose run or soak failed with this kernel, in this roll or in an earlier one, by name; and those
            that another kernel's run has left out, for a person to look.
        soaked: hosts that have proven themselves under real mail in this run.
        left_s: seconds until the window closes; None: it does not; 0: it is closed.
        soak_s: the least a soak takes.
        slack: by how much the expected time is multiplied before it has to fit.
        blockers: what blocks the next host, beside the hosts themselves.
        changed: whether this run has begun a host.
        resumed: names of the hosts that this run has resumed.
    """

    hosts: tuple[Seen, ...]
    wanted: frozenset[str]
    failed: Mapping[str, Failure] = field(default_factory=dict)
    soaked: frozenset[str] = frozenset()
    left_s: float | None = None
    soak_s: float = 0.0
    slack: float = 1.0
    blockers: tuple[Blocker, ...] = ()
    changed: bool = False
    resumed: frozenset[str] = frozenset()


_IN_THE_WAY = frozenset({Outcome.REFUSED, Outcome.NO_ANSWER, Outcome.UNKNOWN})


def end_of(outcome: Outcome) -> Outcome:
    """Return how a roll ends that stops at this outcome of a host (any but DONE)."""
    return Outcome.BLOCKED if outcome in _IN_THE_WAY else outcome


@dataclass(frozen=True)
class Take:
    """Reboot this host next, or resume the run that was left on it."""

    host: str
    resume: bool = False


@dataclass(frozen=True)
class Soak:
    """Watch these hosts under real mail until they have proven themselves."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Finish:
    """Nothing more to do.

    Attributes:
        end: how it ends.
        why: in one sentence.
        again: whether a failure that later nights remember ends it: none goes on before a person says so.
    """

    end: Outcome
    why: str
    again: bool = False


Decision = Take | Soak | Finish


@dataclass(frozen=True)
class PlanLine:
    """One host of a plan.

    Attributes:
        host: its name.
        act: what happens to it: "reboot", "resume", or how it stands.
        why: in words.
        begins_s: seconds from now until it begins; None: it is not begun.
        takes_s: seconds it is expected to take.
        fits: whether it can be finished in this window.
    """

    host: str
    act: str
    why: str
    begins_s: float | None = None
    takes_s: float = 0.0
    fits: bool = True
