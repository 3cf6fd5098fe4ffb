"""From the arguments of sre.mail.roll-kernel to its summary and outcome."""

import dataclasses
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spicerack import Spicerack

from mxlib.adapters.alertmanager import source_of
from mxlib.adapters.announce import to_admin_log
from mxlib.adapters.conftool import ConftoolPool, NoPool
from mxlib.adapters.etcd_api import make_client
from mxlib.adapters.etcd_roll import ROLL, EtcdMemory, EtcdRollSlot, roll_slot
from mxlib.adapters.etcd_slot import EtcdSlot, Holder
from mxlib.base.errors import ConfigError, MxlibError, SlotError, SlotTakenError
from mxlib.base.files import COLLECTOR, check_folder
from mxlib.base.ids import new_run
from mxlib.base.journal import EventLog
from mxlib.base.stop import Stop
from mxlib.base.text import plural
from mxlib.base.windows import closing, opening, parse_all
from mxlib.commands.command import Command, log_directory
from mxlib.commands.json_out import check_json, write_json
from mxlib.commands.request import find_hosts
from mxlib.commands.roll_fleet import RollOrder, SpicerackFleet, newest_of
from mxlib.commands.roll_story import RollStory
from mxlib.commands.wiring import Wiring
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.roll import RollSection
from mxlib.config.sections import Site
from mxlib.model.outcome import DELIBERATE, Outcome
from mxlib.protocols.service import PoolState
from mxlib.roll import report as roll_report
from mxlib.roll.plan import plan
from mxlib.roll.run import Limits, Roll
from mxlib.roll.state import Finish, RollGoal
from mxlib.roll.survey import Asked
from mxlib.verify.request import with_watched

NEWEST = "newest"


