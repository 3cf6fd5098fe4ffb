"""From the arguments of sre.mail.roll-kernel to its summary and exit code."""

import dataclasses
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from spicerack import Spicerack

from mxlib.adapters.alertmanager import source_of
from mxlib.adapters.conftool import ConftoolPool, NoPool
from mxlib.adapters.etcd_roll import ROLL, EtcdMemory, EtcdRollSlot, roll_slot
from mxlib.adapters.etcd_slot import EtcdSlot, Holder, make_client
from mxlib.base import journal
from mxlib.base.errors import ConfigError, InterruptedRunError, MxlibError
from mxlib.base.ids import new_run
from mxlib.base.journal import EventLog
from mxlib.base.stop import Stop, signals
from mxlib.base.windows import closing, opening, parse_all
from mxlib.commands.reboot import log_directory
from mxlib.commands.roll_fleet import Order, SpicerackFleet, newest_of
from mxlib.commands.roll_story import Story
from mxlib.commands.wiring import Wiring
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.roll import RollSection
from mxlib.config.sections import Site
from mxlib.protocols.service import PoolState
from mxlib.roll import report as roll_report
from mxlib.roll.plan import plan
from mxlib.roll.run import Limits, Roll
from mxlib.roll.state import Finish, RollEnd, RollGoal
from mxlib.roll.survey import Asked
from mxlib.verify.request import with_watched

NEWEST = "newest"


@dataclass(frozen=True)
class RollRequest:
    """What the operator asked for; None is the site's.

    Attributes:
        kernel: release, or "newest": of those that are whole on any of the hosts.
        query: a cumin query; empty stands for every MX of the site.
        reason: why, in words.
        task: the task's id; may be empty.
        canary: the host that goes first.
        windows: when hosts may be begun.
        soak_s: the least a watch between two hosts takes.
        max_failed: failures after which the roll may go on.
        plan: only say what would be done.
        again: forget which hosts have failed with this kernel.
    """

    kernel: str
    query: str = ""
    reason: str = ""
    task: str = ""
    canary: str | None = None
    windows: tuple[str, ...] | None = None
    soak_s: float | None = None
    max_failed: int | None = None
    plan: bool = False
    again: bool = False


