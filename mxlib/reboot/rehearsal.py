"""The dry run: the guard for real, then every action in order, with its commands, and none taken."""

import dataclasses

from mxlib.base.journal import EventLog
from mxlib.model.outcome import Outcome
from mxlib.model.state import Do, End, State, Step
from mxlib.reboot.events import Events
from mxlib.reboot.guarding import run_guard
from mxlib.reboot.plan import decide
from mxlib.reboot.reading import read_state
from mxlib.reboot.run import MAX_STEPS, Result
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import RebootWorld


def rehearse(world: RebootWorld, journal: EventLog) -> Result:
    """Show what a run would do, and return how it would end."""
    events = Events(journal, world.operator)
    state = dataclasses.replace(read_state(world, events), guard=None)
    for _ in range(MAX_STEPS):
        decision = decide(world.progress.goal, state)
        if isinstance(decision, End):
            return Result(decision.outcome, f"dry run: {decision.why}" if decision.why else "dry run", None)
        if decision.step is Step.GUARD:
            run_guard(world, events, {}, asks=False)
            state = dataclasses.replace(state, guard=world.progress.guard, blocks=world.progress.blocks)
        else:
            state = _show(world, decision, state)
    return Result(Outcome.LEFT_OUT, "dry run: no end")


def _show(world: RebootWorld, decision: Do, state: State) -> State:
    """Show a step, and return the state it would lead to."""
    action = ACTIONS[decision.step]
    world.operator.line(f"would {decision.step.value}{f' {decision.why}' if decision.why else ''}")
    for line in action.preview(world, state):
        world.operator.line(f"    {line}")
    if action.undo is not None:
        world.operator.line(f"    undone by: {action.undo.value}")
    return action.rehearse(world, state)
