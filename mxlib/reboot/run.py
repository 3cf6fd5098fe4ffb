"""The loop of a run: read where things stand, decide, take one step, write it down, and again."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from mxlib.base.errors import FencedError, HostUnreachableError, InterruptedRunError, MxlibError, SlotError, StepError
from mxlib.base.journal import EventLog
from mxlib.base.text import duration, one_line
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import Do, End, State, Step
from mxlib.reboot.plan import decide, in_service
from mxlib.reboot.reading import read_state
from mxlib.reboot.steps import guard
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import RebootWorld

MAX_STEPS = 200
_REPEATS = 3
"""A step that was taken this often without changing anything has no effect."""


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        outcome: what its exit code says.
        why: one sentence.
        record: the memory that stays on the host; None: nothing is left there.
    """

    outcome: Outcome
    why: str
    record: Record | None = None


class Run:
    """One run on one host."""

    def __init__(self, world: RebootWorld, journal: EventLog, *, resting: Callable[[], None]):
        """Begin nothing yet.

        Arguments:
            journal: where events go.
            resting: called when the run has noticed that it is to stop: what it does next is its own clean end.
        """
        self._world = world
        self._progress = world.progress
        self._journal = journal
        self._resting = resting
        self._interrupted = ""
        self._repeats: list[Do] = []
        self._served = ""
        self._unheard = False
        """Whether the run that is gone on with is on a host that does not answer: then the slot stays the host's."""
        self._read: dict[str, float] = {}

    def execute(self) -> Result:
        """Go to the goal, or as far as it is safe."""
        for _ in range(MAX_STEPS):
            try:
                end = self._once()
            except InterruptedRunError as error:
                end = self._stop(str(error))
            except MxlibError as error:
                # not a step: where things stand cannot be read, so nothing is decided
                begun = Outcome.UNKNOWN if self._world.progress.record is None else Outcome.INTERRUPTED
                end = End(begun, f"where the host stands cannot be read: {one_line(str(error), 400)}")
            if end is not None:
                return self._finish(end)
        return self._finish(End(Outcome.LEFT_OUT, f"no end after {MAX_STEPS} steps"))

    def _once(self) -> End | None:
        begin, before = self._world.clock.monotonic(), self._world.adapters.meter.read()
        state = self.state()
        self._unheard = self._progress.goal.adopt and state.host is None
        decision = decide(self._progress.goal, state)
        self._read = {
            "reading_s": self._world.clock.monotonic() - begin,
            "reading_trips": self._world.adapters.meter.read().since(before).trips,
        }
        if isinstance(decision, End):
            return decision
        if decision.step is Step.GUARD:
            self._run_guard()
            return None
        return self._take(decision, state)

    def state(self) -> State:
        """Where things stand now."""
        return read_state(self._world, self._journal)

    # --- acting

    def _run_guard(self, *, rehearsing: bool = False) -> None:
        begin, before = self._world.clock.monotonic(), self._world.adapters.meter.read()
        verdicts = guard.guard(self._world)
        seconds = self._world.clock.monotonic() - begin
        trips = self._world.adapters.meter.read().since(before).trips
        spent = {"seconds": seconds, "probing_s": self._progress.probed_s, "trips": trips}
        self._journal.write("guard", checks=len(verdicts), **self._read, **spent)
        for one in verdicts:
            self._journal.write("verdict", stage="guard", **one.values)
        against = guard.blocking(self._world, verdicts)
        self._progress.guard = not against
        said = f"guard: {len(verdicts)} checks, {len(against)} against beginning ({duration(seconds)})"
        self._world.operator.line(said)
        for one in against:
            self._world.operator.line(f"  {one.status.value:8}{one.check}: {one.why}")
        if against and not rehearsing:
            self._progress.guard = guard.ask(self._world, against)
            self._write_answers()

    def _write_answers(self) -> None:
        """What was asked, and what was answered."""
        for one in self._progress.asked:
            self._journal.write("asked", question=one.question, answer=one.answer, effect=one.effect, by=one.by)
        self._progress.asked.clear()

    def _take(self, decision: Do, state: State) -> End | None:
        """Take a step, tell it, and turn what goes wrong into the next decision."""
        if decision.step is Step.TURN_BACK:
            self._progress.turning = decision.why
        self._journal.write("begin", step=decision.step.value, why=decision.why, **self._read)
        begin, before = self._world.clock.monotonic(), self._world.adapters.meter.read()
        try:
            self._refuse_repeats(decision)
            try:
                done = ACTIONS[decision.step].apply(self._world, state)
            finally:
                self._write_answers()
        except InterruptedRunError:
            self._journal.write("stopped", step=decision.step.value)
            raise
        except MxlibError as error:
            evidence = error.evidence if isinstance(error, StepError) else {}
            kind = type(error).__name__
            self._journal.write("failed", step=decision.step.value, error=str(error), kind=kind, **evidence)
            return self._failure(decision.step, error, state)
        seconds = self._world.clock.monotonic() - begin
        if decision.step is Step.RELEASE:
            self._note_release(state)
        trips = self._world.adapters.meter.read().since(before).trips
        said = {"note": done.note, "seconds": seconds, "trips": trips, **done.evidence}
        self._journal.write("done", step=decision.step.value, **said)
        self._world.operator.line(f"{decision.step.value}: {one_line(done.note, 400)} ({duration(seconds)})")
        return None

    def _note_release(self, state: State) -> None:
        assert state.record is not None
        assert state.host is not None
        self._progress.released = self._progress.goal.outcome(state.record)
        asked = self._progress.turning or state.record.undoing or "as asked"
        why = f" ({asked})" if self._progress.released is Outcome.UNDONE else ""
        self._served = f"{state.host.kernel} runs, in service{why}"

    def _refuse_repeats(self, decision: Do) -> None:
        self._repeats = [*self._repeats[-(_REPEATS - 1) :], decision]
        same = len(self._repeats) == _REPEATS and all(one.step is decision.step for one in self._repeats)
        if same and decision.step is not Step.AWAIT:
            raise StepError(f"{decision.step.value} has no effect")

    def _failure(self, step: Step, error: MxlibError, state: State) -> End | None:
        """What to do when a step could not do its work.

        Before the reboot the run turns back; after it the host stays out. A host that fell silent is waited for first.
        """
        why = f"{step.value}: {one_line(str(error), 400)}"
        self._world.operator.line(f"FAILED {why}")
        if isinstance(error, FencedError):
            return End(Outcome.INTERRUPTED, why)
        if isinstance(error, HostUnreachableError) and state.record is not None:
            return None
        record = self._progress.record
        if record is None:
            return End(Outcome.LEFT_OUT if self._unheard else Outcome.REFUSED, why)
        undoing = self._progress.goal.turned(record)
        if in_service(state) and (record.boots or undoing):
            return End(Outcome.INTERRUPTED, f"in service, but not finished: {why}")
        if record.boots or undoing:
            return End(Outcome.LEFT_OUT, why)
        self._turn_back(why)
        return None

    def _turn_back(self, why: str) -> None:
        self._progress.turning = why
        self._progress.goal = dataclasses.replace(self._progress.goal, back=True)
        record = self._progress.record
        assert record is not None
        if not record.undoing:
            self._world.remember(dataclasses.replace(record, undoing=why))
        self._journal.write("turning-back", why=why)
        self._world.operator.line("turning back: the host is given back as it was found")

    # --- ending

    def _stop(self, what: str) -> End | None:
        """A signal asked to stop: before the reboot everything is undone, after it the host stays out."""
        self._resting()
        self._journal.write("interrupted", what=what)
        first, self._interrupted = not self._interrupted, what
        record = self._progress.record
        self._world.operator.line(f"{what}: stopping")
        if record is None:
            return End(Outcome.INTERRUPTED, "nothing was changed")
        if record.boots or not first:
            return End(Outcome.INTERRUPTED, f"stopped by {what}; the host is out of service, safe")
        if not self._progress.goal.turned(record):
            self._turn_back(f"stopped by {what}")
        return None

    def _finish(self, end: End) -> Result:
        record = self._progress.record
        why = end.why or self._served
        outcome = Outcome.INTERRUPTED if self._interrupted and end.outcome is Outcome.UNDONE else end.outcome
        if outcome is not end.outcome:
            why = f"stopped by {self._interrupted}; undone, back in service as found"
        try:
            if record is None and not self._unheard:
                self._world.adapters.slot.release()
            else:
                self._world.adapters.slot.leave()
        except SlotError as error:
            self._world.operator.line(f"the slot of the service was not given up: {error}")
        self._journal.write("end", outcome=outcome.name, why=why, code=outcome.value)
        return Result(outcome, why, record)

    # --- rehearsing

    def rehearse(self) -> Result:
        """The dry run: the guard for real, then every action in order, with its command, and none taken."""
        state = dataclasses.replace(self.state(), guard=None)
        for _ in range(MAX_STEPS):
            decision = decide(self._progress.goal, state)
            if isinstance(decision, End):
                return Result(decision.outcome, f"dry run: {decision.why}" if decision.why else "dry run", None)
            if decision.step is Step.GUARD:
                self._run_guard(rehearsing=True)
                state = dataclasses.replace(state, guard=True)
                if not self._progress.guard:
                    return Result(Outcome.REFUSED, "dry run: the guard found reasons not to begin", None)
            else:
                state = self._show(decision, state)
        return Result(Outcome.LEFT_OUT, "dry run: no end")

    def _show(self, decision: Do, state: State) -> State:
        """Show a step, and return the state it would lead to."""
        action = ACTIONS[decision.step]
        self._world.operator.line(f"would {decision.step.value}{f' {decision.why}' if decision.why else ''}")
        for line in action.preview(self._world, state):
            self._world.operator.line(f"    {line}")
        if action.undo is not None:
            self._world.operator.line(f"    undone by: {action.undo.value}")
        return action.rehearse(self._world, state)
