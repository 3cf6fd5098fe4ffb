"""Several hosts verified at the same time, each beside the others."""

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status
from mxlib.checks import disk
from mxlib.checks.check import Outside, failed
from mxlib.verify.fleet import compare, peers_of, verify_hosts
from mxlib.verify.request import VerificationScope
from tests.unit.support.verifying import MX1, MX2, MX3, POLICY, PROBES, Recorded, found_on, report, verdict


def test_all_checks_take_one_round_trip():
    host = Recorded()
    (found,) = verify_hosts([host], VerificationScope(POLICY))
    assert host.asked == 1
    assert found.status is Status.OK, [v.why for v in found.verdicts if not v.passed]
    assert {one.check for one in found.verdicts} == set(VerificationScope(POLICY).names)
    assert len(found.verdicts) == 18


def test_a_host_that_cannot_be_reached_is_unknown(world):
    (found,) = verify_hosts([Recorded(error=HostUnreachableError("no session"))], VerificationScope(POLICY))
    assert {one.status for one in found.verdicts} == {Status.UNKNOWN}
    assert "no session" in found.verdicts[0].why


def test_everything_that_was_asked_for_has_one_verdict(world):
    request = VerificationScope(POLICY, probes=PROBES)
    for found in verify_hosts([Recorded(), Recorded(MX2, "mx2001")], request):
        assert sorted(one.check for one in found.verdicts) == sorted(request.names)


def test_how_many_have_answered_and_who_is_waited_for_is_shown(world):
    shown = []
    hosts = [Recorded(), Recorded(MX2, "mx2001")]
    verify_hosts(
        hosts, VerificationScope(POLICY, probes=PROBES), (), lambda text, share: shown.append((text, share.done))
    )
    assert [done for _text, done in shown] == [0, 1, 2, 3, 4]
    assert shown[0][0] == f"verify: 0 of 4 answers, waiting for {MX1}, {MX2}, sessions with {MX1}, sessions with {MX2}"
    assert shown[-1][0] == "verify: 4 of 4 answers"


def test_facts_and_sessions_with_others_take_one_round_trip(world):
    one, other = Recorded(), Recorded(MX2, "mx2001")
    first, second = verify_hosts([one, other], VerificationScope(POLICY, probes=PROBES))
    assert (one.asked, other.asked) == (1, 1)
    assert found_on(first, "inbound-peers").passed
    assert MX1 in found_on(second, "inbound-peers").why


def test_only_what_was_asked_for_is_sent_and_read(world):
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES, only=("outbound-lists", "disk")))
    assert [one.check for one in found.verdicts] == ["disk", "outbound-lists"]
    assert world.mails == [(MX1, ["lists"], "verify")]
    assert world.sessions == []
    (skipped,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES, skip=("certificate", "queue")))
    assert not {"certificate", "queue"} & {one.check for one in skipped.verdicts}


def test_the_counters_alone_can_be_asked_for(world):
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES, only=("fastopen-growth",)))
    assert [one.check for one in found.verdicts] == ["fastopen-growth"]
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]


def test_a_neighbour_asks_and_is_no_report_of_its_own(world):
    neighbour = Recorded(MX2, "mx2001")
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [neighbour])
    assert found.host == MX1
    assert neighbour.asked == 1
    assert found_on(found, "inbound-peers").passed
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]


def test_a_peer_that_is_refused_is_reported_with_what_the_management_host_heard(world):
    (found,) = verify_hosts(
        [Recorded()], VerificationScope(POLICY, probes=PROBES), [Recorded(MX2, "mx2001", hears="550")]
    )
    told = found_on(found, "inbound-peers")
    assert told.status is Status.FAILED
    assert "from mx2001.lab.test over IPv4" in told.why
    assert "the way between the two?" in told.why


