"""Repair after a boot: what is known is repaired once, and what was found stands in the report."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    FencedError,
    HostUnreachableError,
    MovedError,
    MxlibError,
)
from mxlib.config.load import parse
from mxlib.facts.source import Facts, sections_of
from mxlib.model.state import Pool, Slot, State
from mxlib.mta.find import find
from mxlib.protocols.host import CommandResult
from mxlib.reboot.steps import repair as step
from mxlib.remedies.remedy import Bench
from mxlib.verify.verifier import HostVerifier
from tests.unit.support.facts import NOW
from tests.unit.support.fakes import FakeClock
from tests.unit.support.healthy import ENTRIES, FERM, NFTABLES, NO_TABLES, POLICY, host, with_unit
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD
from tests.unit.support.site import TEN_LINES


class World(SimpleNamespace):
    """A context that notes what is written to the host, in order."""

    def __init__(self, error: Exception | None = None) -> None:
        site = replace(parse(TEN_LINES, "test"), verify=POLICY)
        options = SimpleNamespace(who="op@cumin1001", why="x")
        super().__init__(site=site, target="host", options=options, run="run", record=RECORD, done=[], error=error)
        self.adapters = SimpleNamespace(verifier=HostVerifier(site, ENTRIES, "run", dry_run=False))
        self.mta, self.progress, self.clock = find("exim"), SimpleNamespace(condition=None), FakeClock()
        self.asked: list[str] = []

    def note(self, record: Any) -> None:
        self.record = record
        self.done.append("noted")

    def keep_look(self, facts: Any) -> None:
        self.done.append("keeps the look")

    def remember(self, record: Any) -> None:
        self.record = record
        self.done.append("remembered")

    def act(self, script: str, *, timeout: float, look: bool) -> CommandResult:
        assert timeout > 0
        assert not look, "other repairs follow, then the verification"
        self.done.append(re.search(r"systemctl restart \S+", script)[0])  # type: ignore[index]
        if self.error:
            raise self.error
        return CommandResult(script, 0, "before", NOW, 0.1)


def repaired(monkeypatch: pytest.MonkeyPatch, facts: Facts, error: Exception | None = None) -> tuple[World, Any]:
    world = World(error)

    def read(host: str, sources: Any) -> Facts:
        assert host == "host"
        assert {"units", "firewall"} <= {one.name for one in sources}
        world.asked.extend(one.name for one in sections_of(sources))
        return facts

    def bench(*given: Any) -> Bench:
        assert (given[0], given[1], *given[3:]) == (world.site, "host", "op@cumin1001", "x", "run")
        return Bench(*given)

    monkeypatch.setattr(step, "read_facts", read)
    monkeypatch.setattr(step, "Bench", bench)
    return world, step.repair(world, SimpleNamespace(record=RECORD))  # type: ignore[arg-type]


def dead(name: str) -> Facts:
    return host(NFTABLES, unit_states=with_unit(name, ActiveState="failed", Result="exit-code"))


def test_a_healthy_boot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world, done = repaired(monkeypatch, host())
    assert world.done == ["noted", "keeps the look"], "nothing is done that would need it on disk"
    assert world.record.repaired == RECORD.boot
    assert done.note == "units and firewall are well, nothing to repair"
    assert done.evidence == {"found": [], "repairs": []}
    verified = (section.name for source in world.adapters.verifier.sources() for section in source.sections)
    assert {*verified, "configuration", "retry-hints", "standing", "depool"} <= set(world.asked)
    assert world.progress.condition == (host(), 0.0)


def test_a_dead_unit_is_started_once_and_that_is_remembered_first(monkeypatch: pytest.MonkeyPatch) -> None:
    world, done = repaired(monkeypatch, dead("spamd.service"))
    assert world.done == ["remembered", "systemctl restart spamd.service"]
    assert done.evidence["found"] == ["units: spamd.service is failed (exit-code)"]
    assert done.note.startswith("units: spamd.service is failed (exit-code); repaired: spamd.service restarted")
    assert done.note == "; ".join((*done.evidence["found"], *done.evidence["repairs"]))
    assert world.progress.condition is None, "it is another host now"


def test_a_rehearsal_notes_the_boot_in_which_it_was_repaired() -> None:
    (action,) = step.ACTIONS
    found = State(RECORD, view(boot="b7"), Pool.OUT, Slot.MINE)
    assert action.rehearse(SimpleNamespace(), found) == replace(found, record=replace(RECORD, repaired="b7"))


def test_the_mta_is_held_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = repaired(monkeypatch, host(unit_states=with_unit("exim4.service", ActiveState="inactive")))
    assert world.done == ["noted", "keeps the look"]


def test_what_cannot_be_repaired_is_reported_and_left_to_the_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    _, done = repaired(monkeypatch, dead("spamd.service"), CommandFailedError("exit code 1"))
    assert "NOT repaired: restart-unit spamd.service: exit code 1" in done.note


def test_a_run_that_was_taken_over_repairs_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FencedError):
        repaired(monkeypatch, dead("spamd.service"), FencedError("token"))


@pytest.mark.parametrize(
    "error", [MovedError("has booted"), HostUnreachableError("no session"), CommandTimeoutError("no end")]
)
def test_an_answer_that_does_not_come_is_for_the_loop(monkeypatch: pytest.MonkeyPatch, error: MxlibError) -> None:
    with pytest.raises(type(error)):
        repaired(monkeypatch, dead("spamd.service"), error)


def test_a_firewall_that_is_not_loaded_is_loaded_whatever_names_it() -> None:
    world = World()
    facts = host(FERM, firewall_tables=NO_TABLES, unit_states=with_unit("ferm.service", ActiveState="failed"))
    policy = step.verify.without_mta(world.site.verify)
    verdicts = [check.verdict(facts, policy) for check in step._CHECKS]
    found = step.automatic(world, verdicts, facts)  # type: ignore[arg-type]
    assert [one.order.said for one in found] == ["reload-firewall"]
