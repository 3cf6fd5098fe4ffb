"""How destinations are judged: by deliveries, failures and hints, and whether a further failure would be final."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given

from mxlib.drain.judge import AGAIN, SAFETY, Way, judge, row, verdict
from mxlib.mta.backlog import Assumed, Lately
from mxlib.mta.event import Cause
from tests.unit.support.destinations import (
    HOST,
    KNOWLEDGE,
    NOW,
    REFUSED,
    Rules,
    ago,
    heap,
    hint,
    known,
    only,
)


class RulesWithAHost(Rules):
    """Rules of which one is about a name of its own, and gives up after a minute."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def after(self, domain, senders):
        return timedelta(minutes=1) if domain == self.name else super().after(domain, senders)


def test_a_rule_for_a_destinations_host_counts_as_one_for_the_destination():
    what = known(heap(oldest=ago(hours=1)), rules=RulesWithAHost("mx.provider.test"))
    assert only(what).way is Way.UNTRIED
    named = dataclasses.replace(what.backlog, names={"x.test": frozenset({"mx.provider.test"})})
    assert only(dataclasses.replace(what, backlog=named)).way is Way.FINAL


def test_where_the_hosts_of_a_destination_are_unknown_any_rule_for_a_host_may_be_about_them():
    rules = RulesWithAHost("?")
    unrouted = known(heap(oldest=ago(hours=1)), rules=rules)
    assert only(unrouted).way is Way.FINAL
    routed = dataclasses.replace(unrouted.backlog, names={"x.test": frozenset({"mx.provider.test"})})
    assert only(dataclasses.replace(unrouted, backlog=routed)).way is Way.UNTRIED
    at_home = known(heap("(local)", oldest=ago(hours=1)), rules=rules)
    assert only(at_home).way is Way.UNTRIED


def test_what_goes_nobody_knows_where_is_not_tried():
    assert only(known(heap("?", oldest=ago(minutes=1)))).way is Way.UNROUTED
    assert not Way.UNROUTED.open


def test_hints_on_all_hosts_by_name_make_an_attempt_final_as_those_by_address_do():
    old = hint("named mx.x.test", first=ago(days=5))
    what = known(heap(), hints=[old])
    assert only(what).way is Way.UNTRIED
    one = dataclasses.replace(what.backlog, names={"x.test": frozenset({"mx.x.test"})})
    assert only(dataclasses.replace(what, backlog=one)).way is Way.FINAL
    two = dataclasses.replace(what.backlog, names={"x.test": frozenset({"mx.x.test", "mx2.x.test"})})
    assert only(dataclasses.replace(what, backlog=two)).way is Way.UNTRIED


@pytest.mark.parametrize("about", [HOST, "named mx.x.test"])
def test_a_hint_on_one_message_keeps_no_other_one_from_its_host(about):
    one = dataclasses.replace(hint(about, first=ago(days=5)), message="1abcde-000123-AB")
    what = known(heap(), hints=[one], hosts={"x.test": frozenset({"192.0.2.7"})})
    what = dataclasses.replace(what, backlog=dataclasses.replace(what.backlog, names={"x.test": {"mx.x.test"}}))
    assert only(what).way is Way.UNTRIED


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
    found = only(known(heap(), lately={"x.test": lately}))
    assert found.way is Way.PROVEN
    said = f'{lately.cause.value} 30 s ago: "452 mailbox full"'
    assert found.why == f"took a message 3 min 0 s ago; since then 2 recipients failed: {said}"
    one = only(known(heap(), lately={"x.test": dataclasses.replace(lately, fails=1)}))
    assert "; since then 1 recipient failed: " in one.why, "why mail is left where others deliver"
    assert only(known(heap(), lately={"x.test": dataclasses.replace(lately, fails=3)})).way is Way.BROKEN


def test_hints_of_every_host_keep_it_from_being_tried():
    hosts = {"x.test": frozenset({"192.0.2.7", "2001:db8::7"})}
    both = [hint(HOST), hint("host 2001:db8::7")]
    assert only(known(heap(), hints=both, hosts=hosts)).way is Way.HINTED
    assert only(known(heap(), hints=both[:1], hosts=hosts)).way is Way.UNTRIED
    due = [hint(HOST, following=ago(minutes=1)), hint("host 2001:db8::7", following=ago(minutes=1))]
    assert only(known(heap(), hints=due, hosts=hosts)).way is Way.UNTRIED


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


