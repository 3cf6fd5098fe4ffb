"""Where things stand, as plain values: what the planner reads and what it answers."""

from dataclasses import dataclass
from enum import Enum

from mxlib.model.outcome import Outcome
from mxlib.model.record import Record


class Step(Enum):
    """Everything a run can do; the value is its name for people."""

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
    """The mail ports as the packet filter of our own leaves them."""

    OPEN = "open"
    CLOSED = "closed"
    PARTLY = "partly"
    """Closed now but not after a reboot, or the other way round."""


class Mta(Enum):
    """The MTA's daemon."""

    SERVING = "serving"
    HELD = "held"
    """At rest, and nothing can start it."""
    OTHER = "other"
    """Stopped but not held, held but not at rest, starting."""


class Pool(Enum):
    """The pool state in front, compared with the one before the run."""

    IN = "in"
    OUT = "out"
    PARTLY = "partly"
    NONE = "none"
    UNKNOWN = "unknown"


class Slot(Enum):
    """The service's one slot."""

    MINE = "mine"
    FREE = "free"
    LEFT = "left"
    """Held for this very host by a run that lives no more: it may be taken over."""
    OTHERS = "others"
    UNKNOWN = "unknown"


class Waited(Enum):
    """What the last wait for a boot ended with, in this process."""

    NO = "no"
    SAME_BOOT = "same boot"
    """The host answers and is in the boot that was to end, with no shutdown under way."""
    SILENT = "silent"
    OFF = "off"
    """It is silent, and its machine is off though nobody has asked the cluster to stop it: a cold start under way."""


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
        puppet_off: whether Puppet is disabled.
        build: version of the package that the running kernel was built as; empty when it does not say.
        replaced: whether the image of the running kernel on the disk is another build of it: the next boot takes that.
    """

    boot: str
    kernel: str
    ports: Ports
    mta: Mta
    saved: str
    next: str
    puppet_off: bool
    build: str = ""
    replaced: bool = False


@dataclass(frozen=True)
class State:
    """Where things stand.

    Attributes:
        record: the memory on the host; None: nobody has claimed it, or it does not answer and we do not know.
        host: None: it does not answer.
        pool: the pool state in front.
        slot: the slot of the service.
        token: our fencing token.
        outdated: whether it was taken before the host answered, and the host has seen a newer one.
        guard: whether the guard has passed; None: not asked yet.
        waited: how the last wait for a boot ended.
        reordered: whether a reboot that did not happen was ordered once more.
        cures: what is left to try on a host that did not come back: "mend", "power on", "power cycle".
        diagnosis: why it did not come back, as far as that was found out.
        lost: how many messages the ledger misses, once it was checked in this process.
        released: how the run ended, once its record is gone.
        stale: whether the host's boot was proven to be well longer ago than the site lets a proof hold.
        changed: what is another than when the host's boot was proven, as found by the last act; empty: nothing known.
        closed: whether the ports were closed when the host last answered, or it never has.
        uses: which optional parts the site has: "silence", "puppet".
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
    closed: bool = True
    stale: bool = False
    changed: str = ""
    uses: frozenset[str] = frozenset({"silence", "puppet"})
    outdated: bool = False


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
    """

    outcome: Outcome
    why: str


Decision = Do | End