def test_a_peer_that_cannot_ask_proves_nothing(world):
    dead = Recorded(MX2, "mx2001", HostUnreachableError("no session"))
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [dead])
    assert found_on(found, "inbound-peers").status is Status.UNKNOWN
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [dead, Recorded(MX3, "mx2001")])
    assert found_on(found, "inbound-peers").passed


def test_without_another_mx_there_is_nothing_to_compare(world):
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES))
    assert found_on(found, "inbound-peers").passed
    assert "no other MX" in found_on(found, "same-answers").why


@pytest.mark.parametrize(
    ("codes", "wrong"),
    [
        ({MX1: 250, MX2: 250, MX3: 250}, set()),
        ({MX1: 250, MX2: 550, MX3: 250}, {MX2}),
        ({MX1: 250, MX2: 550}, {MX1, MX2}),
    ],
)
def test_the_odd_answer_is_named(world, codes, wrong):
    world.codes = {name: {"new-queue@lab.test": code} for name, code in codes.items()}
    reports = verify_hosts([Recorded(name) for name in codes], VerificationScope(POLICY, probes=PROBES))
    told = {report.host: found_on(report, "same-answers") for report in reports}
    assert {name for name, one in told.items() if one.status is Status.FAILED} == wrong
    assert all("new-queue@lab.test: " in told[name].why for name in wrong)


def test_where_the_site_says_what_is_right_only_the_wrong_one_is_named(world):
    world.codes = {MX1: {"user1@lab.test": 250}, MX2: {"user1@lab.test": 550}}
    reports = verify_hosts([Recorded(), Recorded(MX2, "mx2001")], VerificationScope(POLICY, probes=PROBES))
    assert [report.host for report in reports if not found_on(report, "same-answers").passed] == [MX2]


def test_an_mx_that_answers_nothing_cannot_be_compared(world):
    world.codes = {MX1: {}}
    first, second = verify_hosts([Recorded(), Recorded(MX2, "mx2001")], VerificationScope(POLICY, probes=PROBES))
    assert {found_on(first, "same-answers").status, found_on(second, "same-answers").status} == {Status.UNKNOWN}


def test_peers_share_the_work():
    assert peers_of("b", ["a", "b", "c", "d"], 2) == ("c", "d")
    assert peers_of("d", ["a", "b", "c", "d"], 2) == ("a", "b")
    assert peers_of("a", ["a"], 2) == ()
    assert peers_of("a", ["a", "b"], 5) == ("b",)


def test_a_budget_that_is_used_up_is_unknown(world):
    def reserve(host, mails):
        return {"lists": "the budget is 3"} if host == MX1 else {one.name: "no budget" for one in mails}

    request = VerificationScope(POLICY, probes=PROBES, reserve=reserve)
    reports = {one.host: one for one in verify_hosts([Recorded(), Recorded(MX2, "mx2001")], request)}
    assert world.mails == [(MX1, ["provider"], "verify")]
    assert (found_on(reports[MX1], "outbound-lists").status, found_on(reports[MX1], "outbound-lists").why) == (
        Status.UNKNOWN,
        "the budget is 3",
    )
    assert found_on(reports[MX2], "conntrack-growth").why == "no test mail was sent"


def test_a_check_from_outside(world):
    seen = []

    def judge(host, facts):
        seen.append((host, facts.get(disk.source(POLICY))[0].path))
        return failed("the hypervisor says so", "a line")

    outside = Outside("hypervisor", "asks it", (disk.source(POLICY),), judge)
    request = VerificationScope(POLICY, outside=(outside,), only=("hypervisor",))
    (found,) = verify_hosts([Recorded()], request)
    assert [(one.check, one.status, one.why) for one in found.verdicts] == [
        ("hypervisor", Status.FAILED, "the hypervisor says so")
    ]
    assert "a line" in found.verdicts[0].evidence[0].output
    assert seen == [(MX1, "/var/spool/exim4")]
    (silent,) = verify_hosts([Recorded(error=HostUnreachableError("no session"))], request)
    assert silent.status is Status.UNKNOWN


