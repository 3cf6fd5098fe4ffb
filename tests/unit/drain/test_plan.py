"""How a drain is judged and ordered: nothing is tried whose failure would be final, unless it was just proven."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.drain.judge import SAFETY, Way, judge, row, verdict
from mxlib.drain.plan import CANARIES, may_go_on, order, window
from mxlib.mta.backlog import Lately, Try
from tests.unit.support.destinations import HOST, KNOWLEDGE, NOW, REFUSED, ago, heap, hint, known, only

TOOK = Lately(NOW - timedelta(seconds=20))


def tries(what):
    return order(what, judge(what)).tries


def test_a_recent_delivery_proves():
    what = known(heap(), lately={"x.test": TOOK})
    assert only(what).way is Way.PROVEN
    assert tries(what) == (Try("x.test", "-", None, 5),)


def test_a_delivery_in_the_future_proves_nothing():
    later = Lately(NOW + timedelta(hours=1))
    assert only(known(heap(), lately={"x.test": later})).way is Way.UNTRIED
    assert tries(known(heap(oldest=ago(days=9)), lately={"x.test": later})) == ()


def test_what_was_just_proven_is_tried_past_its_cutoff_too():
    what = known(heap(oldest=ago(days=9)), lately={"x.test": TOOK})
    assert tries(what) == (Try("x.test", "-", None, 5),)


def test_a_broken_one_is_left_alone_and_told():
    what = known(heap(count=200), lately={"x.test": REFUSED})
    found = only(what)
    assert found.way is Way.BROKEN
    assert tries(what) == ()
    assert verdict(found, NOW) == (
        "x.test: 200 messages, oldest 1 h 0 min; remote at fault: connection refused 30 s ago: "
        '"defer (111): Connection refused"; a failed attempt bounces from 2026-11-25 11:00 UTC'
    )
    assert row(found)["deadline"] == "2026-11-25T11:00:00+00:00"


def test_what_nothing_is_known_of_is_tried_with_a_few():
    what = known(heap(count=500))
    assert only(what).way is Way.UNTRIED
    assert tries(what) == (Try("x.test", "-", NOW + SAFETY - timedelta(days=4), CANARIES),)


def test_a_canary_is_not_one_whose_failure_would_be_final():
    what = known(heap(oldest=ago(days=5), newest=ago(days=4)))
    assert only(what).way is Way.FINAL
    assert tries(what) == ()
    assert "A FAILED ATTEMPT BOUNCES since" in verdict(only(what), NOW)


def test_the_senders_rule_decides_when_it_is_final():
    old = ago(hours=9)
    what = known(heap(oldest=old, senders="1"), heap(oldest=old))
    assert only(what).deadline == old + timedelta(hours=8)
    assert [one.senders for one in tries(what)] == ["-"], "only those with four days"


def test_hints_past_their_cutoff_make_an_attempt_final():
    hosts = {"x.test": frozenset({"192.0.2.7"})}
    for old in (hint(HOST, ago(days=5), following=ago(hours=1)), hint(HOST, following=ago(hours=1), expired=True)):
        what = known(heap(), hints=[old], hosts=hosts)
        assert only(what).way is Way.FINAL
        assert tries(what) == ()


def test_a_hint_is_cleared_only_where_a_delivery_after_it_proves_it_stale():
    hosts = {"x.test": frozenset({"192.0.2.7"})}
    stale, other = hint("host 192.0.2.7", expired=True), hint("host 192.0.2.8")
    address, route = hint("address joe@x.test"), hint("route x.test")
    newer = hint("address ann@x.test", last=NOW)
    what = known(
        heap(), hints=[stale, other, address, route, newer], hosts=hosts, lately={"x.test": TOOK},
        took={"192.0.2.7": ago(seconds=20)},
    )  # fmt: skip
    assert order(what, judge(what)).clear == (stale, address, route)


@pytest.mark.parametrize(
    ("names", "took", "cleared"),
    [({"mx.x.test"}, 1, True), ({"mx.x.test", "mx2.x.test"}, 1, False), ({"mx.x.test"}, 9, False)],
)
def test_a_hint_on_a_host_by_name_is_cleared_only_where_that_host_took_mail_after_it(names, took, cleared):
    old = hint("named mx.x.test", last=ago(minutes=5))
    what = known(heap(), hints=[old], lately={"x.test": Lately(ago(minutes=took))})
    named = dataclasses.replace(what, backlog=dataclasses.replace(what.backlog, names={"x.test": frozenset(names)}))
    assert (order(named, judge(named)).clear == (old,)) is cleared


def test_a_recipient_that_fails_by_itself_is_spared_where_messages_are_past_their_cutoff():
    full = hint("address joe@x.test")
    what = known(heap(oldest=ago(days=5)), hints=[full], lately={"x.test": TOOK})
    given_ = order(what, judge(what))
    assert (given_.clear, given_.spared) == ((), ("joe@x.test",))
    assert given_.spared == ("joe@x.test",)


def test_a_recipients_hint_stays_where_a_message_is_within_the_safety_of_its_cutoff():
    full = {"hints": [hint("address joe@x.test")], "lately": {"x.test": TOOK}}
    close = known(heap(oldest=ago(days=3, hours=23, minutes=55)), **full)
    assert (order(close, judge(close)).clear, order(close, judge(close)).spared) == ((), ("joe@x.test",))
    early = known(heap(oldest=ago(days=3, hours=23, minutes=45)), **full)
    assert [one.address for one in order(early, judge(early)).clear] == ["joe@x.test"]


ONE = {"message": "1abcde-000123-AB", "arrived": ago(days=5)}


@pytest.mark.parametrize("about", ["host 192.0.2.7", "named mx.x.test"])
def test_that_a_host_takes_mail_says_nothing_of_the_one_message_that_it_deferred(about):
    """Past its cutoff Exim tries a message before its time, so what its hint does not hold is left alone as well."""
    later = NOW + timedelta(hours=3)
    one = dataclasses.replace(hint(about, ago(days=4), ago(hours=3), later), **ONE)
    what = known(heap(oldest=ago(days=5)), hints=[one], lately={"x.test": TOOK}, took={"192.0.2.7": ago(seconds=20)})
    routed = dataclasses.replace(what.backlog, names={"x.test": frozenset({"mx.x.test"})})
    found = dataclasses.replace(what, backlog=routed)
    given_ = order(found, judge(found))
    assert (given_.clear, given_.spared) == ((), ("1abcde-000123-AB",))


def test_messages_that_timed_out_one_by_one_are_tried_once_their_host_takes_mail():
    """Each has a hint of its own: a fault that cut all data off would keep them for hours after it is gone."""
    one = dataclasses.replace(hint(HOST, ago(minutes=9), ago(minutes=2)), arrived=ago(hours=1))
    ones = [dataclasses.replace(one, key=f"T:{number}", message=f"{number}") for number in range(3)]
    what = known(heap(count=3), hints=ones, lately={"x.test": TOOK}, took={"192.0.2.7": ago(seconds=20)})
    given_ = order(what, judge(what))
    assert ([one.message for one in given_.clear], given_.spared) == (["0", "1", "2"], ())
    later = dataclasses.replace(ones[0], last_try=ago(seconds=10))
    assert order(dataclasses.replace(what, hints=(later,)), judge(what)).clear == ()


@pytest.mark.parametrize(
    ("age", "failing", "expired", "spared"),
    [
        ({"days": 3, "hours": 23, "minutes": 55}, {"hours": 1}, False, True),
        ({"days": 3, "hours": 23, "minutes": 45}, {"hours": 1}, False, False),
        ({"hours": 2}, {"hours": 1}, True, True),
        ({"hours": 2}, {"days": 4}, False, True),
    ],
)
def test_a_message_that_fails_by_itself_is_tried_while_a_failure_leaves_it_in_the_queue(age, failing, expired, spared):
    one = dataclasses.replace(hint(HOST, ago(**failing), expired=expired), message="1", arrived=ago(**age))
    what = known(heap(oldest=ago(days=9)), hints=[one], lately={"x.test": TOOK})
    assert order(what, judge(what)).spared == (("1",) if spared else ())


def test_the_rules_of_the_destinations_that_a_message_may_go_to_say_when_it_is_near():
    one = dataclasses.replace(hint(HOST), message="1", arrived=ago(hours=9))
    short, long = heap("y.test", senders="1"), heap("x.test")
    for hosts, spared in (({}, ("1",)), ({"x.test": {"192.0.2.7"}, "y.test": {"192.0.2.8"}}, ())):
        what = known(short, long, hints=[one], hosts={name: frozenset(ips) for name, ips in hosts.items()})
        assert order(what, judge(what)).spared == spared


def test_frozen_ones_are_left_alone_and_told():
    what = known(heap(count=0, frozen=3), lately={"x.test": TOOK})
    assert tries(what) == ()
    assert verdict(only(what), NOW) == "x.test: 3 frozen (a person has to look)"


def test_a_young_routing_failure_does_not_hide_that_its_hosts_are_past_their_cutoff():
    hosts = {"x.test": frozenset({"192.0.2.7"})}
    due = ago(minutes=1)
    hints = [hint("route x.test", following=due), hint(HOST, ago(days=5), following=due, expired=True)]
    what = known(heap(), hosts=hosts, hints=hints)
    assert only(what).way is Way.FINAL
    assert tries(what) == ()
    assert only(what).deadline == ago(days=5)


def test_the_window_ends_before_a_broken_way_costs_a_message():
    near = known(heap(oldest=ago(days=3, hours=23, minutes=40)), lately={"x.test": REFUSED})
    seconds, why = window(near, judge(near), 3600)
    assert seconds == 600
    assert "x.test" in why
    far = known(heap(), lately={"x.test": REFUSED})
    assert window(far, judge(far), 3600) == (3600, "")
    over = known(heap(oldest=ago(days=3, hours=23, minutes=55)), lately={"x.test": REFUSED})
    assert window(over, judge(over), 3600) == (3600, ""), "nothing is gained by a window that has ended"
    well = known(heap(oldest=ago(days=3, hours=23, minutes=40)), lately={"x.test": TOOK})
    assert window(well, judge(well), 3600) == (3600, "")


def test_another_round():
    mixed = known(heap(), heap("y.test", 200), lately={"x.test": TOOK, "y.test": REFUSED})
    assert may_go_on(mixed, judge(mixed), 50, 60)
    stuck = known(heap("y.test", 200), lately={"y.test": REFUSED})
    assert not may_go_on(stuck, judge(stuck), 50, 60)
    under_way = known(heap(oldest=ago(seconds=5)), lately={"x.test": TOOK})
    assert may_go_on(under_way, judge(under_way), 0, 60)
    assert not may_go_on(under_way, judge(under_way), 50, 60), "within the bound, mail under way is no reason"
    assert not may_go_on(under_way, judge(under_way), 5, 60), "as many as the bound are within it"
    for seconds, goes_on in ((60, False), (61, True)):
        settled = known(heap(oldest=ago(seconds=seconds)), lately={"x.test": TOOK})
        assert may_go_on(settled, judge(settled), 50, 60) is goes_on


@given(KNOWLEDGE)
def test_no_attempt_is_final_unless_its_destination_was_just_proven(what):
    found = {one.domain: one for one in judge(what)}
    for one in order(what, found.values()).tries:
        domain = one.domain
        assert found[domain].way.open
        if found[domain].way is Way.PROVEN:
            assert what.backlog.lately[domain].delivered is not None
            continue
        (of,) = [heap for heap in what.heaps(domain) if heap.senders == one.senders]
        assert one.limit <= CANARIES
        assert one.after + what.cutoff(of) >= NOW + SAFETY
        told = [one for one in what.hints if one.ip in what.backlog.hosts.get(domain, ())]
        hosts = what.backlog.hosts.get(domain, frozenset())
        assert not (hosts and hosts == {one.ip for one in told} and all(one.expired for one in told))
        assert not any(one.expired for one in what.hints if one.key == f"route {domain}")


@given(KNOWLEDGE)
def test_no_hint_is_cleared_without_a_later_delivery(what):
    for one in order(what, judge(what)).clear:
        if one.ip:
            assert what.backlog.took[one.ip] >= one.last_try
        else:
            assert what.backlog.lately[one.domain].delivered >= one.last_try


@given(KNOWLEDGE, st.floats(1, 1e6))
def test_the_window_never_reaches_a_known_broken_ways_deadline(what, seconds):
    found = judge(what)
    left, why = window(what, found, seconds)
    assert 0 <= left <= seconds
    assert bool(why) == (left < seconds)
    for one in found:
        if not one.way.open and one.count and one.deadline > NOW + SAFETY:
            assert NOW + timedelta(seconds=left) <= one.deadline - SAFETY + timedelta(seconds=1)
