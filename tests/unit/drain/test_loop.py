"""The loop of a drain over a queue in memory."""

import itertools
import re
from dataclasses import replace

import pytest

from mxlib.base.errors import FencedError, StepError
from mxlib.drain import loop as drain
from mxlib.model.on_host import FENCED, RECORD
from mxlib.mta.find import find
from tests.unit.support.facts import facts_of
from tests.unit.support.memory_queue import world
from tests.unit.support.records import RECORD as MINE


def test_a_few_prove_it_then_all_are_tried():
    found = world({"x.test": 100})
    done = drain.empty(found.world)
    assert (found.target.waiting["x.test"], found.target.tried) == (0, ["x.test", "x.test"])
    assert done.evidence["after"] == 0
    assert done.note.startswith("100 messages completed")


def test_what_is_down_is_left_and_told():
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"], bound=50)
    done = drain.empty(found.world)
    assert found.target.waiting == {"x.test": 0, "y.test": 30}
    assert found.target.tried.count("y.test") == 1, "three canaries once, then no more"
    assert "30 stay on disk, within the bound of 50" in done.note
    (left,) = done.evidence["left"]
    assert (left["domain"], left["count"], left["way"]) == ("y.test", 30, "remote at fault")


def test_more_than_the_bound_is_an_error_with_a_verdict():
    found = world({"y.test": 30}, down=["y.test"])
    with pytest.raises(StepError, match=r"30 messages left of 30 .* y\.test: 30 mess.*refused") as caught:
        drain.empty(found.world)
    assert caught.value.evidence["after"] == 30
    assert found.clock.monotonic() < 120, "a stall is seen, the time is not sat out"


def test_an_empty_queue_is_done_at_once():
    found = world({})
    assert drain.empty(found.world).evidence["after"] == 0
    assert found.target.tried == []


def test_what_is_looked_at_meanwhile_can_end_the_drain(monkeypatch):
    found, stopped, looks = world({"x.test": 100}), [], []
    monkeypatch.setattr(drain.runners, "stop", stopped.append)
    drain.empty(found.world, lambda: looks.append(found.clock.monotonic()))
    assert looks
    assert len(stopped) == 1
    again = world({"x.test": 100})

    def stuck():
        raise StepError("a client is stuck", {"clients": ["a"]})

    with pytest.raises(StepError, match="a client is stuck"):
        drain.empty(again.world, stuck)
    assert len(stopped) == 2, "our own queue runners do not go on"


def test_a_dry_run_tries_nothing():
    found = world({"x.test": 100})
    drain.rehearse(found.world)
    assert found.target.tried == []
    assert any("would try" in line for line in found.tell.lines)


def test_each_look_at_the_queue_is_noted_for_the_page():
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"], bound=50)
    drain.empty(found.world)
    assert {event for event, _values in found.events} == {"queue"}
    surveys = [values for _event, values in found.events if "by" in values]
    polls = [values for _event, values in found.events if "completed" in values]
    assert surveys[0] == {"left": 130, "by": {"x.test": 100, "y.test": 30}}
    assert surveys[-1] == {"left": 30, "by": {"y.test": 30}}
    assert polls[-1] == {"left": 30, "completed": 100}


def test_the_live_line_says_rate_and_time_to_go_and_how_much_of_all_is_done():
    found = world({"x.test": 100})
    target, looks = found.target, []

    def flow():
        """Twenty messages a look, by runners that are under way until all is through."""
        done = min(20, target.completed)
        target.completed -= done
        looks.append(done)
        runs = 1 if target.completed else 0
        head = f"arrived 0\ncompleted {done}\ndelivered {done}\n"
        return f"{head}failed 0\nlost 0\nmark 1 10 5\nruns {runs}\n"

    target.flow = flow
    drain.empty(found.world)
    live = [(text, share) for text, share in found.tell.shown if "left" in text]
    assert [share.done for _text, share in live] == [*itertools.accumulate(looks)]
    assert all((share.done + int(text.split()[1]), share.total) == (100, 100) for text, share in live)
    assert re.fullmatch(
        r"drain: \d+ messages left, 11\.4/s, about \d+(\.\d)? s to go, oldest 1 h 0 min; draining ends within 14 .*",
        live[-2][0],
    ), live[-2][0]


