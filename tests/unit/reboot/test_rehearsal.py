"""A dry run: every action is shown with its commands, and none is taken."""

import dataclasses

import pytest

from mxlib.model.outcome import Outcome
from mxlib.model.state import Step
from mxlib.reboot import rehearsal
from mxlib.reboot.rehearsal import rehearse
from mxlib.reboot.steps import guard
from tests.unit.support.memory_mx import NEW, Fate, MemoryMx, Process
from tests.unit.support.memory_run import MemoryRun


@pytest.fixture
def world(monkeypatch):
    return lambda *args, **options: MemoryRun(monkeypatch, *args, **options)



def test_a_dry_run_shows_every_action_and_takes_none(world, monkeypatch):
    found = world()
    before = dataclasses.replace(found.mx)

    def claimed(world, _facts):
        process = Process(MemoryMx(), world.progress.goal, "dry")
        for _effect in process.effects(Step.CLAIM):
            """The claim of another world."""
        return process.mx.record

    monkeypatch.setattr(guard, "first_record", claimed)
    monkeypatch.setattr(guard, "read_facts", lambda _host, _sources: None)
    result = rehearse(found.world, found.journal)
    assert result.outcome is Outcome.DONE
    shown = [line.split(" ", 1)[1] for line in found.tell.lines if line.startswith("would")]
    assert shown[:3] == ["slot", "claim", "silence"]
    assert f"reboot into {NEW.release}" in shown
    assert shown[-1] == "release"
    assert found.tell.lines[found.tell.lines.index("would pool out") + 1 :][:2] == [
        "    set {'smtp': 'no'}",
        "    undone by: pool in",
    ]
    assert found.mx == before


def test_a_dry_run_stops_where_the_guard_does(world):
    found = world(mx=MemoryMx(Fate(guard=False)))
    found.world.progress.blocks = ("disk",)
    result = rehearse(found.world, found.journal)
    assert (result.outcome, result.why) == (Outcome.REFUSED, "dry run: in the way: disk")


def test_a_dry_run_asks_the_operator_nothing(world, monkeypatch):
    found, asked = world(mx=MemoryMx(Fate(guard=False))), []
    real = rehearsal.run_guard
    monkeypatch.setattr(rehearsal, "run_guard", lambda *args, asks=True: asked.append(asks) or real(*args, asks=asks))
    rehearse(found.world, found.journal)
    assert asked == [False]