@given(KNOWLEDGE)
def test_every_destination_can_be_told(what):
    for one in judge(what):
        assert verdict(one, NOW).startswith(f"{one.domain}: ")
        assert row(one)["way"] == one.way.value


CUTOFF = timedelta(days=4)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("later", "way"), [(timedelta(0), Way.FINAL), (SECOND, Way.HINTED)])
def test_a_failure_that_may_be_final_before_the_margin_has_passed_is_not_risked(later, way):
    what = known(heap(), hints=[hint(HOST, first=NOW - CUTOFF + SAFETY + later)], hosts={"x.test": {"192.0.2.7"}})
    assert only(what).way is way


@pytest.mark.parametrize(("later", "way"), [(timedelta(0), Way.FINAL), (SECOND, Way.UNTRIED)])
def test_a_message_is_young_while_the_margin_is_left(later, way):
    assert only(known(heap(oldest=NOW - CUTOFF + SAFETY + later))).way is way


@pytest.mark.parametrize(("since", "way"), [(AGAIN - SECOND, Way.BROKEN), (AGAIN, Way.UNTRIED)])
def test_a_failure_speaks_for_itself_for_a_minute(since, way):
    found = only(known(heap(), lately={"x.test": dataclasses.replace(REFUSED, failed=NOW - since)}))
    assert found.way is way
    assert "connection refused" in found.why
    assert found.why.endswith('ago: "defer (111): Connection refused"')
    nameless = dataclasses.replace(REFUSED, failed=NOW - since, cause=None)
    assert "failure " in only(known(heap(), lately={"x.test": nameless})).why


@pytest.mark.parametrize(("ahead", "way"), [(5, Way.PROVEN), (6, Way.UNTRIED)])
def test_a_delivery_in_the_future_proves_nothing(ahead, way):
    lately = Lately(NOW + timedelta(seconds=ahead), None, 0, 0, None, "")
    assert only(known(heap(), lately={"x.test": lately})).way is way


def test_what_it_waits_for_is_over_when_it_comes():
    hosts = {"x.test": frozenset({"192.0.2.7"})}
    assert only(known(heap(), hints=[hint(HOST, following=NOW)], hosts=hosts)).way is Way.UNTRIED
    assert only(known(heap(), hints=[hint(HOST, following=NOW + SECOND)], hosts=hosts)).way is Way.HINTED


def test_the_deadline_is_also_that_of_hints_on_its_addresses_alone():
    address = hint("address joe@x.test", first=ago(days=3))
    assert only(known(heap(), hints=[address])).deadline == ago(days=3) + CUTOFF
    for other in (hint("address joe@y.test", first=ago(days=3)), hint("route y.test", first=ago(days=3))):
        assert only(known(heap(), hints=[other])).deadline == ago(hours=1) + CUTOFF


def test_the_most_come_first_then_by_name():
    found = judge(known(heap("b.test", 2), heap("c.test", 9), heap("a.test", 2)))
    assert [one.domain for one in found] == ["c.test", "a.test", "b.test"]


def test_what_is_left_is_told_in_one_line():
    proven = only(known(heap(), lately={"x.test": Lately(ago(minutes=3), None, 0, 0, None, "")}))
    took = "took a message 3 min 0 s ago"
    assert verdict(proven, NOW) == f"x.test: 5 messages, oldest 1 h 0 min; {proven.way.value}, {took}"
    untried = only(known(heap()))
    ends = f"{ago(hours=1) + CUTOFF:%Y-%m-%d %H:%M} UTC"
    said = f"x.test: 5 messages, oldest 1 h 0 min; {untried.way.value}: {untried.why}"
    assert verdict(untried, NOW) == f"{said}; a failed attempt bounces from {ends}"
    assert untried.deadline is not None
    assert verdict(untried, untried.deadline).endswith(f"A FAILED ATTEMPT BOUNCES since {ends}")
    assert verdict(dataclasses.replace(untried, deadline=None), NOW) == f"{said}; no bounce deadline is known"
    assert row(dataclasses.replace(untried, deadline=None))["deadline"] == ""
