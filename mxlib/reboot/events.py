"""What a run writes down as it goes."""

from collections.abc import Iterator
from contextlib import contextmanager

from mxlib.base.journal import EventLog, SparingJournal
from mxlib.protocols.operator import Operator
from mxlib.reboot.world import RebootWorld


class Events(SparingJournal):
    """The journal of a run; one that cannot be written costs the journal, not the run."""

    def __init__(self, journal: EventLog, operator: Operator):
        """Write nothing yet."""
        super().__init__(journal, operator.line)

    def answers(self, world: RebootWorld) -> None:
        """Write what was asked, and what was answered."""
        for one in world.progress.asked:
            self.write("asked", question=one.question, answer=one.answer, effect=one.effect, by=one.by)
        world.progress.asked.clear()


@contextmanager
def spent(world: RebootWorld) -> Iterator[dict[str, float]]:
    """Measure what is done inside: its seconds and its round trips, known once it is over."""
    begin, before = world.clock.monotonic(), world.adapters.meter.read()
    found: dict[str, float] = {}
    try:
        yield found
    finally:
        found["seconds"] = world.clock.monotonic() - begin
        found["trips"] = world.adapters.meter.read().since(before).trips
