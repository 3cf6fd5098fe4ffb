"""The loop of a drain over a queue in memory."""

import pytest

from mxlib.base.errors import StepError
from mxlib.drain import loop as drain
from tests.unit.support.memory_queue import world


def test_a_few_prove_it_then_all_are_tried():
    found = world({"x.test": 100})
    done = drain.empty(found.context)
    assert (found.target.waiting["x.test"], found.target.tried) == (0, ["x.test", "x.test"])
    assert done.evidence["after"] == 0
    assert done.note.startswith("100 messages completed")


def test_what_is_down_is_left_and_told():
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"], bound=50)
    done = drain.empty(found.context)
    assert found.target.waiting == {"x.test": 0, "y.test": 30}
    assert found.target.tried.count("y.test") == 1, "three canaries once, then no more"
    assert "30 stay on disk, within the bound of 50" in done.note
    (left,) = done.evidence["left"]
    assert (left["domain"], left["count"], left["way"]) == ("y.test", 30, "remote at fault")


def test_more_than_the_bound_is_an_error_with_a_verdict():
    found = world({"y.test": 30}, down=["y.test"])
    with pytest.raises(StepError, match=r"30 messages left of 30 .* y\.test: 30 mess.*refused") as caught:
        drain.empty(found.context)
    assert caught.value.evidence["after"] == 30
    assert found.clock.monotonic() < 120, "a stall is seen, the time is not sat out"


def test_an_empty_queue_is_done_at_once():
    found = world({})
    assert drain.empty(found.context).evidence["after"] == 0
    assert found.target.tried == []


def test_a_dry_run_tries_nothing():
    found = world({"x.test": 100})
    drain.rehearse(found.context)
    assert found.target.tried == []
    assert any("would try" in line for line in found.tell.lines)


def test_each_look_at_the_queue_is_noted_for_the_page():
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"], bound=50)
    drain.empty(found.context)
    assert {event for event, _values in found.events} == {"queue"}
    surveys = [values for _event, values in found.events if "by" in values]
    polls = [values for _event, values in found.events if "completed" in values]
    assert surveys[0] == {"left": 130, "by": {"x.test": 100, "y.test": 30}}
    assert surveys[-1] == {"left": 30, "by": {"y.test": 30}}
    assert polls[-1] == {"left": 30, "completed": 100}
