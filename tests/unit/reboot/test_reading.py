"""Where a run stands: which look counts, and what is believed of it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.model.outcome import Outcome
from mxlib.model.state import Pool, Ports, Slot, State, Step, Waited
from mxlib.reboot import reading
from mxlib.reboot.world import RebootWorld
from tests.unit.support.memory_run import MemoryRun
from tests.unit.support.records import RECORD


@pytest.mark.parametrize(("age", "looks"), [(0.0, 0), (5.0, 0), (6.0, 1)])
def test_a_look_serves_every_decision_while_it_is_fresh_and_nothing_has_happened(
    monkeypatch: pytest.MonkeyPatch, age: float, looks: int
) -> None:
    found, taken, real = MemoryRun(monkeypatch), [], reading.read_standing

    def standing(host: Any, mta: Any) -> Any:
        assert (host, mta) == (found.world.target, found.world.mta)
        taken.append(host)
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    found.world.clock.sleep(100.0)
    found.world.looked(found.standing(None, None))
    found.world.clock.sleep(age)
    reading.read_state(found.world, found.journal)
    reading.read_state(found.world, found.journal)
    assert len(taken) == looks
    found.world.looked(None)
    reading.read_state(found.world, found.journal)
    assert len(taken) == looks + 1


def test_a_host_that_has_stopped_answering_leaves_no_look_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = MemoryRun(monkeypatch)
    reading.read_state(found.world, found.journal)
    found.world.clock.sleep(6.0)
    found.mx.silent = True
    assert reading.read_state(found.world, found.journal).host is None
    assert found.world.progress.look is None


@pytest.mark.parametrize(
    ("same", "begun", "guard"),
    [(True, "", True), (False, "", None), (False, "claimed", True), (False, "released", True)],
)
def test_what_the_guard_found_in_a_boot_that_has_ended_counts_no_more(
    monkeypatch: pytest.MonkeyPatch, same: bool, begun: str, guard: bool | None
) -> None:
    """An operator who is asked may answer a quarter of an hour later; of a run that has begun, it is nothing to say."""
    found = MemoryRun(monkeypatch)
    progress, mx = found.world.progress, found.mx
    judged = SimpleNamespace(view=SimpleNamespace(boot=mx.boot_id if same else "another"))
    progress.guard, progress.facts = True, SimpleNamespace(get=lambda source: {"standing": judged}[source.name])
    progress.released = Outcome.DONE if begun == "released" else None
    if begun == "claimed":
        mx.record = progress.record = replace(RECORD, host=found.world.target.name)
    state = reading.read_state(found.world, found.journal)
    assert (state.guard, progress.guard, progress.facts is None) == (guard, guard, guard is None)
    assert [line for line in found.tell.lines if "judged again" in line] == (
        [] if guard else ["the host has booted since the guard looked at it: it is judged again"]
    )


def test_the_planner_sees_the_ports_that_the_site_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = MemoryRun(monkeypatch)
    monkeypatch.setattr(RebootWorld, "view", lambda _world, standing: replace(standing.view, ports=Ports.PARTLY))
    found.mx.loaded = found.mx.persisted = True
    state = reading.read_state(found.world, found.journal)
    assert state.host is not None
    assert (state.host.ports, state.closed) == (Ports.PARTLY, False)


def test_a_host_on_its_way_down_is_left_to_the_wait_unless_something_has_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = MemoryRun(monkeypatch)
    found.lost = {}
    while found.mx.record is None or found.mx.record.awaited is None:
        found.run._once()
    assert found.world.progress.waited is Waited.NO
    assert reading.read_state(found.world, found.journal).host is None
    found.world.progress.waited = Waited.OFF  # as just seen
    assert reading.read_state(found.world, found.journal).host is None
    found.world.progress.waited = Waited.SILENT
    assert reading.read_state(found.world, found.journal).host is not None
    assert reading.read_state(found.world, found.journal, at_once=True).host is not None


@pytest.mark.parametrize(
    ("blind", "seen", "outdated"), [(True, 206, True), (True, 205, False), (False, 206, False)]
)
def test_a_token_is_outdated_where_it_was_taken_blindly_and_the_host_has_seen_a_newer_one(
    monkeypatch: pytest.MonkeyPatch, blind: bool, seen: int, outdated: bool
) -> None:
    found = MemoryRun(monkeypatch)
    found.process.token, found.mx.token, found.world.progress.blind = 205, seen, blind
    assert reading.read_state(found.world, found.journal).outdated is outdated
    found.mx.silent = True
    found.world.looked(None)
    assert not reading.read_state(found.world, found.journal).outdated


# --- what is read of the host, and what of this process goes with it


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> MemoryRun:
    return MemoryRun(monkeypatch)


def read(found: MemoryRun, **parts: Any) -> State:
    """Read the state, of a site with other parts where they are named."""
    site = replace(found.world.site, **parts)
    found.world.looked(None)
    return reading.read_state(replace(found.world, site=site), found.journal)


def test_what_this_process_knows_goes_into_every_decision(found: MemoryRun) -> None:
    progress = found.world.progress
    progress.guard, progress.waited, progress.reordered = True, Waited.OFF, True
    progress.diagnosis, progress.lost, progress.cures = "no address", 3, {Step.MEND}
    state = read(found)
    assert (state.guard, state.waited, state.reordered) == (True, Waited.OFF, True)
    assert (state.diagnosis, state.lost, state.cures) == ("no address", 3, frozenset({"power on", "power cycle"}))
    assert state.token == found.process.token


def test_a_host_that_does_not_answer_is_written_down_and_its_record_stays_known(found: MemoryRun) -> None:
    found.mx.record = RECORD
    assert read(found).record == RECORD
    found.mx.silent = True
    state = read(found)
    assert (state.host, state.record) == (None, RECORD)
    assert found.journal.events == [("silent", {"why": "no session"})]


def test_ports_were_closed_if_they_were_when_the_host_last_answered(found: MemoryRun) -> None:
    found.mx.silent = True
    assert read(found).closed is None, "it has never answered"
    found.mx.silent = False
    assert read(found).closed is False
    found.mx.silent = True
    assert read(found).closed is False
    found.mx.silent, found.mx.loaded, found.mx.persisted = False, True, True
    assert read(found).closed


def test_a_run_is_released_only_where_the_host_answers_and_has_no_record(found: MemoryRun) -> None:
    found.world.progress.released = Outcome.UNDONE
    state = read(found)
    assert (state.released, state.slot) == (Outcome.UNDONE, Slot.MINE), "etcd is not asked: it is given up next"
    found.mx.record = RECORD
    state = read(found)
    assert (state.released, state.slot) == (None, Slot.FREE)
    found.mx.record, found.mx.silent = None, True
    state = read(found)
    assert (state.released, state.slot) == (None, Slot.FREE)


@pytest.mark.parametrize(("minutes", "silence"), [(30, {"silence"}), (0, set())])
@pytest.mark.parametrize(("puppet", "disabled"), [(True, {"puppet"}), (False, set())])
def test_the_parts_of_the_site_are_used(
    found: MemoryRun, minutes: int, silence: set[str], puppet: bool, disabled: set[str]
) -> None:
    downtime = replace(found.world.site.downtime, minutes=minutes)
    assert read(found, downtime=downtime, puppet=puppet).uses == silence | disabled


# --- what ends a proof


@pytest.mark.parametrize(("age", "stale"), [(3600.0, False), (3601.0, True)])
def test_a_proof_of_the_present_boot_holds_for_the_time_that_the_site_names(
    found: MemoryRun, age: float, stale: bool
) -> None:
    proven = found.world.clock.now().isoformat()
    found.mx.record = replace(RECORD, proven={found.mx.boot_id: proven})
    found.mx.seconds += age
    assert read(found).stale is stale
    found.mx.record = replace(RECORD, proven={"another boot": found.world.clock.now().isoformat()})
    assert read(found).stale
    found.mx.record = None
    assert not read(found).stale
    found.mx.record, found.mx.silent = RECORD, True
    assert not read(found).stale


def test_what_an_act_has_found_changed_is_of_its_boot_alone(found: MemoryRun) -> None:
    assert read(found).changed == ""
    found.world.progress.changed = (found.mx.boot_id, "the packet filter")
    assert read(found).changed == "the packet filter"
    found.world.progress.changed = ("another boot", "the packet filter")
    assert read(found).changed == ""
    found.world.progress.changed = (found.mx.boot_id, "the packet filter")
    found.mx.silent = True
    assert read(found).changed == ""


# --- the pool

HAD = {"smtp": "yes", "submission": "inactive"}


@pytest.mark.parametrize(
    ("prior", "values", "pool"),
    [
        (None, {}, Pool.NONE),
        (None, {"smtp": "yes", "submission": "yes"}, Pool.IN),
        (None, {"smtp": "no", "submission": "inactive"}, Pool.OUT),
        (None, {"smtp": "yes", "submission": "no"}, Pool.PARTLY),
        (HAD, {}, Pool.NONE),
        (HAD, HAD, Pool.IN),
        (HAD, {"smtp": "no", "submission": "no"}, Pool.OUT),
        (HAD, {"smtp": "yes", "submission": "no"}, Pool.PARTLY),
        (HAD, {"smtp": "yes", "submission": "yes"}, Pool.PARTLY),
        ({"smtp": "no"}, {"smtp": "no"}, Pool.WAS_OUT),
        ({"smtp": "inactive"}, {"smtp": "no"}, Pool.OUT),
        ({"smtp": "no"}, {"smtp": "yes"}, Pool.PARTLY),
        ({"smtp": "yes"}, {"smtp": "yes", "submission": "yes"}, Pool.IN),
        ({"smtp": "yes"}, {"smtp": "no", "submission": "yes"}, Pool.OUT),
        ({}, {"smtp": "no"}, Pool.NONE),
    ],
)
def test_the_pool_is_compared_with_what_it_was(
    found: MemoryRun, prior: dict[str, str] | None, values: dict[str, str], pool: Pool
) -> None:
    if prior is not None:
        found.mx.record = replace(RECORD, prior=replace(RECORD.prior, pool=prior))
    found.world.adapters.pool.read = lambda only: {name: values[name] for name in only or values if values}
    assert read(found).pool is pool


def test_a_pool_that_cannot_be_read_is_unknown_and_written_down(found: MemoryRun) -> None:
    found.mx.etcd = False
    assert read(found).pool is Pool.UNKNOWN
    assert found.journal.events == [("pool-unknown", {"why": "etcd"})]


def test_a_pool_that_the_run_leaves_alone_is_not_asked(found: MemoryRun) -> None:
    found.mx.etcd = False
    found.mx.record = replace(RECORD, prior=replace(RECORD.prior, pool={}))
    assert (read(found).pool, found.journal.events) == (Pool.NONE, [])
