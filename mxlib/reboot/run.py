"""The loop of a run: read where things stand, decide, take one step, write it down, and again."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mxlib.base.errors import (
    CommandTimeoutError,
    FencedError,
    HostUnreachableError,
    InterruptedRunError,
    LockedError,
    MovedError,
    MxlibError,
    SlotError,
    StepError,
)
from mxlib.base.journal import EventLog
from mxlib.base.text import duration, one_line
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import Do, End, Pool, Slot, State, Step
from mxlib.reboot.ends import begun, given_up, in_service, may_be_reached, outcome_of, served, stopped, truthful
from mxlib.reboot.events import Events, spent
from mxlib.reboot.guarding import run_guard
from mxlib.reboot.plan import decide, keep_out
from mxlib.reboot.reading import read_state
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import RebootWorld

MAX_STEPS = 200
_REPEATS = 3
"""A step that is taken so many times in a row has no effect."""
_LOOKS = 5
"""Looks in a row at a host whose answer cannot be understood: a busy one lets a section time out."""
_AGAIN_S = 5.0
_DOUBTS = 2
"""Times that a step without an answer is taken again: a busy host answers later, and twice does no more than once."""
_DOUBT_S = 600.0
"""A step without an answer that took longer is taken again once only: the host may be out of service meanwhile."""
_LOCKED = 18
"""Times that a step is taken again while another command holds the host's lock, perhaps our own with a lost answer."""
_TRIES_OUT = 2
"""Tries to keep clients from what nobody has verified, before a run ends."""
_NOT_DONE = (MovedError, FencedError)
_NOT_KNOWN = (MovedError, HostUnreachableError, CommandTimeoutError)
"""After these the world is read again, and the next decision comes from there."""


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        outcome: what its exit code says.
        why: one sentence.
        record: the record that stays on the host; None: none does.
        kernel: the kernel that was on trial, as far as a record has said so; empty: none was, or that is not known.
        silent: see :class:`mxlib.model.state.End`.
        held: whether the slot of the service should have been given up and was not.
    """

    outcome: Outcome
    why: str
    record: Record | None = None
    kernel: str = ""
    silent: bool = False
    held: bool = False


class Run:
    """One run on one host."""

    def __init__(self, world: RebootWorld, journal: EventLog, *, resting: Callable[[], None]):
        """Begin nothing yet.

        Arguments:
            resting: called when the run has noticed that it is to stop: from then on it comes to its own clean end.
        """
        self._world = world
        self._progress = world.progress
        self._journal = Events(journal, world.operator)
        self._resting = resting
        self._interrupted, self._served, self._trial = "", "", ""
        self._undone = "back in service as found"
        self._over: Outcome | None = None
        self._repeats: list[Do] = []
        self._read: dict[str, float] = {}
        self._pending: Callable[[State], End | None] | None = None
        """What the next look decides on, where a failure or a signal has come since the last one."""
        self._acted: set[Step] = set()
        """Steps that this process has, or may have, taken."""
        self._answered = False  # the host, at the last look: only then is it known that there is no record
        self._was_free = False  # the slot, when this process took it: no dead run has a record by it
        self._unread = 0
        self._doubts: dict[Step, int] = {}
        self._kept_out: list[Step] = []

    def execute(self) -> Result:
        """Go to the goal, or as far as it is safe, and return how that ended."""
        for _ in range(MAX_STEPS):
            try:
                end = self._once()
            except InterruptedRunError as error:
                # a run that is over leaves the request to whoever began it
                end = self._heard(str(error)) if self._over is None else End(self._over, "")
            except MxlibError as error:
                end = self._not_read(error)
            if end is not None:
                return self._finish(end)
        return self._finish(End(Outcome.INTERRUPTED, f"no end after {MAX_STEPS} steps"))

    def _once(self) -> End | None:
        if self._unread:
            self._world.clock.sleep(_AGAIN_S)
        self._answered = False
        # an etcd or a host that answers slowly is waited for here, a minute perhaps
        self._world.operator.busy("reading where the host, its pool and the slot stand")
        with spent(self._world) as took:
            state = self.state()
        self._answered, self._unread = state.host is not None, 0
        decision = decide(self._progress.goal, state)
        if (self._pending is not None or isinstance(decision, End)) and self._looks_again():
            return None
        if self._pending is not None:
            pending, self._pending = self._pending, None
            return self._true(pending(state), state)
        self._read = {f"reading_{'s' if name == 'seconds' else name}": value for name, value in took.items()}
        if isinstance(decision, End):
            return self._true(decision, state)
        if decision.step is Step.GUARD:
            self._world.looked(None)  # it takes its time
            run_guard(self._world, self._journal, self._read)
            return None
        return self._take(decision, state)

    def _looks_again(self) -> bool:
        """Whether the run has done something since the last look: what is said of a host at an end was just read."""
        old = self._progress.look is not None and not self._progress.just
        if old:
            self._world.looked(None)
        return old

    def _true(self, end: End | None, state: State) -> End | None:
        """Return an end that says no more than was read: "nothing was changed" only of a process that has not acted."""
        if end is not None and end.outcome is Outcome.REFUSED and self._changed(state):
            end = begun(end.why, state)
        return None if end is None else truthful(end, state)

    def _changed(self, state: State) -> bool:
        """Whether this process has, or may have, changed anything; a claim is not there where no record is."""
        claim_gone = state.host is not None and (state.record is None or state.record.token != state.token)
        return bool(self._acted - {Step.SLOT, Step.AWAIT} - ({Step.CLAIM} if claim_gone else set()))

    def _not_read(self, error: MxlibError) -> End | None:
        """Decide nothing where the answer of the host cannot be understood: it is asked again for a while."""
        self._unread += 1
        self._world.looked(None)
        self._journal.write("unread", error=str(error))
        if self._unread < _LOOKS:
            return None
        begun = self._acted or self._progress.record is not None
        why = f"where the host stands cannot be read: {one_line(str(error), 600)}"
        return End(Outcome.INTERRUPTED if begun else Outcome.UNKNOWN, why)

    def state(self) -> State:
        """Read where things stand now."""
        return read_state(self._world, self._journal, at_once=self._pending is not None)

    # --- acting

    def _take(self, decision: Do, state: State) -> End | None:
        """Take a step, write it down, and turn what goes wrong into the next decision."""
        if decision.step is Step.TURN_BACK:
            self._progress.turning = decision.why
        if decision.step is Step.RELEASE:
            self._note_release(state)
        self._was_free |= decision.step is Step.SLOT and state.slot is Slot.FREE
        self._journal.write("begin", step=decision.step.value, why=decision.why, **self._read)
        self._world.operator.busy(decision.step.value)
        begin, look = self._world.clock.monotonic(), self._progress.look
        try:
            self._refuse_repeats(decision)
            try:
                with spent(self._world) as took:
                    done = ACTIONS[decision.step].apply(self._world, state)
            finally:
                self._journal.answers(self._world)
        except InterruptedRunError:
            self._world.looked(None)
            self._acted.add(decision.step)
            self._journal.write("stopped", step=decision.step.value)
            raise
        except MxlibError as error:
            self._world.looked(None)
            if not isinstance(error, _NOT_DONE):
                self._acted.add(decision.step)
            evidence = error.evidence if isinstance(error, StepError) else {}
            kind = type(error).__name__
            self._journal.write("failed", step=decision.step.value, error=str(error), kind=kind, **evidence)
            return self._failure(decision.step, error, self._world.clock.monotonic() - begin)
        self._acted.add(decision.step)
        self._over = self._progress.released if decision.step is Step.RELEASE else None
        self._progress.just = self._progress.look is not look
        self._doubts.pop(decision.step, None)
        self._journal.write("done", step=decision.step.value, note=done.note, **{**took, **done.evidence})
        self._world.operator.line(f"{decision.step.value}: {one_line(done.note, 400)} ({duration(took['seconds'])})")
        return None

    def _note_release(self, state: State) -> None:
        """Say how the run ends before its record goes: the answer to that may be lost."""
        assert state.record is not None
        self._progress.released = outcome_of(self._progress.goal, state)
        self._trial = state.record.target.release
        self._served = served(self._progress.goal, state, self._progress.turning)
        self._undone = given_up(state.pool) if state.pool is Pool.WAS_OUT else self._undone

    def _refuse_repeats(self, decision: Do) -> None:
        self._repeats = [*self._repeats[-(_REPEATS - 1) :], decision]
        same = len(self._repeats) == _REPEATS and all(one.step is decision.step for one in self._repeats)
        if same and decision.step is not Step.AWAIT and decision.step not in self._doubts:
            raise StepError(f"{decision.step.value} has no effect")

    def _failure(self, step: Step, error: MxlibError, seconds: float) -> End | None:
        """Decide on a step that could not do its work. The kind of error may ask for another look, never for an end."""
        why = f"{step.value}: {one_line(str(error), 400)}"
        allowed = _LOCKED if isinstance(error, LockedError) else 1 if seconds > _DOUBT_S else _DOUBTS
        again = isinstance(error, _NOT_KNOWN) and self._doubts.get(step, 0) < allowed
        doubt = "NOT DONE" if isinstance(error, _NOT_DONE) else "NO ANSWER"
        self._world.operator.line(f"{doubt if again else 'FAILED'} {why}")
        if isinstance(error, FencedError):
            return End(Outcome.INTERRUPTED, why)
        if again:
            self._doubts[step] = self._doubts.get(step, 0) + 1
            return None
        self._pending = partial(self._give_up, why)
        return None

    def _give_up(self, why: str, state: State) -> End | None:
        """Turn back before the reboot; after it leave the host out, unless it serves and may."""
        record = state.record
        if state.released is not None:
            return None  # its record is gone: it was done
        if record is None or state.host is None:
            silent = state.host is None and (record is not None or self._progress.goal.adopt)
            return End(Outcome.LEFT_OUT if silent else Outcome.REFUSED, why)
        undoing = self._progress.goal.turned(record)
        if not record.boots and not undoing:
            self._turn_back(why)
            return None
        if in_service(state) and record.trusted(state.host.boot):
            return End(Outcome.INTERRUPTED, f"in service, but not finished: {why}")
        return self._leave_out(lambda _: End(Outcome.LEFT_OUT, why), state)

    def _leave_out(self, ends: Callable[[State], End], state: State) -> End | None:
        """Keep clients from what nobody has verified or no MTA serves, as far as that can be done, then end."""
        if state.record is None or state.host is None or state.record.token != state.token:
            return ends(state)  # there is nothing to close, or it is not this run's to close
        out = None if may_be_reached(state.record, state.host) else keep_out(state, state.host)
        if out is None or self._kept_out.count(out.step) >= _TRIES_OUT:
            return ends(state)
        self._kept_out.append(out.step)
        self._pending = partial(self._leave_out, ends)
        return self._take(out, state)

    def _turn_back(self, why: str) -> None:
        self._progress.turning = why
        self._progress.goal = dataclasses.replace(self._progress.goal, back=True)
        self._journal.write("turning-back", why=why)
        self._world.operator.line("turning back: the host is returned to service as it was found")
        record = self._progress.record
        assert record is not None
        self._world.remember(dataclasses.replace(record, undoing=why))

    # --- ending

    def _heard(self, what: str) -> End | None:
        """Stop as a signal asks: where the host stands is read before anything is said of it."""
        self._resting()
        self._world.looked(None)
        self._journal.write("interrupted", what=what)
        self._world.operator.line(f"{what}: stopping")
        first, self._interrupted = not self._interrupted, what
        self._pending = partial(self._stop, what, first)
        return None

    def _stop(self, what: str, first: bool, state: State) -> End | None:
        """Undo everything before the reboot; after it leave the host out."""
        record = state.record
        if state.host is None:
            return stopped(what, state)
        if record is None or record.token != state.token:
            changed = "no run holds the host" if record is None else f"the host is in the hands of run {record.run}"
            return begun(changed, state) if self._changed(state) else End(Outcome.INTERRUPTED, "nothing was changed")
        if not record.boots and first:
            if not self._progress.goal.turned(record):
                self._turn_back(f"stopped by {what}")
            return None
        return self._leave_out(partial(stopped, what), state)

    def _finish(self, end: End) -> Result:
        self._world.write_down()
        record = self._progress.record
        outcome, why = end.outcome, end.why or self._served
        if self._interrupted and outcome is Outcome.UNDONE:
            outcome, why = Outcome.INTERRUPTED, f"stopped by {self._interrupted}; undone, {self._undone}"
        over = record is None and (self._answered or (self._was_free and outcome is Outcome.REFUSED))
        slot, held = self._world.adapters.slot, False
        try:
            (slot.release if over else slot.leave)()
        except SlotError as error:
            said = f"the slot of the service was not given up: {error}"
            self._world.operator.line(said)
            why, held = f"{why}; {said}" if over else why, over
            outcome = Outcome.INTERRUPTED if outcome is Outcome.REFUSED and self._acted else outcome
        self._journal.write("end", outcome=outcome.name, why=why, code=outcome.value)
        kernel = record.target.release if record is not None else self._trial
        return Result(outcome, why, record, kernel, end.silent, held)
