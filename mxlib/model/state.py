"""The state of a run as plain values: what the planner reads, and what it decides."""

from dataclasses import dataclass, field
from enum import Enum

from mxlib.model.outcome import Outcome
from mxlib.model.record import Record


class Step(Enum):
    """The steps of a run; the value is the name for people."""

    GUARD = "guard"
    SLOT = "slot"
    CLAIM = "claim"
    ADOPT = "adopt"
    SILENCE = "silence"
    PUPPET_OFF = "puppet off"
    POOL_OUT = "pool out"
    CLOSE = "close ports"
    PREVENT = "prepare network"
    DRAIN = "drain"
    HOLD = "stop and hold"
    LEDGER = "ledger"
    ENTRIES = "boot entries"
    REBOOT = "reboot"
    AWAIT = "await boot"
    POWER_ON = "power on"
    MEND = "mend"
    POWER_CYCLE = "power cycle"
    FOUND_BOOT = "found boot"
    REPAIR = "repair"
    PROVE_OUT = "prove outbound"
    START = "start MTA"
    PROVE_IN = "prove inbound"
    KEEP = "keep kernel"
    ENTRIES_BACK = "entries back"
    OPEN = "open ports"
    POOL_IN = "pool in"
    SOAK = "soak"
    SETTLE = "settle network"
    PUPPET_ON = "puppet on"
    UNSILENCE = "unsilence"
    TURN_BACK = "turn back"
    DOUBT = "doubt proof"
    RELEASE = "release"


class Ports(Enum):
    """The mail ports, by this project's own packet filter table."""

    OPEN = "open"
    CLOSED = "closed"
    PARTLY = "partly"
    """Closed now but not after a reboot, or the other way round."""


class MtaState(Enum):
    """The MTA's daemon."""

    SERVING = "serving"
    HELD = "held"
    """At rest, and nothing can start it."""
    OTHER = "other"
    """Stopped but not held, held but not at rest, starting."""

    @property
    def said(self) -> str:
        """The state in words for a person."""
        return "neither serving nor held" if self is MtaState.OTHER else self.value


class Puppet(Enum):
    """Puppet's agent."""

    ON = "on"
    OFF = "off"
    """Somebody has disabled it."""
    ABSENT = "absent"
    UNKNOWN = "unknown"

    @property
    def off(self) -> bool | None:
        """Whether it is disabled, or there is none to be disabled; None if that cannot be read."""
        return None if self is Puppet.UNKNOWN else self is not Puppet.ON

    @property
    def said(self) -> str:
        """The state in words for a person."""
        return "no Puppet" if self is Puppet.ABSENT else f"Puppet {self.value}"


NOT_POOLED = frozenset({"no", "inactive"})
"""Values of a pool state with which no client is sent there."""


class Pool(Enum):
    """The pool state, compared with the one before the run."""

    IN = "in"
    OUT = "out"
    WAS_OUT = "was out"
    """Out, as this run found it: so it stays, and the host is not in service."""
    PARTLY = "partly"
    NONE = "none"
    """There is none; or this run leaves it alone, and the host is in it now."""
    UNREAD = "unread"
    """This run leaves it alone, as it could not be read, and does not know the host to be in it."""
    UNKNOWN = "unknown"
    """It cannot be read now, and the run goes by it."""


class Slot(Enum):
    """The service's one slot."""

    MINE = "mine"
    FREE = "free"
    LEFT = "left"
    """Held for this host by a run that no longer lives: it may be taken over."""
    OTHERS = "others"
    UNKNOWN = "unknown"


class Waited(Enum):
    """How the last wait for a boot ended, in this process."""

    NO = "no"
    SAME_BOOT = "same boot"
    """The host answers, is still in the old boot, and no shutdown is under way."""
    SILENT = "silent"
    OFF = "off"
    """Silent, and the machine is off although nobody asked the cluster to stop it: a cold start is under way."""


@dataclass(frozen=True)
class View:
    """The host as it answers now.

    Attributes:
        boot: boot id.
        kernel: running kernel.
        ports: the mail ports.
        mta: the MTA.
        saved: GRUB's saved entry.
        next: GRUB's entry for the next boot only.
        puppet: Puppet.
        build: package version that the running kernel reports; empty if it reports none.
        replaced: whether the running kernel's image on disk is another build, which the next boot takes.
    """

    boot: str
    kernel: str
    ports: Ports
    mta: MtaState
    saved: str
    next: str
    puppet: Puppet
    build: str = ""
    replaced: bool = False


@dataclass(frozen=True)
class State:
    """The state of host, pool and slot, and what this process knows besides.

    Attributes:
        record: the record on the host; None if nobody has claimed the host, or it does not answer.
        host: None if it does not answer.
        token: our fencing token.
        outdated: whether the token was taken before the host answered, and the host has seen a newer one.
        guard: whether the guard has passed; None before it has run.
        waited: how the last wait for a boot ended.
        reordered: whether a reboot that did not happen was ordered a second time.
        cures: what is left to try on a host that did not come back: "mend", "power on", "power cycle".
        diagnosis: why it did not come back, as far as known.
        lost: how many messages the ledger misses, once it was checked in this process.
        released: how the run ended, once its record is gone.
        stale: whether the host's boot was verified longer ago than the site lets a verification hold.
        changed: what differs from when the host's boot was verified, as found by the last act; empty if unknown.
        closed: whether the ports were closed when the host last answered; None if it never has.
        uses: which optional parts the site has: "silence", "puppet".
        blocks: names of the checks for which the guard has not passed.
    """

    record: Record | None
    host: View | None
    pool: Pool
    slot: Slot
    token: int = 0
    guard: bool | None = None
    waited: Waited = Waited.NO
    reordered: bool = False
    cures: frozenset[str] = frozenset()
    diagnosis: str = ""
    lost: int = 0
    released: Outcome | None = None
    closed: bool | None = None
    stale: bool = False
    changed: str = ""
    uses: frozenset[str] = frozenset({"silence", "puppet"})
    outdated: bool = False
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Do:
    """Take this step next."""

    step: Step
    why: str = ""


@dataclass(frozen=True)
class End:
    """Nothing more to do.

    Attributes:
        outcome: how it ended.
        why: one sentence.
        silent: whether it is only for want of an answer that the host is not called out of service.
    """

    outcome: Outcome
    why: str
    silent: bool = field(default=False, compare=False)


Decision = Do | End
