"""Emptying the queue, and bringing the MTA to rest."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mxlib.base.clock import pauses
from mxlib.base.errors import ParseError, StepError
from mxlib.base.text import duration, one_line, plural
from mxlib.drain import clients
from mxlib.drain import loop as emptying
from mxlib.facts.depool import HOLD
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.model.on_host import DIRECTORY
from mxlib.model.record import Record
from mxlib.model.state import MtaState, State, Step
from mxlib.mta import standing
from mxlib.mta.service import MtaFacts, Role
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, host_of, on_host, with_record
from mxlib.reboot.world import RebootWorld, record_of

_LOOK_S = 1.0
"""Longest pause between looks at an MTA that comes to rest."""
_LEFT = {
    "back": "return the host to service as it was found",
    "wait": "drain once more, for as long again",
    "on": "continue: what is left stays on disk during the reboot and is delivered afterwards",
}


@dataclass(frozen=True)
class QueueSample:
    """The queue at one moment.

    Attributes:
        count: messages in the queue.
        at: when, by the monotonic clock.
    """

    count: int
    at: float


def sample(world: RebootWorld) -> QueueSample:
    """Count the queue cheaply: no message is opened.

    Raises:
        mxlib.base.errors.StepError: it cannot be counted.
    """
    return sample_with(world, ())[0]


def sample_with(world: RebootWorld, also: Sequence[Source[Any]]) -> tuple[QueueSample, Facts]:
    """Count the queue, and return what else was read in the same round trip.

    Raises:
        mxlib.base.errors.StepError: the queue cannot be counted.
    """
    length = world.mta.length
    facts = read_facts(world.target, (length, *also))
    try:
        found = QueueSample(facts.get(length), world.clock.monotonic())
    except ParseError as error:
        raise StepError(f"the queue cannot be counted: {one_line(str(error))}") from None
    world.events.write("queue", left=found.count)
    return found, facts


def drain(world: RebootWorld, state: State) -> Done:
    """Empty the queue, and note in which boot that was."""
    record = record_of(state)
    watch = clients.ClientWatch(world, record, world.clock.now())
    # who still comes, and where the host stands, is read with the queue; once more where the queue took its time
    also = (standing.source(world.mta),)
    done = _emptied(world, record, watch, also)
    came = watch.settled(also, world.keep_look)
    # lost with this process, the queue is drained once more
    world.note(dataclasses.replace(record, drained=record.boot))
    return Done(f"{done.note}; {came.note}", {**done.evidence, **came.evidence})


def _emptied(
    world: RebootWorld, record: Record, watch: clients.ClientWatch, also: Sequence[Source[Any]]
) -> Done:
    """Empty it; where more is left than the bound allows, the operator decides."""
    while True:
        try:
            return emptying.empty(world, watch.glance, watch.sources(also), watch.take, mine=record)
        except StepError as error:
            if not error.evidence or isinstance(error, clients.ClientsStuckError):
                raise
            answer = world.ask(f"The queue is not empty enough: {one_line(str(error), 400)}.", _LEFT, "back")
            if answer == "back":
                raise
            if answer == "on":
                return Done(
                    f"continues with what is left, as the operator decided: {one_line(str(error), 300)}", error.evidence
                )


def hold(world: RebootWorld, state: State) -> Done:
    """Keep the MTA from being started, stop it, and wait until none of its processes is left.

    A stop alone is no proof: systemd reports success while the daemon and its deliveries go on. A delivery under way is
    never ended from here; an SMTP session that does not end in half the time is, as its sender keeps the message.
    """
    mta = world.mta
    ours = f"{{\n{mta.stop_attempts_script}\n}} || true\n"
    if not mta.can.stop_spares:
        world.act(f"# let the MTA begin no delivery\n{ours}{mta.quiet_script}", timeout=120, look=False)
        _until(world, "the end of its deliveries", lambda facts: not facts.role(Role.DELIVERY))
        ours = ""
    # whatever was closed before, the MTA has run since: the ledger is closed again
    record = dataclasses.replace(record_of(state), ledger="")
    script = f"# stop the MTA and hold it\n{ours}touch {HOLD}\nsync {DIRECTORY}\n{mta.stop_script}"
    world.act(script, record=record, timeout=120)
    look = world.progress.look
    at_once = look is not None and look[0].view.mta is MtaState.HELD
    rest = "at rest at once" if at_once else _until(world, "rest", lambda facts: facts.still)
    return Done(f"{mta.units[0]} is stopped, held, and {rest}")


def _until(world: RebootWorld, what: str, reached: Callable[[MtaFacts], bool]) -> str:
    """Wait until the MTA has come to rest, or as far as is asked, and return how long that took and what it needed.

    Raises:
        mxlib.base.errors.StepError: it has not in the site's time.
    """
    limit = world.site.drain.still_timeout
    begin, pause = world.clock.monotonic(), pauses(_LOOK_S)
    ended: str | None = None
    while True:
        # where the host stands is asked in the same round trip: the next decision then needs no look of its own
        found = read_facts(world.target, (world.mta.service, standing.source(world.mta)))
        facts = found.get(world.mta.service)
        waited = world.clock.monotonic() - begin
        if reached(facts):
            world.keep_look(found)
            return f"at {what} after {duration(waited)}{ended or ''}"
        if waited > limit:
            left = f"{_processes(facts)}{ended or ''}"
            raise StepError(f"the MTA did not come to {what} within {duration(waited)}: {left}")
        if waited > limit / 2 and ended is None:
            ended = _end_sessions(world, facts)
        world.operator.live(f"waiting for the MTA to come to {what}, {_still_to_end(facts, waited, limit)}")
        world.clock.sleep(next(pause))


def _processes(facts: MtaFacts) -> str:
    return ", ".join(f"{one.pid} ({one.role.value})" for one in facts.processes)


def _still_to_end(facts: MtaFacts, waited: float, limit: float) -> str:
    roles = Counter(one.role.value for one in facts.processes)
    said = ", ".join(f"{count} x {role}" for role, count in roles.most_common()) or "a listener"
    left = limit / 2 - waited
    sessions = facts.role(Role.SESSION) and left > 0
    ask = f"; open SMTP sessions are ended in {duration(left)}" if sessions else ""
    return f"{said} left after {duration(waited)}, the wait ends within {duration(max(0.0, limit - waited))}{ask}"


def _end_sessions(world: RebootWorld, facts: MtaFacts) -> str:
    """Ask SMTP sessions to end; without our 250 their senders keep the message and go elsewhere."""
    sessions = facts.role(Role.SESSION)
    if not sessions:
        return ""
    world.act(f"# end open SMTP sessions\nkill -TERM {' '.join(str(one.pid) for one in sessions)} || true", look=False)
    world.operator.line(f"{plural(len(sessions), 'SMTP session')} still open: asked to end")
    return f"; {plural(len(sessions), 'SMTP session')} had to be ended, the senders keep what was not taken"


def _drained(_world: RebootWorld, state: State) -> State:
    return with_record(state, drained=host_of(state).boot)


def _how(world: RebootWorld, _state: State) -> list[str]:
    left = f"{world.options.max_residual} may be left"
    return [
        "a small test mail to each destination that has one; stale retry hints of what delivers are cleared",
        f"{world.site.drain.runners} x {world.mta.attempt_words}; {left}",
    ]


def _how_held(world: RebootWorld, _state: State) -> list[str]:
    mta = world.mta
    quiet = [] if mta.can.stop_spares else ["park the queue; wait until no delivery is under way"]
    return [*quiet, f"touch {HOLD}; {mta.stop_script}; wait until no process of it is left"]


ACTIONS = (
    Action(Step.DRAIN, drain, _drained, _how),
    Action(
        Step.HOLD,
        hold,
        on_host(mta=MtaState.HELD),
        _how_held,
        undo=Step.START,
    ),
)