class RollSession:
    """One run of a roll."""

    def __init__(self, spicerack: Spicerack, site: Site, request: RollRequest):
        """Check what was asked for; no host is touched.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.

        Raises:
            mxlib.base.errors.ConfigError: a host that is no MX of the site, a wrong window.
        """
        self._spicerack, self._request = spicerack, request
        self._site = dataclasses.replace(site, roll=overridden(site.roll, request))
        self._stop = Stop()
        self._wiring = Wiring(spicerack, site, self._stop)
        self._tell = self._wiring.tell
        self._directory = site.reports or log_directory()
        self._run = new_run()
        self._windows = parse_all(self._site.roll.windows)
        self.hosts = self._find()

    def _find(self) -> tuple[str, ...]:
        """The hosts of the query; each must be an MX of the site."""
        names = tuple(self._site.mxs)
        if self._request.query:
            names = tuple(sorted(str(name) for name in self._spicerack.remote().query(self._request.query).hosts))
        canary = [self._request.canary] if self._request.canary else []
        strangers = [name for name in names if name not in self._site.mxs] + [one for one in canary if one not in names]
        if strangers:
            raise ConfigError(f"not an MX of the site and of this roll: {', '.join(strangers)}")
        return names

    def execute(self) -> int:
        """Roll, tell, and give the exit code."""
        with signals(self._stop):
            try:
                return self._execute().value
            except InterruptedRunError as error:
                self._tell.line(f"roll-kernel: stopped by {error}; nothing was begun")
                return RollEnd.INTERRUPTED.value
            except MxlibError as error:
                self._tell.line(f"roll-kernel: {error}")
                return RollEnd.BLOCKED.value

    def _execute(self) -> RollEnd:
        only_plan = self._request.plan or self._spicerack.dry_run
        now = self._wiring.clock.now()
        if not only_plan and self._windows and closing(self._windows, now) is None:
            following = opening(self._windows, now)
            self._tell.line(f"{RollEnd.OUTSIDE.phrase}; the next one opens {following:%a %Y-%m-%d %H:%M} UTC")
            return RollEnd.OUTSIDE
        hosts = {name: self._wiring.host(name) for name in self._site.mxs}
        kernel = self._request.kernel
        if kernel == NEWEST:
            kernel = newest_of({name: hosts[name] for name in self.hosts})
            self._tell.line(f"the newest kernel that is whole on any of the hosts is {kernel}")
        fleet = self._fleet(kernel)
        if only_plan:
            return self._plan(kernel, fleet)
        return self._roll(kernel, fleet)

    # --- the two ways

    def _plan(self, kernel: str, fleet: SpicerackFleet) -> RollEnd:
        roll = self._make(kernel, fleet, journal.NoJournal())
        state = roll.state()
        for line in roll_report.plan_lines(plan(self._goal(kernel), state), state.left_s):
            self._tell.line(line)
        first = roll.decision(state)
        if said := fleet.at_work():
            first = Finish(RollEnd.TAKEN, said)
        if isinstance(first, Finish):
            self._tell.line(f"roll of {kernel} would end at once: {first.end.phrase}: {first.why}")
            return first.end if first.end is RollEnd.BLOCKED else RollEnd.DONE
        self._tell.line(f"roll of {kernel} would begin: {first}")
        return RollEnd.DONE

    def _roll(self, kernel: str, fleet: SpicerackFleet) -> RollEnd:
        path = self._directory / f"roll-kernel.{self._run}.jsonl"
        log = journal.Journal(path, self._wiring.clock)
        try:
            log.write("start", run=self._run, who=self._wiring.who, why=self._why, kernel=kernel, hosts=self.hosts)
            self._tell.line(f"roll {self._run} of {kernel} over {', '.join(self.hosts)}, journal {path}")
            if self._request.again:
                self._memory().remember(kernel, {})
            finish = self._make(kernel, fleet, log).execute()
        finally:
            log.close()
        story = Story(self._site.roll, self._directory, self._why, self._request.task, self._wiring.clock, self._tell)
        story.write(path, self._spicerack.sal_logger.info)
        return finish.end

    def _make(self, kernel: str, fleet: SpicerackFleet, log: EventLog) -> Roll:
        section = self._site.roll
        return Roll(
            fleet,
            self._memory(),
            self._roll_slot(),
            self._goal(kernel),
            Limits(self._windows, section.soak.seconds, section.slack),
            wanted=self.hosts,
            run=self._run,
            journal=log,
            clock=self._wiring.clock,
            tell=self._tell,
        )

    # --- the wiring

    @property
    def _why(self) -> str:
        request = self._request
        reason = request.reason or f"roll of kernel {request.kernel}"
        return f"{reason}{f' - {request.task}' if request.task else ''}"

    def _goal(self, kernel: str) -> RollGoal:
        section = self._site.roll
        canary = section.canary if section.canary in self.hosts else None
        return RollGoal(
            kernel=kernel,
            canary=canary or "",
            max_failed=section.max_failed,
            max_out=section.max_out,
            min_in_service=self._site.min_in_service,
            resume=section.leftovers == "resume",
        )

    def _fleet(self, kernel: str) -> SpicerackFleet:
        entries = load_kernels(self._site.verify.known_bad)
        asked = Asked(kernel, with_watched(self._site.verify, entries), entries)
        reason = self._request.reason or f"roll of kernel {kernel}"
        order = Order(asked, reason, self._request.task, self._directory, self._site.roll.soak)
        return SpicerackFleet(
            self._spicerack,
            self._site,
            order,
            hosts={name: self._wiring.host(name) for name in self._site.mxs},
            pools={name: self._pool(name) for name in self._site.mxs},
            slot=self._slot(),
            alerts=source_of(self._spicerack, self._site.alerts),
            stop=self._stop,
            clock=self._wiring.clock,
            tell=self._tell,
        )

    def _pool(self, name: str) -> PoolState:
        tags = self._site.conftool_tags(name)
        return NoPool() if tags is None else ConftoolPool(self._spicerack.confctl("node"), tags, name)

    def _me(self) -> Holder:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return Holder(ROLL, self._run, self._wiring.who, since)

    def _slot(self) -> EtcdSlot:
        section = self._site.slot
        return EtcdSlot(make_client(section.etcdrc), section.key, section.lease, self._me(), "only looking")

    def _memory(self) -> EtcdMemory:
        return EtcdMemory(make_client(self._site.slot.etcdrc), self._site.slot.key)

    def _roll_slot(self) -> EtcdRollSlot:
        section = self._site.slot
        clients = (make_client(section.etcdrc), make_client(section.etcdrc))
        session = f"{self._wiring.who} pid {os.getpid()} {secrets.token_hex(4)}"
        clock, tell = self._wiring.clock, self._tell.line
        return roll_slot(clients, section.key, section.lease, self._me(), session, clock, tell)


def overridden(section: RollSection, request: RollRequest) -> RollSection:
    """The site's section with what the operator said laid over it.

    Arguments:
        section: the site's.
        request: what the operator said.

    Raises:
        mxlib.base.errors.ConfigError: it cannot be.
    """
    soak = section.soak
    if request.soak_s is not None:
        soak = dataclasses.replace(soak, seconds=request.soak_s, limit=max(soak.limit, request.soak_s))
    try:
        return dataclasses.replace(
            section,
            soak=soak,
            canary=request.canary or section.canary,
            max_failed=section.max_failed if request.max_failed is None else request.max_failed,
            windows=section.windows if request.windows is None else request.windows,
        )
    except ValueError as error:
        key, expected = error.args
        raise ConfigError(f"{key}: expected {expected}") from None
