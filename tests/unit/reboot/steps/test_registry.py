"""The steps as objects: each there once, and what is undone is as it was."""

from dataclasses import replace
from typing import Any

import pytest

from mxlib.model.goal import Goal
from mxlib.model.state import MtaState, Pool, Ports, Puppet, State, Step
from mxlib.reboot.steps.registry import ACTIONS
from tests.unit.support.memory_mx import NEW, MemoryMx, Process
from tests.unit.support.memory_walk import view


def claimed() -> State:
    """The host as a run has just claimed it."""
    process = Process(MemoryMx(), Goal(NEW.release), "one")
    for step in (Step.SLOT, Step.CLAIM):
        for _effect in process.effects(step):
            """Only where they lead is wanted."""
    return process.state()


def test_every_step_but_the_guard_is_an_action_of_its_own_name() -> None:
    assert set(ACTIONS) == set(Step) - {Step.GUARD}
    assert all(action.step is step for step, action in ACTIONS.items())


@pytest.mark.parametrize("step", [Step.CLOSE, Step.HOLD, Step.PUPPET_OFF, Step.POOL_OUT, Step.SILENCE, Step.PREVENT])
def test_what_a_step_does_its_undo_takes_back(step: Step) -> None:
    before, world = claimed(), None
    before = replace(before, host=replace(before.host, puppet=Puppet.ON))  # the claim has disabled it
    there: Any = ACTIONS[step].rehearse(world, before)  # type: ignore[arg-type]
    assert there != before
    undo = ACTIONS[step].undo
    assert undo is not None
    assert ACTIONS[undo].rehearse(world, there) == before  # type: ignore[arg-type]


def test_a_host_that_serves_is_the_undo_of_one_that_does_not() -> None:
    out = replace(claimed(), host=view(ports=Ports.CLOSED, mta=MtaState.HELD), pool=Pool.OUT)
    back = out
    for step in (Step.START, Step.OPEN, Step.POOL_IN):
        back = ACTIONS[step].rehearse(None, back)  # type: ignore[arg-type]
    assert (back.host, back.pool) == (view(), Pool.IN)