def test_hosts_are_listed_worst_first():
    hosts = [Recorded("mx1001.lab.test"), Recorded("mx2001.lab.test", "mx2001", HostUnreachableError("no session"))]
    found = verify_hosts(hosts, VerificationScope(POLICY))
    assert [(one.host, one.status) for one in found] == [
        ("mx2001.lab.test", Status.UNKNOWN),
        ("mx1001.lab.test", Status.OK),
    ]


def test_a_control_separates_the_world_from_the_host():
    bad, good = verdict("outbound-x", Status.FAILED), verdict("outbound-x", Status.OK)
    blind = verdict("outbound-x", Status.UNKNOWN)
    here, there = compare([report("a", bad), report("b", good)])
    assert here.verdicts[0].why == "THIS HOST is at fault, it passes on b: because"
    assert there.verdicts[0].why == "because"
    both = compare([report("a", bad), report("b", bad)])
    assert "REMOTE END or the way to it, it fails on b too" in both[0].verdicts[0].why
    unknown = compare([report("a", bad), report("b", blind)])
    assert unknown[0].verdicts[0].why == "whose fault is unknown, so is its result on b: because"
    hinted = verdict("outbound-x", Status.FAILED, "1st: not tried, and bounced")
    first, second = compare([report("a", bad), report("b", hinted)])
    assert first.verdicts[0].why.startswith("whose fault is unknown"), "hints on b say nothing about a"
    assert "REMOTE END" in second.verdicts[0].why
    assert "THIS HOST" in compare([report("a", hinted), report("b", good)])[0].verdicts[0].why
    alone = compare([report("a", bad)])
    assert alone[0].verdicts[0].why == "because"


NOT_PUT_IN = "no test mail could be put in: submission ended with 1: exim: configuration error"


PARTLY_PUT_IN = "2 of 4 delivered to x; 9 bytes, 1st: failed, submission ended with 1: no"


@pytest.mark.parametrize("why", [NOT_PUT_IN, PARTLY_PUT_IN])
def test_mail_that_was_not_put_in_is_compared_with_nothing_and_blames_no_remote_end(why):
    bad, good = verdict("outbound-x", Status.FAILED), verdict("outbound-x", Status.OK)
    local = verdict("outbound-x", Status.FAILED, why)
    own = f"THIS HOST is at fault, its MTA did not take the test mail: {why}"
    assert [one.verdicts[0].why for one in compare([report("a", local), report("b", local)])] == [own, own]
    here, there = compare([report("a", local), report("b", bad)])
    assert here.verdicts[0].why == own
    assert there.verdicts[0].why == "whose fault is unknown, so is its result on a: because"
    assert compare([report("a", local), report("b", good)])[0].verdicts[0].why == own
    assert compare(compare([report("a", local)]))[0].verdicts[0].why == own


def test_mail_that_was_not_put_in_is_not_repeated_on_a_neighbour(world):
    world.failing = {(MX1, "provider")}
    world.why = NOT_PUT_IN
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [Recorded(MX2, "mx2001")])
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]
    assert found_on(found, "outbound-provider").why.startswith("THIS HOST is at fault, its MTA did not take")


def test_what_fails_on_one_host_is_repeated_on_a_neighbour(world):
    world.failing = {(MX1, "provider")}
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [Recorded(MX2, "mx2001")])
    assert world.mails == [(MX1, ["provider", "lists"], "verify"), (MX2, ["provider"], "verify")]
    assert "THIS HOST is at fault, it passes on mx2001.lab.test" in found_on(found, "outbound-provider").why
    world.failing.add((MX2, "provider"))
    (found,) = verify_hosts([Recorded()], VerificationScope(POLICY, probes=PROBES), [Recorded(MX2, "mx2001")])
    assert "REMOTE END" in found_on(found, "outbound-provider").why