@pytest.mark.parametrize(("cost", "apart"), [(0.06, 3.0), (0.6, 6.0), (5.0, 10.0)])
def test_where_a_look_is_slow_looks_are_further_apart(monkeypatch, cost, apart):
    found, plain, begun = world({"x.test": 100}), drain.runners.look, []

    def look(*given):
        begun.append(found.clock.monotonic())
        found.clock.sleep(cost)
        return replace(plain(*given), runs=len(begun) < 9)

    monkeypatch.setattr(drain.runners, "look", look)
    drain.empty(found.world)
    assert begun[8] - begun[7] == pytest.approx(cost + apart)


@pytest.mark.parametrize("claimed_after", [0, 1])
def test_a_host_that_a_run_has_claimed_is_left_to_that_run_in_each_round(claimed_after):
    """Its queue would go out before that run has proven anything, and our stop would end that run's own runners."""
    found = world({"x.test": 100})
    acts, act, changed = [], found.target.act, []

    def fencing(script, *, timeout, ok_codes=(0,)):
        acts.append(script)
        assert RECORD in script.partition("# try messages")[0]
        if len(acts) <= claimed_after:
            return act(script, timeout=timeout, ok_codes=ok_codes)
        return replace(found.target.answer("a run has claimed the host just now\n"), exit_code=FENCED)

    found.target.act = fencing
    with pytest.raises(FencedError, match="a run has claimed the host just now"):
        drain.empty(found.world, acting=lambda: changed.append(True))
    assert len(found.target.tried) == len(changed) == claimed_after
    assert "could not be stopped" in found.tell.lines[-1]


def test_a_run_drains_the_host_that_it_has_claimed():
    found, mine = world({"x.test": 1}), replace(MINE, run="20261121T000000Z-abcdef", token=7)
    acts, act = [], found.target.act
    found.target.act = lambda script, **given: acts.append(script) or act(script, **given)
    drain.empty(found.world, mine=mine)
    assert found.target.waiting == {"x.test": 0}
    assert all(f'"run": "{mine.run}"' in script and "!= 7 ]" in script for script in acts)


HINT = "  T:x.test:192.0.2.7 111 65 refused\n21-Nov-2026 02:00:00  21-Nov-2026 02:05:00  21-Nov-2026 02:20:00\nend\n"


@pytest.mark.parametrize(
    ("said", "read"), [("end\n", False), ("", True), (HINT, True), (None, True)]
)
def test_no_hint_is_looked_for_where_it_was_just_read_that_there_are_none(said, read):
    """Only what was understood shows that there are none."""
    found, section = world({}), find("exim").hints.sections[0]
    asked, answer = [], found.target.read
    found.target.read = lambda script, **given: asked.append(script) or answer(script, **given)
    drain.forget_stale(found.world, None if said is None else facts_of({section: said}))
    assert bool(asked) is read


@pytest.mark.parametrize("mine", [None, MINE])
def test_hints_are_cleared_before_a_start_only_while_the_run_has_the_host(monkeypatch, mine):
    found, acts, read = world({}), [], find("exim").hints.sections[0].name
    answer, act = found.target.read, found.target.act

    def hinted(script, **given):
        said = answer(script, **given)
        return replace(said, output=re.sub(rf"(begin {read}\n)end\n", rf"\1{HINT}", said.output))

    monkeypatch.setattr(found.target, "read", hinted)
    monkeypatch.setattr(found.target, "act", lambda script, **given: acts.append(script) or act(script, **given))
    monkeypatch.setattr(drain.runners, "clear", lambda given, _stale: given.target.act("# clear hints", timeout=9.0))
    drain.forget_stale(found.world, mine=mine)
    mails, clearing = acts
    assert (f"[ ! -e {RECORD} ]" if mine is None else f'"run": "{MINE.run}"') in clearing
    assert "flock" not in mails, "test mails take minutes, and a claim waits for the lock for seconds"
