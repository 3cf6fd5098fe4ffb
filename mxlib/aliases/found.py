"""What a run of refresh-aliases works with, what it was asked for, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mxlib.aliases.judge import AliasState
from mxlib.aliases.look import AliasLook
from mxlib.aliases.rerun import Ending
from mxlib.base.clock import Clock
from mxlib.base.journal import EventLog
from mxlib.config.aliases import AliasGenerator
from mxlib.config.probes import ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.mta.refusal import Refusal
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Operator


@dataclass(frozen=True)
class HungRun:
    """A run that hung, looked into before it was ended.

    Attributes:
        host: where.
        unit: which.
        why: one sentence.
        lines: all that was seen.
    """

    host: str
    unit: str
    why: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class HostRefusals:
    """Mail that an MX refused meanwhile.

    Attributes:
        host: which MX.
        since: from when on its log was read.
        refusals: in order.
        cut: whether earlier ones were not read.
    """

    host: str
    since: datetime
    refusals: tuple[Refusal, ...]
    cut: bool = False


@dataclass(frozen=True)
class Wanted:
    """What the operator asked for.

    Attributes:
        targets: MXs that may be changed.
        addresses: to ask for in addition to the samples and those that differ.
        limit: seconds a run may take; None is the generator's bound.
        check: look and report, change nothing.
        pin: give the units a start timeout afterwards.
        unpin: take it away again, and nothing else.
    """

    targets: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    limit: float | None = None
    check: bool = False
    pin: bool = False
    unpin: bool = False


@dataclass(frozen=True)
class RefreshWorld:
    """What a run works with.

    Attributes:
        hosts: every MX of the site, by name.
        generators: of the site.
        probes: how an MX is asked from outside.
        policy: what the site expects.
        clock: the time of the run.
        journal: where events go.
        dry_run: print each action instead of doing it.
    """

    hosts: Mapping[str, Host]
    generators: tuple[AliasGenerator, ...]
    probes: ProbeSection
    policy: VerifyPolicy
    clock: Clock
    operator: Operator
    journal: EventLog
    dry_run: bool = False


@dataclass
class Found:
    """What a run found and did.

    Attributes:
        looks: every look, in order.
        hung: runs that hung, looked into.
        endings: how each run ended, by host and generator.
        refusals: mail that was refused meanwhile.
        cleared: negative callout hints that were removed, by host.
        wrong: what is still wrong, a sentence each.
        unknown: what is not known, a sentence each.
    """

    looks: list[AliasLook] = field(default_factory=list)
    hung: list[HungRun] = field(default_factory=list)
    endings: dict[tuple[str, str], Ending] = field(default_factory=dict)
    refusals: list[HostRefusals] = field(default_factory=list)
    cleared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def states(self) -> list[tuple[AliasState, ...]]:
        """Each generator on every MX, a look each."""
        return [one.states for one in self.looks]
