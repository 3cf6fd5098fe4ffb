"""Events of a mail log, whichever MTA wrote it."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from mxlib.mta.event import Cause, EventKind, LogEvent, LogGrowth, RecentLog

NOW = datetime(2026, 11, 21, 2, 12, tzinfo=UTC)


def event(kind: EventKind, message_id: str = "a", address: str = "", cause: Cause | None = None) -> LogEvent:
    return LogEvent(NOW, kind, message_id, address, "", "", "", cause, "")


@pytest.mark.parametrize("kind", EventKind)
def test_a_recipient_has_got_the_message_by_each_kind_of_delivery(kind: EventKind) -> None:
    got = kind in (EventKind.DELIVERED, EventKind.FURTHER, EventKind.CUTTHROUGH)
    assert event(kind).delivered is got


@pytest.mark.parametrize("cause", [None, *Cause])
def test_only_what_was_not_tried_proves_nothing(cause: Cause | None) -> None:
    assert event(EventKind.DEFERRED, cause=cause).untried is (cause is Cause.UNTRIED)


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@X.test", "x.test"), ('"a@b"@x.test', "x.test"), ("", ""), ("joe", ""), ("/dev/null", "")],
)
def test_the_domain_of_an_address(address: str, domain: str) -> None:
    assert event(EventKind.DELIVERED, address=address).domain == domain


def test_what_has_grown() -> None:
    arrived, done, more = (event(kind, key) for kind, key in zip(
        (EventKind.ARRIVED, EventKind.COMPLETED, EventKind.ARRIVED), "aab", strict=True
    ))  # fmt: skip
    growth = LogGrowth((arrived, done, more), "1")
    assert (growth.arrived, growth.completed) == ({"a", "b"}, {"a"})
    assert growth.of("a") == (arrived, done)
    assert (growth.lost, growth.whole) == (False, True)


def test_causes_count_each_message_once_however_often_it_was_tried() -> None:
    events = (
        event(EventKind.DEFERRED, "a", "x@X.test", Cause.REFUSED),
        event(EventKind.DEFERRED, "a", "x@x.test", Cause.REFUSED),
        event(EventKind.FAILED, "b", "x@x.test", Cause.REFUSED),
        event(EventKind.DEFERRED, "c", "x@y.test", Cause.DNS),
        event(EventKind.DEFERRED, "d", "", Cause.DNS),
        event(EventKind.ATTEMPT, "e", "x@x.test", Cause.REFUSED),
        event(EventKind.DELIVERED, "f", "x@x.test"),
        event(EventKind.DEFERRED, "g", "x@x.test"),
    )
    found = RecentLog(1, 1, 1, 5, events)
    assert found.causes() == {
        "x.test": Counter({Cause.REFUSED: 2}),
        "y.test": Counter({Cause.DNS: 1}),
        "(none)": Counter({Cause.DNS: 1}),
    }
    assert (found.count(Cause.REFUSED), found.count(Cause.DNS), found.count(Cause.TLS)) == (2, 2, 0)
