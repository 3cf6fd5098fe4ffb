"""The queue of an MTA: its counts, and when its messages bounce."""

from datetime import UTC, datetime

from mxlib.mta.queue import Deadlines, QueuedMessage, QueueFacts

NOW = datetime(2026, 11, 21, 2, 12, tzinfo=UTC)
MESSAGES = (
    QueuedMessage("a", False, False, ("x.test", "y.test")),
    QueuedMessage("b", False, False, ("x.test",)),
    QueuedMessage("c", True, False, ("x.test",)),
)


def test_what_was_looked_into() -> None:
    facts = QueueFacts(3, 1, NOW, MESSAGES)
    assert (facts.frozen, facts.complete) == (1, True)
    assert facts.per_destination == {"x.test": 2, "y.test": 1}
    assert not QueueFacts(4, 1, NOW, MESSAGES).complete


def test_a_message_that_went_meanwhile_leaves_the_look_complete() -> None:
    assert QueueFacts(2, 0, NOW, MESSAGES).complete


def test_what_bounces_first_comes_first() -> None:
    found = Deadlines({"late": 900.0, "past": -5.0, "soon": 60.0}, {})
    assert found.within(60.0) == ("past",)
    assert found.within(61.0) == ("past", "soon")
    assert found.within(1000.0) == ("past", "soon", "late")
    assert found.earliest == "past"
    assert Deadlines({}, {}).earliest is None
