"""The sections of the site's configuration: frozen dataclasses that check their own values.

A wrong value raises ``ValueError(key, expected)``; :mod:`mxlib.config.load` adds the file and the value.
"""

import ipaddress
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mxlib.config.alerts import AlertsSection, DowntimeSection
from mxlib.config.aliases import AliasGenerator
from mxlib.config.mta import MTA, known
from mxlib.config.pool import ConftoolTags, MxSection, PoolSection
from mxlib.config.probes import ProbeSection
from mxlib.config.remedy import RemedySection
from mxlib.config.roll import RollSection
from mxlib.config.values import HOST_PATTERN, REPEATS, counts, must, ports, positive
from mxlib.config.verify import VerifyPolicy

_RAPI = re.compile(r"https://[A-Za-z0-9.:\[\]-]+/?")


@dataclass(frozen=True)
class SlotSection:
    """The one slot of the whole service, in etcd (API version 2).

    Attributes:
        key: etcd directory of the slot.
        lease: seconds after which a run that has died no longer counts as alive.
        etcdrc: file with the parameters of python-etcd's client, which Spicerack uses for its locks.
    """

    key: str = "/mx-cookbooks/mail"
    lease: int = 60
    etcdrc: Path = Path("/etc/etcd/etcdrc")

    def __post_init__(self) -> None:
        must(bool(re.fullmatch(r"(/[A-Za-z0-9._-]+)+", self.key)), "key", "an absolute etcd key")
        must(10 <= self.lease <= 600, "lease", "10 to 600 seconds")


@dataclass(frozen=True)
class DrainSection:
    """How far a queue is emptied before a reboot: to a bound, not to zero, as queued mail is not lost.

    Attributes:
        timeout: seconds after which the drain ends, whatever is left.
        max_residual: messages that may be left.
        runners: queue runners at the same time.
        still_timeout: seconds the MTA may take to come to rest after its stop.
        retry_cutoff: age in seconds at which the MTA gives up on a message, used where its retry rules cannot be read.
    """

    timeout: float = 900.0
    max_residual: int = 50
    runners: int = 4
    still_timeout: float = 120.0
    retry_cutoff: float = 345600.0

    def __post_init__(self) -> None:
        positive(self.timeout, "timeout")
        positive(self.still_timeout, "still_timeout")
        positive(self.retry_cutoff, "retry_cutoff")
        counts(self, "max_residual")
        must(1 <= self.runners <= 50, "runners", "1 to 50")


@dataclass(frozen=True)
class BootSection:
    """The reboot.

    Attributes:
        timeout: seconds from the reboot command until the new boot must answer.
        panic: seconds after which the trial kernel reboots from a panic, into the fallback; 0 leaves the kernel's
            command line alone.
        proof_holds: seconds for which the verification of a boot holds; after that it is repeated before the host
            returns to service.
    """

    timeout: float = 300.0
    panic: int = 20
    proof_holds: float = 3600.0

    def __post_init__(self) -> None:
        positive(self.timeout, "timeout")
        must(0 <= self.panic <= 600, "panic", "0 to 600 seconds")
        positive(self.proof_holds, "proof_holds")


@dataclass(frozen=True)
class SoakSection:
    """The soak after the MX is back in service.

    Attributes:
        seconds: duration.
    """

    seconds: float = 60.0

    def __post_init__(self) -> None:
        must(math.isfinite(self.seconds) and self.seconds >= 0, "seconds", "0 or more")


@dataclass(frozen=True)
class AnnounceSection:
    """Where the outcome of a run is announced. Spicerack itself logs the beginning and the end.

    Attributes:
        sal: whether the outcome goes to the server admin log, in one line.
        phabricator: configuration file of the bot that comments on the run's task; None comments nowhere.
    """

    sal: bool = True
    phabricator: Path | None = None


@dataclass(frozen=True)
class ClientsSection:
    """Who sends through the MXs.

    Attributes:
        internal: networks of clients that may have no failover of their own.
        monitoring: networks or addresses whose connections carry no mail.
    """

    internal: tuple[str, ...] = ()
    monitoring: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, networks in (("internal", self.internal), ("monitoring", self.monitoring)):
            for network in networks:
                try:
                    ipaddress.ip_network(network)
                except ValueError:
                    raise ValueError(key, "networks such as 192.0.2.0/24, without host bits") from None


@dataclass(frozen=True)
class GanetiSection:
    """The hypervisor's remote API.

    Attributes:
        user: user of the API.
        password_file: file with the password, readable by root only.
        rapi: base URL of the one cluster that holds all MXs; None where Netbox knows the cluster of each.
        netbox: whether Netbox is asked for the cluster, through Spicerack; only without ``rapi``.
        ca_file: authority of the API's certificate; None is the system's store.
        timeout: seconds a request may take.
        master: the cluster's master, for gnt-instance over SSH; None is the host in ``rapi``, or the cluster's name in
            Netbox.
        ssh_options: options of the ssh command that carries the console.
        prevention: how a host is prepared for a cold start that would rename its network interface.
    """

    user: str
    password_file: Path
    rapi: str | None = None
    netbox: bool = False
    ca_file: Path | None = None
    timeout: float = 10.0
    master: str | None = None
    ssh_options: tuple[str, ...] = field(default=(), metadata={REPEATS: True})
    prevention: Literal["none", "stanzas", "link"] = "none"

    def __post_init__(self) -> None:
        given = self.netbox if self.rapi is None else bool(_RAPI.fullmatch(self.rapi))
        must(given, "rapi", "an https:// URL, or netbox: true and no rapi")
        must(self.master is None or bool(HOST_PATTERN.fullmatch(self.master)), "master", "a fully qualified host name")
        must(bool(self.user), "user", "a name")
        positive(self.timeout, "timeout")


