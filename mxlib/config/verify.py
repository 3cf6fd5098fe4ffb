"""The section ``verify`` of the site's configuration: thresholds and names for the checks, all with defaults."""

import re
from dataclasses import dataclass, field

from mxlib.config.mta import MTA
from mxlib.config.values import DERIVED, counts, must, ports, positive

UNIT_NAME = re.compile(
    r"[A-Za-z0-9:_.@\\-]{1,200}\.(?:service|timer|socket|mount|target|path|slice|scope|swap|automount|device)"
)


@dataclass(frozen=True)
class QueuePolicy:
    """When a queue is too long. The defaults come from the site of the 2021 incident.

    Attributes:
        warn: queue length from which somebody has to look.
        critical: queue length from which mail counts as stuck.
        old: number of messages older than ten minutes from which mail counts as stuck.
        frozen: number of frozen messages from which somebody has to look.
        growth: messages by which the queue may grow in 15 minutes.
        bounce_s: seconds before its retry cutoff within which a message is about to bounce.
        bouncing: number of messages about to bounce from which somebody has to look.
    """

    warn: int = 2000
    critical: int = 4000
    old: int = 1000
    frozen: int = 200
    growth: int = 500
    bounce_s: float = 7200.0
    bouncing: int = 100

    def __post_init__(self) -> None:
        must(0 < self.warn <= self.critical, "warn", "a number from 1 to `critical`")
        must(self.old > 0, "old", "1 or more")
        for key in ("frozen", "growth", "bouncing"):
            must(getattr(self, key) > 0, key, "1 or more")
        positive(self.bounce_s, "bounce_s")


@dataclass(frozen=True)
class LogPolicy:
    """How many errors in 15 minutes are too many; errors of test mails do not count.

    Attributes:
        after_data: "SMTP timeout after end of data", the sign of the 2021 fault, over all destinations.
        per_destination: deferrals and failures with one cause for one destination.
        local: deliveries that failed on the host itself.
        chunking: messages refused because of BDAT (CHUNKING), by the host or by a destination; each bounces at once.
    """

    after_data: int = 5
    per_destination: int = 100
    local: int = 5
    chunking: int = 5

    def __post_init__(self) -> None:
        counts(self, "after_data", "per_destination", "local", "chunking")


@dataclass(frozen=True)
class FirewallPolicy:
    """What the packet filter must do.

    Attributes:
        required: whether a host must have a packet filter that drops by default.
        accepted_ports: TCP ports that must be reachable over each family: those in `listeners` from the whole Internet,
            others, such as 22, from some network that the rules name.
        min_rules: fewest rules of each family; a truncated rule set has fewer.
    """

    required: bool = True
    accepted_ports: tuple[int, ...] = (25,)
    min_rules: int = 1

    def __post_init__(self) -> None:
        ports(self.accepted_ports, "accepted_ports")
        counts(self, "min_rules")


@dataclass(frozen=True)
class VerifyPolicy:
    """Thresholds and names for the checks.

    Attributes:
        families: address families an MX serves.
        required_units: units that must be active; ``a.service|b.service`` is satisfied by either.
        ignored_units: units whose failure does not matter.
        activating_s: seconds a unit may take to start; a hanging oneshot service starts for ever.
        listeners: TCP ports the MTA must listen on, on each family.
        queue: when a queue is too long.
        log: how many errors are too many.
        firewall: what the packet filter must do.
        conntrack_fullness: greatest share of the connection table in use, 0 to 1.
        conntrack_lost: most lost or invalid packets while test mails are sent.
        free_percent: least free space and free inodes of the spool's file system.
        clock_s: seconds the clock may be off, besides the duration of the measurement.
        puppet: whether Puppet must be enabled.
        puppet_age_s: greatest number of seconds since Puppet's last run.
        certificate_days: days for which a certificate must still be valid.
        sysctls: kernel parameters and the values they must have.
        watched_sysctls: more kernel parameters to read, for the conditions of known-bad kernels.
        known_bad: files of known-bad kernels, besides the shipped list.
        allowed_kernels: ids of known-bad entries that this site accepts.
        answer_s: seconds an answer in an inbound session may take.
        peers: how many other MXs probe each MX.
        probes_per_hour: most test mails to one destination in an hour, from all MXs and management hosts together.
        mta: the MTA, from the site's key of the same name.
    """

    families: tuple[int, ...] = (4, 6)
    required_units: tuple[str, ...] = ("ssh.service", "ferm.service|nftables.service")
    ignored_units: tuple[str, ...] = ()
    activating_s: float = 900.0
    listeners: tuple[int, ...] = (25,)
    queue: QueuePolicy = field(default_factory=QueuePolicy)
    log: LogPolicy = field(default_factory=LogPolicy)
    firewall: FirewallPolicy = field(default_factory=FirewallPolicy)
    conntrack_fullness: float = 0.8
    conntrack_lost: int = 100
    free_percent: float = 10.0
    clock_s: float = 2.0
    puppet: bool = True
    puppet_age_s: float = 7200.0
    certificate_days: float = 14.0
    sysctls: dict[str, str] = field(default_factory=dict)
    watched_sysctls: tuple[str, ...] = ()
    known_bad: tuple[str, ...] = ()
    allowed_kernels: tuple[str, ...] = ()
    answer_s: float = 20.0
    peers: int = 2
    probes_per_hour: int = 240
    mta: str = field(default=MTA, metadata={DERIVED: True})

    def __post_init__(self) -> None:
        must(bool(self.families) and set(self.families) <= {4, 6}, "families", "4, 6 or both")
        expected = "full names of units, such as ssh.service"
        must(bool(self.required_units) and all(map(UNIT_NAME.fullmatch, self.unit_names)), "required_units", expected)
        must(all(map(UNIT_NAME.fullmatch, self.ignored_units)), "ignored_units", expected)
        ports(self.listeners, "listeners")
        must(0 < self.conntrack_fullness <= 1, "conntrack_fullness", "above 0, up to 1")
        must(0 < self.free_percent < 100, "free_percent", "above 0, below 100")
        for key in ("sysctls", "watched_sysctls"):
            must(all(re.fullmatch(r"[a-z0-9_./-]+", one) for one in getattr(self, key)), key, "names of sysctls")
        counts(self, "peers", "conntrack_lost")
        must(self.probes_per_hour > 0, "probes_per_hour", "1 or more")
        for key in ("activating_s", "clock_s", "puppet_age_s", "certificate_days", "answer_s"):
            positive(getattr(self, key), key)

    @property
    def read_sysctls(self) -> tuple[str, ...]:
        """All kernel parameters that are read."""
        return tuple(dict.fromkeys((*self.sysctls, *self.watched_sysctls)))

    @property
    def unit_names(self) -> tuple[str, ...]:
        """All units in ``required_units``, alternatives included."""
        return tuple(dict.fromkeys(name for names in self.required_units for name in names.split("|")))
