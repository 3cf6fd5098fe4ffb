"""How a drain is judged and ordered: nothing is tried whose failure would be final, unless it was just proven."""

import dataclasses
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mxlib.drain.judge import SAFETY, Knowledge, Way, judge, row, verdict
from mxlib.drain.plan import CANARIES, may_go_on, order, window
from mxlib.mta.backlog import Assumed, Backlog, Heap, Hint, Lately, Try
from mxlib.mta.event import Cause

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


class Rules:
    """Eight hours for the first class of senders, four days for all others."""

    classes = ("wiki@lab.test",)

    def after(self, _domain, senders):
        return timedelta(hours=8) if senders == "1" else timedelta(days=4)


RULES = Rules()
REFUSED = Lately(None, NOW - timedelta(seconds=30), 1, 1, Cause.REFUSED, "defer (111): Connection refused")
TOOK = Lately(NOW - timedelta(seconds=20))


def ago(**time):
    return NOW - timedelta(**time)


def heap(domain="x.test", count=5, oldest=None, newest=None, senders="-", frozen=0):
    oldest = oldest or ago(hours=1)
    return Heap(domain, senders, count, frozen, oldest if count else None, (newest or oldest) if count else None)


def hint(key, first=None, last=None, following=None, *, expired=False):
    first = first or ago(hours=1)
    following = following or NOW + timedelta(minutes=10)
    return Hint(key, first, last or ago(minutes=5), following, expired, "refused", **about(key))


def about(key):
    """What a hint called ``host IP``, ``route DOMAIN`` or ``address ADDRESS`` is about."""
    kind, name = key.split(" ")
    if kind == "host":
        return {"ip": name}
    return {"domain": name} if kind == "route" else {"address": name, "domain": name.rpartition("@")[2]}


HOST = "host 192.0.2.7"


def known(*heaps, hints=(), lately=None, hosts=None, took=None, rules=RULES):
    total = sum(one.count + one.frozen for one in heaps)
    log = Backlog(total, 0, heaps, lately or {}, hosts or {}, took or {}, NOW)
    return Knowledge(log, tuple(hints), rules)


def only(what):
    (found,) = judge(what)
    return found


def tries(what):
    return order(what, judge(what)).tries


def test_a_recent_delivery_proves():
    what = known(heap(), lately={"x.test": TOOK})
    assert only(what).way is Way.PROVEN
    assert tries(what) == (Try("x.test", "-", None, 5),)


def test_a_rule_for_a_destinations_host_counts_as_one_for_the_destination():
    class ForHost(Rules):
        def after(self, domain, senders):
            return timedelta(minutes=1) if domain == "mx.provider.test" else super().after(domain, senders)

    what = known(heap(oldest=ago(hours=1)), rules=ForHost())
    assert only(what).way is Way.UNTRIED
    named = dataclasses.replace(what.backlog, names={"x.test": frozenset({"mx.provider.test"})})
    assert only(dataclasses.replace(what, backlog=named)).way is Way.FINAL


def test_a_delivery_in_the_future_proves_nothing():
    later = Lately(NOW + timedelta(hours=1))
    assert only(known(heap(), lately={"x.test": later})).way is Way.UNTRIED
    assert tries(known(heap(oldest=ago(days=9)), lately={"x.test": later})) == ()


def test_what_was_just_proven_is_tried_past_its_cutoff_too():
    what = known(heap(oldest=ago(days=9)), lately={"x.test": TOOK})
    assert tries(what) == (Try("x.test", "-", None, 5),)


def test_a_failure_after_the_delivery_speaks_against_it():
    lately = dataclasses.replace(REFUSED, delivered=ago(minutes=3))
    assert only(known(heap(), lately={"x.test": lately})).way is Way.BROKEN


def test_after_a_minute_a_few_try_again_unless_hints_speak_against_it():
    lately = {"x.test": dataclasses.replace(REFUSED, failed=ago(minutes=2))}
    assert only(known(heap(), lately=lately)).way is Way.UNTRIED
    hosts = {"x.test": frozenset({"192.0.2.7"})}
    assert only(known(heap(), lately=lately, hosts=hosts, hints=[hint(HOST)])).way is Way.BROKEN


def test_a_full_mailbox_is_not_the_destinations_fault():
    lately = Lately(ago(minutes=3), ago(seconds=30), 2, 0, Cause.REMOTE_4XX, "452 mailbox full")
    assert only(known(heap(), lately={"x.test": lately})).way is Way.PROVEN
    assert only(known(heap(), lately={"x.test": dataclasses.replace(lately, fails=3)})).way is Way.BROKEN


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


