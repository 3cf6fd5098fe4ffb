"""What waits by destination, as plain values."""

from datetime import UTC, datetime, timedelta

from mxlib.mta.backlog import Assumed, Backlog, GiveUp, Heap

NOW = datetime(2026, 11, 21, 2, 12, tzinfo=UTC)


def backlog(*oldest: datetime | None) -> Backlog:
    heaps = tuple(Heap("x.test", "-", 1, 0, when, when) for when in oldest)
    return Backlog(len(heaps), 0, heaps, {}, {}, {}, NOW)


def test_the_oldest_message_of_all_destinations() -> None:
    hour = timedelta(hours=1)
    assert backlog(NOW - hour, NOW - 3 * hour, None, NOW - 2 * hour).oldest == NOW - 3 * hour


def test_frozen_messages_alone_have_no_oldest() -> None:
    assert backlog(None).oldest is None
    assert backlog().oldest is None


def test_unknown_rules_are_taken_for_one_time_for_all() -> None:
    assumed: GiveUp = Assumed(3600.0)
    assert assumed.classes == ()
    assert {assumed.after(domain, senders) for domain in ("x.test", "y.test") for senders in ("-", "1")} == {
        timedelta(hours=1)
    }
