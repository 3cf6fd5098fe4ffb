"""What a run writes down: a journal that fails costs the journal alone, and what a piece of work took."""

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import JournalError
from mxlib.base.meter import Meter
from mxlib.protocols.operator import Reply
from mxlib.reboot.events import Events, spent
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_run import MemoryJournal


class FullDisk(MemoryJournal):
    """A journal that can be written so many times."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, event: str, **values: Any) -> None:
        if len(self.events) == self.room:
            raise JournalError("x.jsonl: No space left on device")
        super().write(event, **values)


def test_a_journal_that_cannot_be_written_is_named_once_and_stops_nothing() -> None:
    journal, tell = FullDisk(1), Tell()
    events = Events(journal, tell)
    for number in range(4):
        events.write("done", step=number)
    assert journal.events == [("done", {"step": 0})]
    assert tell.lines == ["NOT in the journal from here on, the run goes on without: x.jsonl: No space left on device"]


def test_a_journal_that_can_be_written_again_is() -> None:
    journal, tell = FullDisk(0), Tell()
    events = Events(journal, tell)
    events.write("lost")
    journal.room = 9
    events.write("kept")
    assert journal.events == [("kept", {})]


def test_what_the_operator_answered_is_written_once() -> None:
    journal = MemoryJournal()
    asked = [Reply("The queue is long.", "wait", "drain once more", "op@cumin1001")]
    world: Any = SimpleNamespace(progress=SimpleNamespace(asked=asked))
    events = Events(journal, Tell())
    events.answers(world)
    events.answers(world)
    written = {"question": "The queue is long.", "answer": "wait", "effect": "drain once more", "by": "op@cumin1001"}
    assert journal.events == [("asked", written)]


@pytest.mark.parametrize("host", [FakeClock.sleep, lambda _clock, _seconds: 1 / 0])
def test_what_was_spent_is_known_also_of_what_failed(host: Any) -> None:
    meter, clock = Meter(), FakeClock()
    world: Any = SimpleNamespace(clock=clock, adapters=SimpleNamespace(meter=meter))
    meter.add(1.0)
    clock.sleep(9.0)
    with suppress(ZeroDivisionError), spent(world) as took:
        meter.add(2.0)
        meter.add(2.0)
        clock.sleep(5.0)
        host(clock, 0.0)
    assert took == {"seconds": 5.0, "trips": 2}
