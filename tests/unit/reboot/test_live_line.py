"""What a run shows in the live line while it works."""

from types import SimpleNamespace

from mxlib.base.meter import Meter
from mxlib.base.verdict import Status, Verdict
from mxlib.reboot import guarding
from mxlib.reboot.events import Events
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_run import MemoryJournal


def test_the_guard_is_shown_while_it_asks_and_what_blocks_stays(monkeypatch):
    tell, journal = Tell(), MemoryJournal()
    progress = SimpleNamespace(probed_s=0.0, guard=None)
    world = SimpleNamespace(
        operator=tell, progress=progress, clock=FakeClock(), adapters=SimpleNamespace(meter=Meter())
    )
    found = (Verdict("mta", Status.OK, "well"), Verdict("disk", Status.FAILED, "it is full"))

    def guard(_world):
        assert tell.shown == [("guard", None)]
        return found

    monkeypatch.setattr(guarding.guard, "guard", guard)
    monkeypatch.setattr(guarding.guard, "blocking", lambda _world, verdicts: verdicts[1:])
    guarding.run_guard(world, Events(journal, tell), {}, asks=False)
    assert tell.lines == ["guard: 2 checks, 1 in the way (0.0 s)", "  FAILED  disk: it is full"]
    assert progress.guard is False
    assert [name for name, _values in journal.events] == ["guard", "verdict", "verdict"]