@dataclass(frozen=True)
class ConsoleSection:
    """The login on the serial console.

    Attributes:
        password_file: file with the password, readable by root only; None asks on a terminal.
        user: user that logs in.
        transcripts: directory for transcripts of the console.
    """

    password_file: Path | None = None
    user: str = "root"
    transcripts: Path = Path("/var/log/spicerack/console")

    def __post_init__(self) -> None:
        must(bool(self.user), "user", "a name")


@dataclass(frozen=True)
class Site:
    """The whole configuration of a site.

    Attributes:
        mxs: every MX of the service by name, with its location; a list of names will do where there is nothing to add.
        probes: test mails and SMTP sessions.
        pool: the pool state, or "none" where the clients' own failover is all there is.
        min_in_service: other MXs that must be in service and verified while one is out.
        mta: the MTA of the hosts.
        ports: mail ports, closed by the packet filter while the host is depooled.
        slot: the one slot of the service.
        drain: how far the queue is emptied.
        boot: the reboot.
        soak: the soak at the end.
        alerts: alerts that block a run.
        announce: where the outcome of a run is announced.
        downtime: silences.
        puppet: whether Puppet is disabled during a run.
        clients: who sends through the MXs.
        reports: directory of reports and journals; None is beside Spicerack's log.
        ganeti: the hypervisor, where the MXs are virtual.
        console: the serial console.
        verify: thresholds of the checks.
        aliases: units that write files of mail addresses on every MX.
        roll: how a kernel is rolled over the MXs.
        remedy: how far the remedies may go.
        owner_team: the team that owns the cookbooks, for ``cookbook -l``; empty names none.
    """

    mxs: dict[str, MxSection]
    probes: ProbeSection
    pool: Literal["none"] | PoolSection
    min_in_service: int = 1
    mta: str = MTA
    ports: tuple[int, ...] = (25, 465, 587)
    slot: SlotSection = field(default_factory=SlotSection)
    drain: DrainSection = field(default_factory=DrainSection)
    boot: BootSection = field(default_factory=BootSection)
    soak: SoakSection = field(default_factory=SoakSection)
    alerts: AlertsSection = field(default_factory=AlertsSection)
    announce: AnnounceSection = field(default_factory=AnnounceSection)
    downtime: DowntimeSection = field(default_factory=DowntimeSection)
    puppet: bool = True
    clients: ClientsSection = field(default_factory=ClientsSection)
    reports: Path | None = None
    ganeti: GanetiSection | None = None
    console: ConsoleSection | None = None
    verify: VerifyPolicy = field(default_factory=VerifyPolicy)
    aliases: tuple[AliasGenerator, ...] = ()
    roll: RollSection = field(default_factory=RollSection)
    remedy: RemedySection = field(default_factory=RemedySection)
    owner_team: str = ""

    def __post_init__(self) -> None:
        must(all(map(HOST_PATTERN.fullmatch, self.mxs)), "mxs", "fully qualified host names, in lower case")
        must(len(self.mxs) > 1, "mxs", "two MXs or more: while one is out of service, another takes the mail")
        short = [name.partition(".")[0] for name in self.mxs]
        alike = ", ".join(name for name, first in zip(self.mxs, short, strict=True) if short.count(first) > 1)
        must(not alike, "mxs", f"different short names, as silences go by them: {alike}")
        others = len(self.mxs) - 1
        possible = "1, as there is one other MX" if others == 1 else f"1 to {others}"
        must(1 <= self.min_in_service <= others, "min_in_service", possible)
        must(bool(self.ports), "ports", "at least one port")
        ports(self.ports, "ports")
        must(22 not in self.ports, "ports", "ports for mail: with 22 closed, no run could reach the host any more")
        must(
            {*self.verify.listeners, self.probes.inbound.port} <= set(self.ports),
            "ports",
            "all of verify.listeners and probes.inbound.port, as any other stays open while the host is out of service",
        )
        must(self.mta in known(), "mta", f"one of {', '.join(known())}")
        object.__setattr__(self, "verify", replace(self.verify, mta=self.mta))
        names = [generator.name for generator in self.aliases]
        must(len(set(names)) == len(names), "aliases", "different names")
        among = f"names of MXs: {', '.join(self.mxs)}"
        must(self.roll.canary is None or self.roll.canary in self.mxs, "roll.canary", f"one of the {among}")
        if isinstance(self.pool, PoolSection):
            must(self.pool.conftool.hosts.keys() <= self.mxs.keys(), "pool.conftool.hosts", among)
            without = [name for name, mx in self.mxs.items() if mx.dc is None]
            must(not without, "mxs", f"a dc for each MX, as conftool's objects are found by it: {', '.join(without)}")

    def conftool_tags(self, host: str) -> ConftoolTags | None:
        """Return the tags of an MX's conftool objects; None where the site has no pool state."""
        return self.pool.conftool.tags(host, self.mxs) if isinstance(self.pool, PoolSection) else None
