"""One run on one mail exchanger: reboot-mx, depool-mx and pool-mx, from the request to the report."""

import dataclasses
from functools import partial
from pathlib import Path

from spicerack import Spicerack

from mxlib.adapters.announce import announce
from mxlib.adapters.etcd_slot import EtcdSlot
from mxlib.adapters.etcd_wait import wait_for_silence
from mxlib.base import journal
from mxlib.base.errors import HostError, InterruptedRunError, MxlibError
from mxlib.base.stop import Stop
from mxlib.base.text import one_line
from mxlib.commands import accept
from mxlib.commands.answers import silence
from mxlib.commands.command import Command
from mxlib.commands.request import RunRequest, check_host
from mxlib.config.sections import Site
from mxlib.facts import past_runs
from mxlib.model.outcome import Outcome
from mxlib.model.state import Slot
from mxlib.mta.standing import read_standing
from mxlib.pages import run as run_page
from mxlib.reboot import kernel_choice as choice
from mxlib.reboot import report, report_markdown
from mxlib.reboot.rehearsal import rehearse
from mxlib.reboot.run import Result, Run
from mxlib.reboot.world import RebootWorld


class HostRun(Command):
    """One run on one mail exchanger.

    Attributes:
        result: how it ended; None while it has not.
        report: its report; None where it left none.
        report_file: where that lies.
    """

    name = "reboot-mx"

    def __init__(self, spicerack: Spicerack, site: Site, request: RunRequest, stop: Stop | None = None) -> None:
        """Check what was asked for; nothing is touched.

        Arguments:
            stop: gets the request to stop, where more than this run is to be stopped by it.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX of the site, or what is accepted is no finding.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host), stop=stop)
        accept.check(site, request.accept)
        self.request = request
        self.reads_only = bool(spicerack.dry_run)
        self.result: Result | None = None
        self.report: report.Report | None = None
        self.report_file: Path | None = None
        self._silent_run = ""

    def work(self) -> Outcome:
        """Reboot, take out of service or return to it; in a dry run say what would be done."""
        if (ended := self._without_answer()) is not None:
            return ended
        return self._rehearse() if self.spicerack.dry_run else self._run()

    def said(self, outcome: Outcome, why: str) -> Outcome:
        """Say the last line, and keep it as the result."""
        self.result = Result(outcome, why)
        return super().said(outcome, why)

    def failed(self, error: MxlibError) -> Outcome:
        """Return how a run ends that could not begin: what happens later is the planner's."""
        outcome = super().failed(error)
        return Outcome.REFUSED if outcome is Outcome.FAILED else outcome

    @property
    def objections(self) -> str:
        """What the guard objected to; empty where it objected to nothing, or was not asked."""
        found = self.report.verdicts if self.report is not None else ()
        bad = [one for one in found if one["stage"] == "guard" and one["status"] != "OK"]
        return "; ".join(one_line(f"{one['check']} {one['status']}: {one['why']}", 160) for one in bad)

    # --- before

    def _without_answer(self) -> Outcome | None:
        """Return how it ends at once where the host is silent and no run is known to hold it; None: it continues."""
        if self.request.without_slot:
            # etcd does not say who holds it: the operator vouches, and the planner waits for the host
            return None
        found = silence(self._world())
        if found is None:
            return None
        if found.run and self.request.goal.adopt:
            self._silent_run = found.run
            return None
        return self.said(found.outcome, found.why)

    def _world(self) -> RebootWorld:
        return self.wiring.world(self.request, self.run_id)

    def _adopted_run(self) -> str:
        """Return the id of the run that is resumed; empty: a new one begins."""
        if not self.request.goal.adopt or self._silent_run:
            return self._silent_run or self.request.run
        try:
            record = read_standing(self.wiring.host(self.request.host), self.wiring.mta).depool.record
        except HostError as error:
            self.operator.line(f"which run is resumed cannot be read yet: {error}")
            return ""
        return record.run if record is not None else ""

    def _choose_kernel(self, world: RebootWorld) -> None:
        """Turn "newest" and "proven" into a release."""
        if self.request.goal.kernel not in choice.WORDS:
            return
        release, why = choice.choose(world, self.request.goal.kernel)
        self.operator.line(why)
        world.progress.goal = dataclasses.replace(self.request.goal, kernel=release)

    # --- the two ways

    def _rehearse(self) -> Outcome:
        world = self._world()
        self._choose_kernel(world)
        result = rehearse(world, journal.NoJournal())
        return self.said(result.outcome, result.why)

    def _run(self) -> Outcome:
        self.run_id = self._adopted_run() or self.run_id
        world = self._world()
        self._choose_kernel(world)
        host, why = self.request.host, world.options.why
        path = self.open_journal(f"{host}.{self.run_id}", host=host, why=why)
        self.wiring.extras.into(self.journal)
        self.operator.line(f"run {self.run_id} on {host}, journal {path}")
        if self.request.goal.adopt and isinstance(world.adapters.slot, EtcdSlot):
            wait_for_silence(world.adapters.slot.look, self.wiring.clock, self.operator.line)
        begin = self.wiring.clock.monotonic()
        self.result = self._loop(world)
        took = self.wiring.clock.monotonic() - begin
        try:
            self._show_end(path, world, self.result, took)
        except (MxlibError, InterruptedRunError) as error:
            # the run has ended as it has, whatever becomes of its report
            return self.said(self.result.outcome, f"{self.result.why} (its report cannot be made: {error})")
        return self.result.outcome

    def _loop(self, world: RebootWorld) -> Result:
        renewal = self.wiring.renewals(self.request, world)
        try:
            return Run(world, self.journal, resting=self.stop.rest).execute()
        except KeyboardInterrupt:
            command = f"cookbook sre.mail.reboot-mx {self.request.host} --status"
            self.operator.line(f"stopped at once, in the middle of a step; where it stands: {command}")
            raise
        finally:
            renewal()

    def _note_duration(self, world: RebootWorld, seconds: float) -> None:
        """Keep on the host how long its reboot took, where every management host can read it."""
        steps = {entry.step for entry in self.report.timeline} if self.report is not None else set()
        if self.result is None or self.result.outcome is not Outcome.DONE or "reboot" not in steps or "adopt" in steps:
            # only a reboot that nobody interrupted says how long the next one takes
            return
        try:
            world.target.act(past_runs.add_script(seconds), timeout=30)
        except (MxlibError, InterruptedRunError) as error:
            # who asks now asks too late to change the end: whoever began the run still hears it
            self.operator.line(f"how long this took is not noted on the host: {one_line(str(error))}")

    # --- the end

    def _show_end(self, path: Path, world: RebootWorld, result: Result, took: float) -> None:
        slot = world.adapters.slot
        # only a refused run has to know whether a session is at work; etcd is not asked at every end
        at_work = slot.state() if result.outcome is Outcome.REFUSED else Slot.FREE
        left = result.silent or result.held
        command = report.next_command(self.request.host, result.outcome, result.record, at_work, left=left)
        why, events = world.options.why, tuple(self.events)
        made = report.build(self.request.host, self.run_id, self.wiring.who, why, events, command)
        self.report, self.report_file = made, path.with_suffix(".md")
        self._note_duration(world, took)
        as_page = partial(run_page.page, made, events)
        self.write_report(path, report_markdown.markdown(made), report.as_json(made), as_page)
        lines = tuple(report.terminal(made))
        comment = "\n".join(lines)
        headline = f"{made.headline} (run {self.run_id})"
        announce(self.spicerack, self.site.announce, headline, self.request.task, comment)
        if result.outcome in (Outcome.REFUSED, Outcome.INTERRUPTED) and (said := slot.describe()):
            self.operator.line(said)
        for line in lines:
            self.operator.line(line)
