"""Where a run stands: which look counts, and what is believed of it."""

from dataclasses import replace
from typing import Any

import pytest

from mxlib.model.state import Ports, Waited
from mxlib.reboot import reading
from mxlib.reboot.world import RebootWorld
from tests.unit.support.memory_run import MemoryRun


@pytest.mark.parametrize(("age", "looks"), [(0.0, 0), (4.0, 0), (6.0, 1)])
def test_a_look_that_came_with_an_answer_serves_one_decision_while_it_is_fresh(
    monkeypatch: pytest.MonkeyPatch, age: float, looks: int
) -> None:
    found, taken, real = MemoryRun(monkeypatch), [], reading.read_standing

    def standing(host: Any, mta: Any) -> Any:
        taken.append(host)
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    found.world.looked(found.standing(None, None))
    found.world.clock.sleep(age)
    reading.read_state(found.world, found.journal)
    assert len(taken) == looks
    reading.read_state(found.world, found.journal)
    assert len(taken) == looks + 1


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
    assert not reading.read_state(found.world, found.journal).outdated
