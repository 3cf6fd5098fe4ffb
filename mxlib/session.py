"""From a cookbook's arguments to a run: the wiring of the adapters, the journal and the report."""

import dataclasses
import getpass
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from spicerack import Spicerack

from mxlib import journal, report
from mxlib.alerts import AlertmanagerSilencer
from mxlib.config import load
from mxlib.config_sections import PoolSection, Site
from mxlib.cumin_host import CuminHost, cumin_transport
from mxlib.errors import ConfigError, HostError, InterruptedRunError, MxlibError
from mxlib.facts.standing import read_standing
from mxlib.kernel_list import load as load_kernels
from mxlib.last_breath import wait_for_silence
from mxlib.nic_site import means_of
from mxlib.outcome import Outcome
from mxlib.pool import ConftoolPool, NoPool
from mxlib.rescue import GanetiRescue, NoRescue
from mxlib.run import Result, Run
from mxlib.seams import PoolState, Rescue, SlotSeam
from mxlib.slot import EtcdSlot, Holder, Renewal, WithoutSlot, make_client
from mxlib.state import Goal
from mxlib.steps import guard, queue
from mxlib.steps.context import Context, Options
from mxlib.stop import Stop, StoppableClock, signals
from mxlib.teller import Operator
from mxlib.verify_host import HostVerifier

CONFIG_NAME = Path("cookbooks") / "sre.mail.yaml"


@dataclass(frozen=True)
class Request:
    """What the operator asked for.

    Attributes:
        host: the MX.
        goal: what is wanted.
        reason: why, in words.
        task: the task's id; may be empty.
        max_residual: messages that may stay in the queue; None is the site's.
        drain_timeout: seconds the queue may take; None is the site's.
        accept: names of guard findings that do not block.
        soak: seconds of watching at the end; None is the site's.
        without_slot: etcd is the incident: go on without the slot of the service.
        unattended: never ask.
    """

    host: str
    goal: Goal
    reason: str
    task: str = ""
    max_residual: int | None = None
    drain_timeout: float | None = None
    accept: frozenset[str] = frozenset()
    soak: float | None = None
    without_slot: bool = False
    unattended: bool = True


def load_site(spicerack: Spicerack) -> Site:
    """The site's configuration.

    Arguments:
        spicerack: knows the configuration directory.

    Raises:
        mxlib.errors.ConfigError: it is wrong.
    """
    return load(Path(spicerack.config_dir) / CONFIG_NAME)


def check_host(site: Site, host: str) -> None:
    """Refuse a host that is not an MX of the site.

    Arguments:
        site: what the site says.
        host: what the operator typed.

    Raises:
        mxlib.errors.ConfigError: it is not one of the MXs.
    """
    if host not in site.mxs:
        raise ConfigError(f"{host!r} is not one of the MXs in {CONFIG_NAME.name}: {', '.join(site.mxs)}")


