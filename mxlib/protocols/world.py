"""What every command is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mxlib.base.clock import Clock
from mxlib.base.journal import EventLog, NoJournal
from mxlib.config.sections import Site
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Operator


@dataclass(frozen=True)
class Options:
    """What the operator chose, besides the goal.

    Attributes:
        why: reason and task, for everybody who meets this run.
        who: operator and management host.
        max_residual: messages that may stay in the queue.
        drain_timeout: seconds the drain may take.
        accept: names of the guard's findings that do not block.
        soak_s: seconds of soak at the end.
        prevention: how the host is prepared for a cold start that would rename its network interface.
    """

    why: str
    who: str
    max_residual: int
    drain_timeout: float
    accept: frozenset[str] = frozenset()
    soak_s: float = 60.0
    prevention: str = "none"


@dataclass(frozen=True)
class Done:
    """The result of a step.

    Attributes:
        note: one line for the operator.
        evidence: values for the report.
    """

    note: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """What a command is given, and does not change.

    Attributes:
        peers: the other MXs.
        run: id of the run.
        events: events that only a page shows, such as the length of the queue over time.
    """

    site: Site
    target: Host
    peers: Sequence[Host]
    clock: Clock
    operator: Operator
    options: Options
    run: str
    events: EventLog = field(default_factory=NoJournal, kw_only=True)
