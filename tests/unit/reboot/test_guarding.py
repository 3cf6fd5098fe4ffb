"""The guard of a run: what it found is written and shown, and what may be accepted is asked about once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.meter import Meter
from mxlib.base.verdict import Status, Verdict
from mxlib.model.goal import Goal
from mxlib.protocols.operator import Reply
from mxlib.reboot import peers
from mxlib.reboot.events import Events
from mxlib.reboot.guarding import run_guard
from mxlib.reboot.progress import Progress
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
        self.progress = Progress(Goal(), probed_s=42.0)
        self.site, self.peers = SimpleNamespace(min_in_service=1), [SimpleNamespace(name="mx1001")]
        self.waits_s, self.answers_after = 0.0, lambda: None
        self.adapters = SimpleNamespace(meter=Meter())
        self.found, self.answer, self.questions = found, answer, 0
        monkeypatch.setattr(guard, "guard", self.judge)
        monkeypatch.setattr(guard, "ask", self.ask)

    def judge(self, _world: Any) -> tuple[Verdict, ...]:
        self.progress.heard = self.clock.monotonic()
        self.clock.sleep(60.0)
        self.adapters.meter.add(1.0)
        return self.found

    def ask(self, _world: Any, against: Sequence[Verdict]) -> bool:
        assert list(against) == [BAD]
        self.questions += 1
        self.clock.sleep(self.waits_s)
        self.answers_after()
        self.progress.asked.append(Reply("1 finding in the way: disk.", "accept", "begin all the same", "op"))
        return self.answer

    def run(self, **given: Any) -> bool | None:
        world: Any = self
        run_guard(world, Events(self.journal, self.operator), {"reading_s": 2.0}, **given)
        return self.progress.guard


def test_what_is_in_nobodys_way_and_has_something_to_say_is_shown_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = Verdict("aliases", Status.OK, "vrts: fresh", warnings=("it has no start timeout",))
    found = Guarded(monkeypatch, FINE, hangs, BAD)
    found.accepted = frozenset({"disk"})
    assert found.run() is True
    said = "vrts: fresh; but it has no start timeout"
    assert found.operator.lines[1:] == [f"  OK      aliases: {said}", "  FAILED  disk: /var is full"]
    assert ("verdict", {"stage": "guard", "check": "aliases", "status": "OK", "why": said}) in found.journal.events


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


@pytest.mark.parametrize("lost", [True, False])
def test_the_others_are_asked_again_after_a_question_that_waited_for_its_answer(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """The other MX may have died meanwhile: nothing is begun."""
    found = Guarded(monkeypatch, FINE, BAD, answer=True)
    well = Verdict("peer-mx1001", Status.OK, "mx1001: in service")
    gone = Verdict("peer-mx1001", Status.UNKNOWN, "mx1001: no session")
    found.waits_s, after = 600.0, gone if lost else well
    found.answers_after = lambda: monkeypatch.setattr(peers, "_judge", lambda *_: after)
    monkeypatch.setattr(peers, "_judge", lambda *_: well)
    assert found.run() is not lost
    assert found.progress.blocks == (("others",) if lost else ("disk",))
    why = "only 0 other MXs in service and well, 1 needed (mx1001: no session)"
    assert found.operator.lines[2:] == ([f"  FAILED  others: {why}"] if lost else [])
    said = {"stage": "guard", **Verdict("others", Status.FAILED, why).values}
    assert found.journal.events[4:] == ([("verdict", said)] if lost else [])


def test_a_question_that_is_answered_at_once_asks_nobody_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Guarded(monkeypatch, BAD, answer=True)
    monkeypatch.setattr(peers, "_judge", lambda *_: pytest.fail("asked again"))
    assert found.run() is True
