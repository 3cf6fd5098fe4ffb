"""What a run writes down as it goes."""

from collections.abc import Iterator
from contextlib import contextmanager

from mxlib.base.errors import JournalError
from mxlib.base.journal import EventLog
from mxlib.protocols.operator import Operator
from mxlib.reboot.world import RebootWorld


class Events:
    """The journal of a run; one that cannot be written costs the journal, not the run."""

    def __init__(self, journal: EventLog, operator: Operator):
        """Write nothing yet.

        Arguments:
            operator: who hears that the journal cannot be written.
        """
        self._journal = journal
        self._operator = operator
        self._lost = False

    def write(self, event: str, **values: object) -> None:
        """Write an event, as :meth:`mxlib.base.journal.EventLog.write` does."""
        try:
            self._journal.write(event, **values)
        except JournalError as error:
            if not self._lost:
                self._operator.line(f"NOT in the journal from here on, the run goes on without: {error}")
            self._lost = True

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
