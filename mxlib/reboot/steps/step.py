"""What a step is: one object that can be shown, rehearsed and taken, and that names the step which undoes it."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mxlib.model.state import State, Step, View, Waited
from mxlib.protocols.world import Done
from mxlib.reboot.world import RebootWorld, record_of

Apply = Callable[[RebootWorld, State], Done]
Preview = Callable[[RebootWorld, State], Sequence[str]]
Rehearse = Callable[[RebootWorld, State], State]


def _no_commands(_world: RebootWorld, _state: State) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Action:
    """One step of a run. Taken twice it does no more than once: a run may die anywhere in it.

    Attributes:
        step: which one.
        apply: takes it; raises MxlibError where it could not do its work.
        rehearse: the state after it, if all goes well; touches nothing.
        preview: its commands, as the dry run shows them; touches nothing.
        undo: the step that takes back what it does to the world; None where nothing is to be taken back.
    """

    step: Step
    apply: Apply
    rehearse: Rehearse
    preview: Preview = _no_commands
    undo: Step | None = None


def host_of(state: State) -> View:
    """Return the host as it answered, for steps that are taken only where it does."""
    assert state.host is not None
    return state.host


def shows(*lines: str) -> Preview:
    """Return a preview that is the same in every state."""
    return lambda _world, _state: lines


def on_host(**changes: Any) -> Rehearse:
    """Return a rehearsal that changes what the host answers."""
    return lambda _world, state: with_host(state, **changes)


def on_record(**changes: Any) -> Rehearse:
    """Return a rehearsal that changes what the run remembers."""
    return lambda _world, state: with_record(state, **changes)


def with_host(state: State, **changes: Any) -> State:
    """Return a state in which the host answers something else."""
    return dataclasses.replace(state, host=dataclasses.replace(host_of(state), **changes))


def with_record(state: State, **changes: Any) -> State:
    """Return a state in which the run remembers something else."""
    return dataclasses.replace(state, record=dataclasses.replace(record_of(state), **changes))


def answers(_world: RebootWorld, state: State) -> State:
    """Return the state in which a host that was waited for answers: the rehearsal of every step that brings it back."""
    return dataclasses.replace(state, waited=Waited.NO)
