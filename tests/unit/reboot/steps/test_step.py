"""What a step is made of: what it shows, and what a rehearsal makes of a state."""

from dataclasses import replace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.model.state import MtaState, Pool, Ports, Slot, State, Step, Waited
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, answers, host_of, on_host, on_record, shows, with_host, with_record
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD

WORLD: Any = None
STATE = State(RECORD, view(), Pool.IN, Slot.MINE)


def test_a_step_shows_nothing_and_has_no_undo_unless_it_says_so() -> None:
    action = Action(Step.RELEASE, lambda _world, _state: Done(), lambda _world, state: state)
    assert (tuple(action.preview(WORLD, STATE)), action.undo) == ((), None)


def test_a_preview_of_fixed_lines_is_the_same_in_every_state() -> None:
    preview = shows("disable-puppet REASON", "sync")
    assert preview(WORLD, STATE) == preview(WORLD, replace(STATE, host=None)) == ("disable-puppet REASON", "sync")


def test_a_rehearsal_changes_what_it_names_and_nothing_else() -> None:
    closed = on_host(ports=Ports.CLOSED, mta=MtaState.HELD)(WORLD, STATE)
    assert closed == replace(STATE, host=view(ports=Ports.CLOSED, mta=MtaState.HELD))
    noted = on_record(silences=())(WORLD, STATE)
    assert noted == replace(STATE, record=replace(RECORD, silences=()))
    assert (STATE.host, STATE.record) == (view(), RECORD)


def test_a_host_that_was_brought_back_is_not_waited_for_any_more() -> None:
    assert answers(WORLD, replace(STATE, waited=Waited.OFF)) == replace(STATE, waited=Waited.NO)


def test_what_needs_a_host_or_a_record_is_taken_only_where_there_is_one() -> None:
    assert host_of(STATE) == view()
    with pytest.raises(AssertionError):
        with_host(replace(STATE, host=None), mta=MtaState.HELD)
    with pytest.raises(StepError, match="no record"):
        with_record(replace(STATE, record=None), silences=())