def test_hints_of_every_host_keep_it_from_being_tried():
    hosts = {"x.test": frozenset({"192.0.2.7", "2001:db8::7"})}
    both = [hint(HOST), hint("host 2001:db8::7")]
    assert only(known(heap(), hints=both, hosts=hosts)).way is Way.HINTED
    assert only(known(heap(), hints=both[:1], hosts=hosts)).way is Way.UNTRIED
    due = [hint(HOST, following=ago(minutes=1)), hint("host 2001:db8::7", following=ago(minutes=1))]
    assert only(known(heap(), hints=due, hosts=hosts)).way is Way.UNTRIED


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


def test_a_recipient_that_fails_by_itself_is_spared_where_messages_are_past_their_cutoff():
    full = hint("address joe@x.test")
    what = known(heap(oldest=ago(days=5)), hints=[full], lately={"x.test": TOOK})
    given_ = order(what, judge(what))
    assert (given_.clear, given_.spared) == ((), ("joe@x.test",))
    assert given_.spared == ("joe@x.test",)


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


def test_while_one_of_its_hosts_may_be_tried_a_destination_is():
    hosts = {"x.test": frozenset({"192.0.2.7", "192.0.2.8"})}
    other = "host 192.0.2.8"
    what = known(heap(), hosts=hosts, hints=[hint(HOST), hint(other, following=ago(minutes=1))])
    assert only(what).way is Way.UNTRIED
    what = known(heap(), hosts=hosts, hints=[hint(HOST), hint(other, following=NOW + timedelta(minutes=4))])
    assert only(what).way is Way.HINTED
    assert only(what).why == "not before 12:04 UTC"


def test_without_rules_the_sites_cutoff_counts():
    what = known(heap(oldest=ago(days=1)), rules=Assumed(345600.0))
    assert only(what).deadline == ago(days=1) + timedelta(days=4)


def test_the_window_ends_before_a_broken_way_costs_a_message():
    near = known(heap(oldest=ago(days=3, hours=23, minutes=40)), lately={"x.test": REFUSED})
    seconds, why = window(near, judge(near), 3600)
    assert seconds == 600
    assert "x.test" in why
    far = known(heap(), lately={"x.test": REFUSED})
    assert window(far, judge(far), 3600) == (3600, "")
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


# --- any queue, any hints, any log

DOMAINS = st.sampled_from(["x.test", "y.test"])
IPS = st.sampled_from(["192.0.2.7", "192.0.2.8", "2001:db8::7"])
WHEN = st.integers(-7 * 86400, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
RECENT = st.integers(-600, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))


@st.composite
def any_heap(draw):
    count = draw(st.integers(0, 5))
    first, last = sorted([draw(WHEN), draw(WHEN)])
    return heap(draw(DOMAINS), count, first, last, draw(st.sampled_from(["-", "1"])), draw(st.integers(0, 2)))


@st.composite
def any_hint(draw):
    first, last = sorted([draw(WHEN), draw(WHEN)])
    key = draw(
        st.one_of(
            IPS.map("host {}".format), DOMAINS.map("route {}".format), DOMAINS.map("address joe@{}".format)
        )
    )
    following = NOW + timedelta(seconds=draw(st.integers(-3600, 3600)))
    return Hint(key, first, last, following, draw(st.booleans()), "text", **about(key))


LATELY = st.builds(
    Lately,
    st.none() | RECENT,
    RECENT,
    st.integers(0, 4),
    st.integers(0, 1),
    st.sampled_from(list(Cause)),
    st.just("text"),
)
KNOWLEDGE = st.builds(
    lambda heaps, hints, lately, hosts, took: known(*heaps, hints=hints, lately=lately, hosts=hosts, took=took),
    st.lists(any_heap(), max_size=4, unique_by=lambda one: (one.domain, one.senders)),
    st.lists(any_hint(), max_size=6, unique_by=lambda one: one.key),
    st.dictionaries(DOMAINS, LATELY),
    st.dictionaries(DOMAINS, st.frozensets(IPS)),
    st.dictionaries(IPS, RECENT),
)


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


@given(KNOWLEDGE)
def test_every_destination_can_be_told(what):
    for one in judge(what):
        assert verdict(one, NOW).startswith(f"{one.domain}: ")
        assert row(one)["way"] == one.way.value
