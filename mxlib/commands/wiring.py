"""The wiring of a run: which adapter it works with, for one request on one site."""

import getpass
import logging
import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from spicerack import Spicerack

from mxlib.adapters.alertmanager import source_of
from mxlib.adapters.conftool import ConftoolPool, NoPool, PoolIfReadable
from mxlib.adapters.cumin_host import CuminHost, cumin_transport
from mxlib.adapters.etcd_api import make_client
from mxlib.adapters.etcd_slot import EtcdSlot, Holder
from mxlib.adapters.ganeti_rescue import GanetiRescue, NoMachineAccess
from mxlib.adapters.machine import means_of
from mxlib.adapters.operator import TerminalOperator, prompt_for
from mxlib.adapters.silences import AlertmanagerSilencer, BothSilencers, IcingaSilencer
from mxlib.adapters.without_slot import WithoutSlot
from mxlib.base.journal import Extras
from mxlib.base.meter import Meter
from mxlib.base.renewal import Renewal
from mxlib.base.stop import Stop, StoppableClock
from mxlib.commands.request import RunRequest
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.sections import Site
from mxlib.mta.find import find
from mxlib.mta.standing import read_standing
from mxlib.probes.ssh import greets
from mxlib.protocols.machine import Machine
from mxlib.protocols.service import PoolState, ServiceSlot, Silencer
from mxlib.protocols.world import Options
from mxlib.reboot.progress import Progress
from mxlib.reboot.readiness import POOL_UNREAD
from mxlib.reboot.steps.service import prolong
from mxlib.reboot.world import Adapters, RebootWorld
from mxlib.verify.verifier import HostVerifier


class Wiring:
    """Makes what a run works with; nothing is touched before it is used."""

    def __init__(self, spicerack: Spicerack, site: Site, stop: Stop):
        """Keep what everything is made from."""
        self._spicerack = spicerack
        self._site = site
        self.mta = find(site.mta)
        self._stop = stop
        self.clock = StoppableClock(stop)
        self.operator = TerminalOperator(self.clock, heard=lambda: stop.heard)
        self.meter = Meter()
        self.extras = Extras()
        self.who = f"{_user()}@{socket.getfqdn()}"
        # it writes three lines to the terminal for each lost connection to etcd, besides our own one
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

    def world(self, request: RunRequest, run_id: str) -> RebootWorld:
        """Return the world of a run."""
        site = self._site
        hosts = {name: self.host(name) for name in site.mxs}
        target = hosts.pop(request.host)
        adapters = Adapters(
            slot=self._slot(request, run_id, target),
            pool=self._pool(request),
            silencer=self.silencer(request),
            verifier=HostVerifier(site, load_kernels(site.verify.known_bad), run_id, dry_run=self._spicerack.dry_run),
            rescue=self._rescue(run_id, target),
            alerts=source_of(self._spicerack, site.alerts),
            asker=prompt_for(self.operator.line, self.clock, self._go_on, unattended=request.unattended),
            meter=self.meter,
            greets=partial(greets, request.host, 22),
            pools={name: pool for name in hosts if (pool := self.conftool(name)) is not None},
        )
        return RebootWorld(
            site=site,
            target=target,
            peers=tuple(hosts.values()),
            clock=self.clock,
            operator=self.operator,
            options=self._options(request),
            run=run_id,
            adapters=adapters,
            progress=Progress(request.goal),
            events=self.extras,
        )

    def host(self, name: str, within: float | None = None) -> CuminHost:
        """Return a machine behind Spicerack.

        Arguments:
            name: fully qualified.
            within: seconds within which each answer has to be here; None: as long as the question may take.
        """
        transport = cumin_transport(self._spicerack.remote().query(name))
        return CuminHost(
            name,
            transport,
            self.clock,
            dry_run=self._spicerack.dry_run,
            check=self._go_on,
            note=self.meter.add,
            events=self.extras,
            within=within,
        )

    def _go_on(self, seconds: float = 0.0) -> None:
        """Give a sign of life before something that may take some seconds; raise where the run is to stop."""
        self._stop.pulse.quiet(seconds)
        self._stop.check()

    def silencer(self, request: RunRequest) -> Silencer:
        """Return what silences the alerts of the target."""
        reason = self._spicerack.admin_reason(request.reason, request.task or None)
        instance, hosts = self._site.alerts.instance, [request.host]
        made = AlertmanagerSilencer(
            lambda: self._spicerack.alertmanager_hosts(hosts, instance_name=instance),
            reason,
        )
        icinga = IcingaSilencer(lambda: self._spicerack.icinga_hosts(hosts), reason)
        ways: dict[str, Silencer] = {"alertmanager": made, "icinga": icinga, "both": BothSilencers(made, icinga)}
        return ways[self._site.downtime.through]

    def renewals(self, request: RunRequest, world: RebootWorld) -> Callable[[], None]:
        """Renew the lease and the silences while the run makes progress, each with clients of its own.

        Returns:
            What ends the renewals.
        """
        site, lives, made = self._site, self._stop.pulse.beats, []
        if isinstance(world.adapters.slot, EtcdSlot):
            twin = world.adapters.slot.twin(make_client(site.slot.etcdrc))
            made.append(Renewal(twin.renew, site.slot.lease / 3, "the lease of the slot", lives))
        if site.downtime.minutes:
            silencer, every_s = self.silencer(request), site.downtime.minutes * 60 / 3
            made.append(Renewal(lambda: prolong(world, silencer), every_s, "the silence", lives))
        for one in made:
            one.start()

        def end() -> None:
            for one in made:
                one.stop()

        return end

    def _rescue(self, run_id: str, target: CuminHost) -> Machine:
        means = means_of(self._spicerack, self._site, target.name, self.host, self.clock, self.operator.line)
        return NoMachineAccess() if means is None else GanetiRescue(means, target, run_id)

    def _options(self, request: RunRequest) -> Options:
        site = self._site
        return Options(
            why=f"{request.reason}{f' - {request.task}' if request.task else ''}",
            who=self.who,
            max_residual=site.drain.max_residual if request.max_residual is None else request.max_residual,
            drain_timeout=site.drain.timeout if request.drain_timeout is None else request.drain_timeout,
            accept=request.accept | ({POOL_UNREAD} if request.without_slot else frozenset()),
            soak_s=site.soak.seconds if request.soak is None else request.soak,
            prevention=request.prevention or (site.ganeti.prevention if site.ganeti is not None else "none"),
        )

    def _pool(self, request: RunRequest) -> PoolState:
        pool = self.conftool(request.host)
        if pool is None:
            return NoPool()
        return PoolIfReadable(pool, self.operator.line) if request.without_slot else pool

    def conftool(self, name: str) -> ConftoolPool | None:
        """Return the pool state of an MX; None where no pool is in front of it."""
        tags = self._site.conftool_tags(name)
        return None if tags is None else ConftoolPool(lambda: self._spicerack.confctl("node"), tags, name)

    def _slot(self, request: RunRequest, run_id: str, target: CuminHost) -> ServiceSlot:
        if request.without_slot:
            return WithoutSlot(lambda: read_standing(target, self.mta).depool.token)
        section = self._site.slot
        since = datetime.now(UTC).isoformat(timespec="seconds")
        me = Holder(request.host, run_id, self.who, since)
        session = f"{self.who} pid {os.getpid()} {secrets.token_hex(4)}"
        return EtcdSlot(make_client(section.etcdrc), section.key, section.lease, me, session)


def _user() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or getpass.getuser()
