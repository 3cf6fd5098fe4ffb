"""What a page shows beside the story of a run: bounded, and never in the way."""

from mxlib.base.errors import JournalError
from mxlib.base.journal import Extras


class Kept:
    def __init__(self, error=None):
        self.events, self.error = [], error

    def write(self, event, **values):
        if self.error:
            raise self.error
        self.events.append((event, values))


def test_they_go_nowhere_until_there_is_a_journal_and_after_it():
    extras, kept = Extras(), Kept()
    extras.write("early")
    extras.into(kept)
    extras.write("queue", left=3)
    extras.into(Kept())
    extras.write("late")
    assert kept.events == [("queue", {"left": 3})]


def test_a_journal_that_cannot_be_written_costs_nothing_else():
    extras = Extras()
    extras.into(Kept(JournalError("no space left")))
    extras.write("queue", left=3)


def test_what_is_beyond_the_bound_is_left_out():
    extras, kept = Extras(bound=40), Kept()
    extras.into(kept)
    extras.write("command", script="x" * 100)
    extras.write("queue", left=3)
    extras.write("command", script="x" * 20)
    assert [event for event, _values in kept.events] == ["queue"]