class Session:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: Request):
        """Wire nothing that touches the world yet.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.
        """
        self._spicerack = spicerack
        self._site = site
        self._request = request
        self._stop = Stop()
        self._clock = StoppableClock(self._stop)
        self._tell = Operator(self._clock)
        self._who = f"{_user()}@{socket.getfqdn()}"
        self._journal: journal.Journal | None = None

    def execute(self) -> int:
        """Run, report, and give the exit code."""
        with signals(self._stop):
            try:
                return self._rehearse() if self._spicerack.dry_run else self._run()
            except InterruptedRunError as error:
                return self._said(error, Outcome.INTERRUPTED)
            except MxlibError as error:
                return self._said(error, Outcome.REFUSED)
            finally:
                self.close()

    def _said(self, error: MxlibError, outcome: Outcome) -> int:
        """What went wrong before the run began, in one line instead of a traceback."""
        self._tell.line(f"{self._request.host}: {outcome.phrase}: {error}")
        return outcome.value

    def status(self) -> int:
        """Say where the host stands, and whose the slot is; change nothing."""
        run = self._context(self._new_run())
        try:
            standing = read_standing(run.target)
        except HostError as error:
            self._tell.line(f"{self._request.host} does not answer: {error}")
            self._tell.line(f"slot of the service: {run.slot.describe() or 'free'}")
            return Outcome.LEFT_OUT.value
        for line in report.status(self._request.host, standing, run.slot.describe()):
            self._tell.line(line)
        return Outcome.DONE.value

    def drain(self) -> int:
        """Empty the queue as far as it goes; nothing is claimed."""
        context = self._context(self._new_run())
        with signals(self._stop):
            try:
                if self._spicerack.dry_run:
                    self._tell.line(f"would start {self._site.drain.runners} queue runners and watch")
                else:
                    self._tell.line(queue.empty(context).note)
            except MxlibError as error:
                self._tell.line(f"{self._request.host}: {error}")
                return Outcome.LEFT_OUT.value
        return Outcome.DONE.value

    def close(self) -> None:
        """Close the journal, and nothing else; harmless when done before."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # --- the two ways

    def _rehearse(self) -> int:
        context = self._context(self._new_run())
        self._choose_kernel(context)
        result = Run(context, self._request.goal, _NoJournal(), resting=self._stop.rest).rehearse()
        self._tell.line(f"{self._request.host}: {result.outcome.phrase} ({result.why})")
        return result.outcome.value

    def _run(self) -> int:
        run_id = self._run_id()
        context = self._context(run_id)
        self._choose_kernel(context)
        directory = self._site.reports or _log_directory()
        path = directory / f"{self._request.host}.{run_id}.jsonl"
        self._journal = journal.Journal(path, self._clock)
        self._journal.write("start", host=self._request.host, run=run_id, who=self._who, why=context.options.why)
        self._tell.line(f"run {run_id} on {self._request.host}, journal {path}")
        if self._request.goal.adopt and isinstance(context.slot, EtcdSlot):
            wait_for_silence(context.slot.look, self._clock, self._tell.line)
        renewal = self._renewal(context.slot)
        try:
            result = Run(context, self._request.goal, self._journal, resting=self._stop.rest).execute()
        except KeyboardInterrupt:
            command = f"cookbook sre.mail.reboot-mx {self._request.host} --status"
            self._tell.line(f"stopped at once, in the middle of a step; where it stands: {command}")
            raise
        finally:
            renewal()
        self._report(path, run_id, context, result)
        return result.outcome.value

    def _choose_kernel(self, context: Context) -> None:
        """Turn "newest" into a release: the newest one that is whole on the host."""
        if self._request.goal.kernel != "newest":
            return
        release = guard.newest_kernel(context.target)
        self._tell.line(f"the newest kernel that is whole on {self._request.host} is {release}")
        goal = dataclasses.replace(self._request.goal, kernel=release)
        self._request = dataclasses.replace(self._request, goal=goal)

    def _report(self, path: Path, run_id: str, context: Context, result: Result) -> None:
        command = report.next_command(self._request.host, result.outcome, result.record)
        events = journal.read(path)
        made = report.build(self._request.host, run_id, self._who, context.options.why, events, command)
        path.with_suffix(".md").write_text(report.markdown(made), encoding="utf-8")
        path.with_suffix(".json").write_text(report.as_json(made), encoding="utf-8")
        self._tell.line(f"report: {path.with_suffix('.md')} (and .json)")
        if result.outcome in (Outcome.REFUSED, Outcome.INTERRUPTED) and (said := context.slot.describe()):
            self._tell.line(said)
        for line in report.terminal(made):
            self._tell.line(line)

    # --- the wiring

    def _context(self, run_id: str) -> Context:
        site, request = self._site, self._request
        hosts = {name: self._host(name) for name in site.mxs}
        target = hosts.pop(request.host)
        return Context(
            site=site,
            target=target,
            peers=tuple(hosts.values()),
            slot=self._slot(run_id, target),
            pool=self._pool(),
            silencer=AlertmanagerSilencer(
                self._spicerack.alertmanager_hosts([request.host]),
                self._spicerack.admin_reason(request.reason, request.task or None),
            ),
            verifier=HostVerifier(site, load_kernels(site.verify.known_bad), run_id, dry_run=self._spicerack.dry_run),
            rescue=self._rescue(run_id, target),
            clock=self._clock,
            tell=self._tell,
            options=self._options(),
            run=run_id,
        )

    def _rescue(self, run_id: str, target: CuminHost) -> Rescue:
        dry_run = self._spicerack.dry_run
        means = means_of(self._site, self._host, self._clock, self._tell.line, dry_run=dry_run)
        # a dry run does not even log in on a console
        return NoRescue() if means is None or dry_run else GanetiRescue(means, target, run_id)

    def _options(self) -> Options:
        request, site = self._request, self._site
        return Options(
            why=f"{request.reason}{f' - {request.task}' if request.task else ''}",
            who=self._who,
            max_residual=site.drain.max_residual if request.max_residual is None else request.max_residual,
            drain_timeout=site.drain.timeout if request.drain_timeout is None else request.drain_timeout,
            accept=request.accept,
            soak_s=site.soak.seconds if request.soak is None else request.soak,
            stay=request.goal.stay,
            unattended=request.unattended,
        )

    def _host(self, name: str) -> CuminHost:
        remote = self._spicerack.remote().query(name)
        transport = cumin_transport(remote)
        return CuminHost(name, transport, self._clock, dry_run=self._spicerack.dry_run, check=self._stop.check)

    def _pool(self) -> PoolState:
        if not isinstance(self._site.pool, PoolSection):
            return NoPool()
        return ConftoolPool(self._spicerack.confctl("node"), self._site.pool.conftool, self._request.host)

    def _slot(self, run_id: str, target: CuminHost) -> SlotSeam:
        if self._request.without_slot:
            return WithoutSlot(read_standing(target).depool.token + 1)
        return self._etcd_slot(run_id)

    def _etcd_slot(self, run_id: str) -> EtcdSlot:
        section = self._site.slot
        since = datetime.now(UTC).isoformat(timespec="seconds")
        me = Holder(self._request.host, run_id, self._who, since)
        session = f"{self._who} pid {os.getpid()} {secrets.token_hex(4)}"
        return EtcdSlot(make_client(section.etcdrc), section.key, section.lease, me, session)

    def _renewal(self, slot: SlotSeam) -> Callable[[], None]:
        """Renew the lease in a thread of its own, with an etcd client of its own; give what ends it."""
        if not isinstance(slot, EtcdSlot):
            return lambda: None
        renewal = Renewal(slot.twin(make_client(self._site.slot.etcdrc)), self._site.slot.lease / 3)
        renewal.start()
        return renewal.stop

    # --- who and which

    @staticmethod
    def _new_run() -> str:
        return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"

    def _run_id(self) -> str:
        """The id of the run that is gone on with, or a new one."""
        if not self._request.goal.adopt:
            return self._new_run()
        try:
            record = read_standing(self._host(self._request.host)).depool.record
        except MxlibError as error:
            self._tell.line(f"which run to go on with cannot be read yet: {error}")
            return self._new_run()
        return record.run if record is not None else self._new_run()


class _NoJournal:
    """A dry run leaves nothing behind."""

    def write(self, event: str, **values: object) -> None:
        """Nothing is written."""


def _user() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or getpass.getuser()


def _log_directory() -> Path:
    """Beside the log that Spicerack writes for the cookbook."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, RotatingFileHandler)]
    return Path(handlers[0].baseFilename).parent if handlers else Path.cwd()
