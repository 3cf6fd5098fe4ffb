from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mxlib.mta.event import Cause, EventKind
from mxlib.mta.exim.logline import classify, parse_line, parse_lines
from tests.unit.support.facts import fixture

STAMP = "2026-11-21 02:08:30"
OLD_ID, NEW_ID = "1xUaVg-00006e-2b", "1xUaVg-000000006e1-2bAz"


def line(rest, message_id=OLD_ID):
    return parse_line(f"{STAMP} {message_id} {rest}" if message_id else f"{STAMP} {rest}")


def test_a_real_log_is_read_to_its_last_line():
    text = fixture("exim/mainlog.txt")
    events = parse_lines(text.splitlines())
    counted = Counter(event.kind for event in events)
    assert counted[EventKind.COMPLETED] == text.count(" Completed")
    assert counted[EventKind.ARRIVED] == text.count(" <= ")
    assert counted[EventKind.DELIVERED] == text.count(" => ")
    assert counted[EventKind.FURTHER] == text.count(" -> ")
    assert counted[EventKind.FAILED] == text.count(" ** ")
    assert counted[EventKind.DEFERRED] == text.count(" == ")
    assert counted[EventKind.FROZEN] == text.lower().count("frozen")
    assert len(events) == len([one for one in text.splitlines() if one.startswith("2026-")])
    assert counted[EventKind.ATTEMPT] == 6


def test_a_delivery_carries_the_word_of_the_remote():
    event = line(
        '=> u1@ok.test R=lab_route T=lab_smtp H=mx.ok.test [2001:db8::3] X=TLS1.3:X:256 CV=yes C="250 OK \\"id\\"=1"'
    )
    assert (event.kind, event.address, event.host, event.ip) == (
        EventKind.DELIVERED,
        "u1@ok.test",
        "mx.ok.test",
        "2001:db8::3",
    )
    assert event.confirmation == '250 OK \\"id\\"=1'
    assert event.delivered
    assert event.cause is None


def test_a_local_delivery_has_the_address_as_given():
    assert line("=> bob <bob@lab.test> R=local_user T=mail_spool").address == "bob@lab.test"
    assert line("=> u1@provider.test <user1@lab.test> R=x T=y H=h [192.0.2.9]").domain == "provider.test"
    assert line("=> /dev/null <Gone@Lab.test> R=x T=y").domain == "lab.test"


@pytest.mark.parametrize("message_id", [OLD_ID, NEW_ID])
def test_ids_of_both_lengths(message_id):
    event = line("<= alice@lab.test H=(helo) [192.0.2.5] P=esmtp S=452", message_id)
    assert (event.message_id, event.kind, event.address, event.host) == (
        message_id,
        EventKind.ARRIVED,
        "alice@lab.test",
        "helo",
    )
    assert line("Completed", message_id).kind is EventKind.COMPLETED


def test_arrivals_of_bounces_and_lines_without_an_id():
    assert line("<= <> R=1xUaVx-00007W-2m U=Debian-exim P=local S=664").address == ""
    rejected = line("H=(x) [192.0.2.9] F=<a@b.test> rejected RCPT <c@d.test>: relay not permitted", None)
    assert (rejected.kind, rejected.ip, rejected.message_id) == (EventKind.REJECTED, "192.0.2.9", "")
    assert line("Start queue run: pid=333", None).kind is EventKind.OTHER


def test_times_with_milliseconds_zone_and_pid():
    event = parse_line(f"2026-11-21 02:08:30.123 +0100 [123] {OLD_ID} Completed")
    assert event.when == datetime(2026, 11, 21, 2, 8, 30, tzinfo=timezone(timedelta(hours=1)))
    assert parse_line(f"{STAMP} {OLD_ID} Completed").when == datetime(2026, 11, 21, 2, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", " Suggested action: install", "not a log", "2026-13 x"])
def test_what_is_no_line_of_a_log(text):
    assert parse_line(text) is None


CAUSES = [line.split("\t") for line in fixture("exim/causes.tsv").splitlines()]


@pytest.mark.parametrize(("cause", "text"), CAUSES)
def test_causes(cause, text):
    assert classify(text) is Cause[cause]


def test_every_cause_has_an_example():
    assert {Cause[cause] for cause, _ in CAUSES} == set(Cause)


def test_what_was_not_tried_is_marked():
    assert line("== t2@tmp.test routing defer (-52): retry time not reached").untried
    assert not line("== r1@refuse.test R=l T=s defer (111): Connection refused").untried
    failed = line("** p1@perm.test: retry timeout exceeded")
    assert (failed.kind, failed.address, failed.untried) == (EventKind.FAILED, "p1@perm.test", True)


@pytest.mark.parametrize(
    ("text", "address", "domain"),
    [
        ('== "joe smith"@x.test R=r T=t defer (111): Connection refused', '"joe smith"@x.test', "x.test"),
        ('=> "a \\" b"@x.test <c@y.test> R=r T=t H=mx.x.test [192.0.2.9]', '"a \\" b"@x.test', "x.test"),
        ('=> joe <"joe smith"@y.test> R=local T=t', '"joe smith"@y.test', "y.test"),
        ("** j\u00f6rg@x.test: Unrouteable address", "j\u00f6rg@x.test", "x.test"),
    ],
)
def test_a_quoted_local_part_may_have_blanks(text, address, domain):
    assert (line(text).address, line(text).domain) == (address, domain)
