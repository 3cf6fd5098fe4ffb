"""From a cookbook's arguments to a run: the journal around it, and the report after it."""

import dataclasses
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from spicerack import Spicerack

from mxlib.adapters.announce import announce
from mxlib.adapters.etcd_slot import EtcdSlot
from mxlib.adapters.etcd_wait import wait_for_silence
from mxlib.base import journal
from mxlib.base.errors import HostError, InterruptedRunError, MxlibError, StepError
from mxlib.base.ids import new_run
from mxlib.base.stop import Stop, signals
from mxlib.commands.request import Request
from mxlib.commands.wiring import Wiring
from mxlib.config.sections import Site
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.model.outcome import DrainOutcome, Outcome
from mxlib.mta.standing import read_standing
from mxlib.reboot import kernel_choice as choice
from mxlib.reboot import report, report_markdown
from mxlib.reboot.run import Result, Run
from mxlib.reboot.world import RebootWorld


class Session:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: Request, stop: Stop | None = None):
        """Wire nothing that touches the world yet.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.
            stop: whether somebody asked to stop, where more than this run is to hear it.
        """
        self._spicerack = spicerack
        self._site = site
        self._request = request
        self._stop = stop or Stop()
        self.result: Result | None = None
        self.report_file: Path | None = None
        self._wiring = Wiring(spicerack, site, self._stop)
        self._tell = self._wiring.tell
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

    def _said(self, error: Exception, outcome: Outcome) -> int:
        """What went wrong before the run began, in one line instead of a traceback."""
        self._tell.line(f"{self._request.host}: {outcome.phrase}: {error}")
        self.result = Result(outcome, str(error))
        return outcome.value

    def status(self) -> int:
        """Say where the host stands, and whose the slot is; change nothing."""
        run = self._world(new_run())
        try:
            standing = read_standing(run.target, run.mta)
        except HostError as error:
            self._tell.line(f"{self._request.host} does not answer: {error}")
            self._tell.line(f"slot of the service: {run.adapters.slot.describe() or 'free'}")
            if run.adapters.rescue.off():
                command = f"cookbook sre.mail.reboot-mx {self._request.host} --resume"
                self._tell.line(f"its machine is off; what a run has left off is started by: {command}")
            return Outcome.LEFT_OUT.value
        for line in report.status(self._request.host, standing, run.adapters.slot.describe()):
            self._tell.line(line)
        return Outcome.DONE.value

    def drain(self) -> int:
        """Empty the queue as far as it goes; nothing is claimed."""
        world = self._world(new_run())
        way = drain.rehearse if self._spicerack.dry_run else drain.empty
        with signals(self._stop):
            try:
                note, outcome = way(world).note, DrainOutcome.DONE
            except InterruptedRunError as error:
                self._stop.rest()
                runners.stop(world)
                note, outcome = str(error), DrainOutcome.INTERRUPTED
            except StepError as error:
                note, outcome = str(error), DrainOutcome.LEFT if error.evidence else DrainOutcome.UNKNOWN
            except MxlibError as error:
                note, outcome = str(error), DrainOutcome.UNKNOWN
        self._tell.line(f"{self._request.host}: {outcome.phrase}: {note}")
        return outcome.value

    def close(self) -> None:
        """Close the journal, and nothing else; harmless when done before."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # --- the two ways

    def _rehearse(self) -> int:
        world = self._world(new_run())
        self._choose_kernel(world)
        result = Run(world, journal.NoJournal(), resting=self._stop.rest).rehearse()
        self._tell.line(f"{self._request.host}: {result.outcome.phrase} ({result.why})")
        return result.outcome.value

    def _run(self) -> int:
        run_id = self._run_id()
        world = self._world(run_id)
        self._choose_kernel(world)
        directory = self._site.reports or log_directory()
        path = directory / f"{self._request.host}.{run_id}.jsonl"
        self._journal = journal.Journal(path, self._wiring.clock)
        self._journal.write("start", host=self._request.host, run=run_id, who=self._wiring.who, why=world.options.why)
        self._tell.line(f"run {run_id} on {self._request.host}, journal {path}")
        if self._request.goal.adopt and isinstance(world.adapters.slot, EtcdSlot):
            wait_for_silence(world.adapters.slot.look, self._wiring.clock, self._tell.line)
        renewal = self._wiring.renewals(self._request, world)
        try:
            result = Run(world, self._journal, resting=self._stop.rest).execute()
        except KeyboardInterrupt:
            command = f"cookbook sre.mail.reboot-mx {self._request.host} --status"
            self._tell.line(f"stopped at once, in the middle of a step; where it stands: {command}")
            raise
        finally:
            renewal()
        self._report(path, run_id, world, result)
        self.result, self.report_file = result, path.with_suffix(".md")
        return result.outcome.value

    def _choose_kernel(self, world: RebootWorld) -> None:
        """Turn "newest" and "proven" into a release."""
        if self._request.goal.kernel not in choice.WORDS:
            return
        release, why = choice.choose(world, self._request.goal.kernel)
        self._tell.line(why)
        world.progress.goal = dataclasses.replace(self._request.goal, kernel=release)

    def _report(self, path: Path, run_id: str, world: RebootWorld, result: Result) -> None:
        command = report.next_command(self._request.host, result.outcome, result.record)
        events = journal.read(path)
        made = report.build(self._request.host, run_id, self._wiring.who, world.options.why, events, command)
        path.with_suffix(".md").write_text(report_markdown.markdown(made), encoding="utf-8")
        path.with_suffix(".json").write_text(report.as_json(made), encoding="utf-8")
        self._tell.line(f"report: {path.with_suffix('.md')} (and .json)")
        if result.outcome in (Outcome.REFUSED, Outcome.INTERRUPTED) and (said := world.adapters.slot.describe()):
            self._tell.line(said)
        for line in report.terminal(made):
            self._tell.line(line)
        comment = "\n".join(report.terminal(made))
        announce(self._spicerack, self._site.announce, f"{made.headline} (run {run_id})", self._request.task, comment)

    def _world(self, run_id: str) -> RebootWorld:
        return self._wiring.world(self._request, run_id)

    def _run_id(self) -> str:
        """The id of the run that is gone on with, or a new one."""
        if not self._request.goal.adopt:
            return self._request.run or new_run()
        try:
            record = read_standing(self._wiring.host(self._request.host), self._wiring.mta).depool.record
        except MxlibError as error:
            self._tell.line(f"which run to go on with cannot be read yet: {error}")
            return new_run()
        return record.run if record is not None else new_run()


def log_directory() -> Path:
    """Beside the log that Spicerack writes for the cookbook."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, RotatingFileHandler)]
    return Path(handlers[0].baseFilename).parent if handlers else Path.cwd()