@dataclass(frozen=True)
class RollRequest:
    """What the operator asked for; None: what the site says.

    Attributes:
        kernel: release, or "newest": the newest that is whole on any of the hosts.
        query: a cumin query; empty stands for every MX of the site.
        reason: why, in words.
        task: the task's id; may be empty.
        canary: the host that goes first.
        windows: when the reboot of a host may begin.
        soak_s: seconds that a watch between two hosts takes at least.
        max_failed: failures that do not end the roll.
        plan: whether only to say what would be done.
        again: whether to forget what has failed with this kernel, hosts and soaks.
        unattended: whether nobody reads the terminal.
        json_file: where the plan is written as JSON; ``-`` is the standard output; None for nowhere.
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
    unattended: bool = False
    json_file: Path | None = None

    @property
    def why(self) -> str:
        """Reason and task."""
        reason = self.reason or f"roll of kernel {self.kernel}"
        return f"{reason}{f' - {self.task}' if self.task else ''}"


class RollKernel(Command):
    """One run of a roll."""

    name = "roll-kernel"

    def __init__(self, spicerack: Spicerack, site: Site, request: RollRequest) -> None:
        """Check what was asked for; no host is touched.

        Raises:
            mxlib.base.errors.ConfigError: a host that is no MX of the site, a wrong window, no server for the mail.
            mxlib.base.errors.ReportError: the metrics could not be written in the end.
        """
        self.hosts = find_hosts(spicerack, site, request.query)
        if request.canary and request.canary not in self.hosts:
            raise ConfigError(f"--canary: {request.canary!r} is none of the hosts: {', '.join(self.hosts)}")
        super().__init__(spicerack, dataclasses.replace(site, roll=overridden(site.roll, request)))
        notify = site.roll.notify
        if request.unattended and notify.to and not notify.smtp:
            why = "the shipped unit lets sendmail neither write a spool nor change its user"
            raise ConfigError(f"roll.notify.smtp: expected a mail server, such as localhost:25: {why}")
        self._request = request
        self._windows = parse_all(self.site.roll.windows)
        self._only_plan = request.plan or bool(spicerack.dry_run)
        self._opens = None if self._only_plan else self._closed_until()
        self.reads_only = self._only_plan or (self._opens is not None and not request.again)
        check_json(request.json_file)
        if (self._opens is None or request.again) and self.site.roll.metrics is not None:
            check_folder(self.site.roll.metrics, COLLECTOR)

    @property
    def description(self) -> str:
        """What logs say beside the cookbook's name."""
        return f"of {self._request.kernel} over {plural(len(self.hosts), 'host')}"

    def _closed_until(self) -> datetime | None:
        """Return when the next window opens; None where one is open."""
        now = self.wiring.clock.now()
        closed = self._windows and closing(self._windows, now) is None
        return opening(self._windows, now) if closed else None

    def work(self) -> Outcome:
        """Roll, or say what would be done."""
        later = f"the next one opens {self._opens:%a %Y-%m-%d %H:%M} UTC" if self._opens is not None else ""
        if later and not self._request.again:
            return self.said(Outcome.OUTSIDE, later)
        kernel = self._request.kernel
        self.operator.busy(f"roll of {kernel}: {plural(len(self.hosts), 'host')}, etcd and the pool are asked")
        if kernel == NEWEST:
            kernel = newest_of({name: self.wiring.host(name) for name in self.hosts})
            self.operator.line(f"the newest kernel that is whole on any of the hosts is {kernel}")
        if later:
            return self._forget(kernel, later)
        fleet = self._fleet(kernel)
        return self._plan(kernel, fleet) if self._only_plan else self._roll(kernel, fleet)

    def failed(self, error: MxlibError) -> Outcome:
        """Return how a roll ends that an error stops; before it began that is a refusal."""
        return Outcome.BLOCKED if self.acted else Outcome.REFUSED

    def said(self, outcome: Outcome, why: str) -> Outcome:
        """Say the last line of a run that has no summary, also to who is not there."""
        tell_unbegun(self.spicerack, self.site, self._request, outcome, why)
        return super().said(outcome, why)

    # --- the ways

    def _forget(self, kernel: str, later: str) -> Outcome:
        """Forget what has failed: who has looked by day does not wait for the window, nor is a host begun."""
        slot, memory = self._roll_slot(), self._memory()
        try:
            slot.take()
        except SlotTakenError as error:
            return self.said(Outcome.TAKEN, str(error))
        try:
            failed = ", ".join(memory.failed(kernel))
            self.acted = True
            memory.remember(kernel, {})
        finally:
            with suppress(SlotError):  # it expires by itself
                slot.release()
        # also where nothing was remembered any more: another management host may have forgotten what failed here
        self._story().end_alerts(kernel)
        known = f"forgotten: {kernel} has failed on {failed}" if failed else f"no failure with {kernel} was remembered"
        return self.said(Outcome.OUTSIDE, f"{known}; {later}")

    def _plan(self, kernel: str, fleet: SpicerackFleet) -> Outcome:
        roll = self._make(kernel, fleet, self.journal)
        state = roll.state()
        steps = plan(self._goal(kernel), state)
        for line in roll_report.plan_lines(steps, state.left_s):
            self.operator.line(line)
        first = roll.decision(state)
        if said := fleet.at_work():
            first = Finish(Outcome.TAKEN, said)
        blocked = isinstance(first, Finish) and first.end is Outcome.BLOCKED
        outcome, said = Outcome.BLOCKED if blocked else Outcome.DONE, roll_report.first_step(first)
        planned = {"kernel": kernel, "left_s": state.left_s, "hosts": [dataclasses.asdict(one) for one in steps]}
        ended = {"outcome": outcome.name, "exit_code": outcome.value, "first": said}
        write_json(self._request.json_file, {**planned, **ended})
        self.operator.line(f"roll of {kernel} {said}")
        return outcome

    def _roll(self, kernel: str, fleet: SpicerackFleet) -> Outcome:
        path = self.open_journal(f"roll-kernel.{self.run_id}", why=self._request.why, kernel=kernel, hosts=self.hosts)
        self.operator.line(f"roll {self.run_id} of {kernel} over {', '.join(self.hosts)}, journal {path}")
        self.acted = True
        finish = self._make(kernel, fleet, self.journal).execute()
        self.close()
        self._story().write(path, self.events, lambda headline: to_admin_log(self.spicerack, headline))
        return finish.end

    def _story(self) -> RollStory:
        asked = self._request
        return RollStory(self.site.roll, self.directory, asked.why, asked.task, self.wiring.clock, self.operator)

    def _make(self, kernel: str, fleet: SpicerackFleet, events: EventLog) -> Roll:
        section = self.site.roll
        return Roll(
            fleet,
            self._memory(),
            self._roll_slot(),
            self._goal(kernel),
            Limits(self._windows, section.soak.seconds, section.slack),
            wanted=self.hosts,
            again=self._request.again and not self._only_plan,
            run=self.run_id,
            journal=events,
            clock=self.wiring.clock,
            operator=self.operator,
        )

    # --- the wiring

    def _goal(self, kernel: str) -> RollGoal:
        section = self.site.roll
        canary = section.canary if section.canary in self.hosts else None
        return RollGoal(
            kernel=kernel,
            canary=canary or "",
            max_failed=section.max_failed,
            max_out=section.max_out,
            min_in_service=self.site.min_in_service,
            resume=section.leftovers == "resume",
        )

    def _fleet(self, kernel: str) -> SpicerackFleet:
        entries = load_kernels(self.site.verify.known_bad)
        asked = Asked(kernel, with_watched(self.site.verify, entries), entries, ports=self.site.ports)
        reason = self._request.reason or f"roll of kernel {kernel}"
        order = RollOrder(asked, reason, self._request.task, self.site.roll.soak)
        return SpicerackFleet(
            self.spicerack,
            self.site,
            order,
            hosts={name: self.wiring.host(name) for name in self.site.mxs},
            pools={name: self._pool(name) for name in self.site.mxs},
            slot=self._slot(),
            alerts=source_of(self.spicerack, self.site.alerts),
            stop=self.stop,
            clock=self.wiring.clock,
            operator=self.operator,
        )

    def _pool(self, name: str) -> PoolState:
        tags = self.site.conftool_tags(name)
        return NoPool() if tags is None else ConftoolPool(lambda: self.spicerack.confctl("node"), tags, name)

    def _me(self) -> Holder:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return Holder(ROLL, self.run_id, self.wiring.who, since)

    def _slot(self) -> EtcdSlot:
        section = self.site.slot
        return EtcdSlot(make_client(section.etcdrc), section.key, section.lease, self._me(), "only looking")

    def _memory(self) -> EtcdMemory:
        return EtcdMemory(make_client(self.site.slot.etcdrc), self.site.slot.key)

    def _roll_slot(self) -> EtcdRollSlot:
        section = self.site.slot
        clients = (make_client(section.etcdrc), make_client(section.etcdrc))
        session = f"{self.wiring.who} pid {os.getpid()} {secrets.token_hex(4)}"
        clock, say = self.wiring.clock, self.operator.line
        lives = self.stop.pulse.beats
        return roll_slot(clients, section.key, section.lease, self._me(), session, clock, say, lives)


def make(spicerack: Spicerack, site: Site, request: RollRequest) -> RollKernel:
    """Return the roll.

    Raises:
        mxlib.base.errors.MxlibError: it is refused; who is not there is told so.
    """
    try:
        return RollKernel(spicerack, site, request)
    except MxlibError as error:
        tell_unbegun(spicerack, site, request, Outcome.REFUSED, str(error))
        raise


def tell_unbegun(spicerack: Spicerack, site: Site, request: RollRequest, outcome: Outcome, why: str) -> None:
    """Write the metrics and the mail of a roll that has no summary.

    Without them the metrics of the last night that went well would stand for each night that could not even begin.
    """
    if not request.unattended or request.plan or spicerack.dry_run or outcome in DELIBERATE:
        return
    wiring, folder = Wiring(spicerack, site, Stop()), site.reports or log_directory()
    story = RollStory(site.roll, folder, request.why, request.task, wiring.clock, wiring.operator)
    story.write_unbegun(new_run(), wiring.who, request.kernel, Finish(outcome, why))


def overridden(section: RollSection, request: RollRequest) -> RollSection:
    """Return the site's section with what the operator said in its place.

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
