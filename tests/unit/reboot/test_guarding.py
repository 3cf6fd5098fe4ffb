"""The guard of a run: what it found is written and shown, and what may be accepted is asked about once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.meter import Meter
from mxlib.base.verdict import Status, Verdict
from mxlib.protocols.operator import Reply
from mxlib.reboot.events import Events
from mxlib.reboot.guarding import run_guard
from mxlib.reboot.steps import guard
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_run import MemoryJournal

FINE = Verdict("mta", Status.OK, "the MTA serves")
BAD = Verdict("disk", Status.FAILED, "/var is full")


class Guarded:
    """A run before its guard, and what came of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Verdict, answer: bool = False) -> None:
        self.clock, self.operator, self.journal = FakeClock(), Tell(), MemoryJournal()
        self.accepted: frozenset[str] = frozenset()
        self.progress = SimpleNamespace(guard=None, probed_s=42.0, asked=[])
        self.adapters = SimpleNamespace(meter=Meter())
        self.found, self.answer, self.questions = found, answer, 0
        monkeypatch.setattr(guard, "guard", self.judge)
        monkeypatch.setattr(guard, "ask", self.ask)

    def judge(self, _world: Any) -> tuple[Verdict, ...]:
        self.clock.sleep(60.0)
        self.adapters.meter.add(1.0)
        return self.found

    def ask(self, _world: Any, against: Sequence[Verdict]) -> bool:
        assert list(against) == [BAD]
        self.questions += 1
        self.progress.asked.append(Reply("1 finding in the way: disk.", "accept", "begin all the same", "op"))
        return self.answer

    def run(self, **given: Any) -> bool:
        world: Any = self
        run_guard(world, Events(self.journal, self.operator), {"reading_s": 2.0}, **given)
        return self.progress.guard


def test_a_guard_that_passes_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Guarded(monkeypatch, FINE)
    assert found.run() is True
    assert found.questions == 0
    took = {"reading_s": 2.0, "seconds": 60.0, "trips": 1, "probing_s": 42.0}
    assert found.journal.events == [
        ("guard", {"checks": 1, **took}),
        ("verdict", {"stage": "guard", **FINE.values}),
    ]
    assert found.operator.lines == ["guard: 1 checks, 0 in the way (1 min 0 s)"]


@pytest.mark.parametrize("answer", [True, False])
def test_what_is_in_the_way_is_shown_and_the_operator_decides(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    found = Guarded(monkeypatch, FINE, BAD, answer=answer)
    assert found.run() is answer
    assert found.questions == 1
    assert found.operator.lines[1:] == ["  FAILED  disk: /var is full"]
    assert found.progress.blocks == ("disk",)
    assert [name for name, _ in found.journal.events] == ["guard", "verdict", "verdict", "asked"]


def test_a_dry_run_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Guarded(monkeypatch, BAD, answer=True)
    assert found.run(asks=False) is False
    assert found.questions == 0


def test_what_was_accepted_beforehand_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Guarded(monkeypatch, BAD)
    found.accepted = frozenset({"disk"})
    assert found.run() is True
    assert found.questions == 0
