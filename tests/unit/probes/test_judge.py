"""Judging test mails and sessions from outside."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.verdict import Status
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.probes.judge import (
    describe_answer,
    is_about_now,
    judge_certificate,
    judge_inbound,
    judge_outbound,
    unsent,
    was_tried,
)
from mxlib.probes.outbound import OutboundRun, OutboundStage, ProbeOutcome
from tests.unit.support.facts import NOW, fixture
from tests.unit.support.sent_mails import recorded, run_of


def statuses(run):
    return [(verdict.check, verdict.status) for verdict in judge_outbound(run, VerifyPolicy())]


def of_mails(run):
    return {status for check, status in statuses(run) if check.startswith("outbound-")}


def status_of(run, check):
    return dict(statuses(run))[check]


def test_delivered():
    assert statuses(recorded("delivered")) == [
        ("outbound-provider-v4", Status.OK),
        ("outbound-provider-v6", Status.OK),
        ("conntrack-growth", Status.OK),
        ("fastopen-growth", Status.OK),
    ]


def test_one_mail_that_stalled_fails_its_destination():
    assert statuses(recorded("stall-after-data"))[0] == ("outbound-provider-v4", Status.FAILED)


def test_a_mail_that_is_still_under_way_is_said_to_be_left():
    run = recorded("stall-timeout")
    verdict = judge_outbound(run, VerifyPolicy())[0]
    assert verdict.status is Status.FAILED
    assert f"STILL IN THE QUEUE as {run.results[1].message_id}" in verdict.why


@pytest.mark.parametrize("name", ["remote-4xx", "refused"])
def test_what_the_remote_does_is_a_failure(name):
    assert statuses(recorded(name))[0][1] is Status.FAILED


def test_what_waits_untried_is_unknown_and_what_comes_back_untried_has_failed():
    assert of_mails(recorded("untried-defer")) == {Status.UNKNOWN}
    assert of_mails(recorded("untried-bounce")) == {Status.FAILED}
    bounced, waits = (judge_outbound(recorded(f"untried-{how}"), VerifyPolicy())[0] for how in ("bounce", "defer"))
    assert "not tried, and bounced, ** user1@" in bounced.why
    assert not is_about_now(bounced)
    assert not is_about_now(waits)
    assert is_about_now(judge_outbound(recorded("refused"), VerifyPolicy())[0])


def test_one_tried_failure_weighs_more_than_what_was_not_tried():
    assert of_mails(recorded("refused")) == {Status.FAILED}


def test_another_family_than_asked_for_proves_nothing_about_it():
    text = fixture("probe/delivered.txt").replace("[2001:db8:51::10]", "[198.51.100.10]")
    verdict = judge_outbound(run_of(text), VerifyPolicy())[1]
    assert verdict.status is Status.UNKNOWN
    assert "over IPv4, so IPv6 is not known" in verdict.why


@pytest.mark.parametrize(
    ("growth", "status"),
    [
        ({"invalid": 100}, Status.OK),
        ({"invalid": 60, "drop": 41}, Status.FAILED),
        ({"invalid": -1}, Status.UNKNOWN),
        ({}, Status.OK),
    ],
)
def test_lost_packets_meanwhile(growth, status):
    assert status_of(run_of(fixture("probe/delivered.txt"), growth), "conntrack-growth") is status


def test_counters_that_cannot_be_read_are_unknown():
    run = recorded("delivered")
    blind = OutboundRun(run.results, None, run.source)
    assert status_of(blind, "conntrack-growth") is Status.UNKNOWN
    assert status_of(blind, "fastopen-growth") is Status.UNKNOWN


@pytest.mark.parametrize(
    ("growth", "status"),
    [
        ({"TCPFastOpenActive": 2, "TCPFastOpenActiveFail": 2, "TCPFastOpenBlackhole": 0}, Status.OK),
        ({"TCPFastOpenActive": 2, "TCPFastOpenBlackhole": 1}, Status.FAILED),
        ({"TCPFastOpenActive": -3}, Status.UNKNOWN),
    ],
)
def test_a_black_hole_of_fast_open(growth, status):
    run = dataclasses.replace(recorded("delivered"), fastopen=growth)
    assert status_of(run, "fastopen-growth") is status


def test_a_host_that_takes_no_mail_at_all_says_so_in_the_same_words_for_each_destination():
    tags = [f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3, 4)]
    text = "".join(f"submitted {tag} 1 exim: insufficient disk space\n" for tag in tags)
    verdicts = judge_outbound(run_of(f"{text}open 0\n"), VerifyPolicy())[:2]
    assert {(one.status, one.why) for one in verdicts} == {
        (Status.FAILED, "no test mail could be put in: submission ended with 1: exim: insufficient disk space")
    }
    assert not any(was_tried(one) for one in verdicts)
    assert was_tried(judge_outbound(recorded("refused"), VerifyPolicy())[0])


@pytest.mark.parametrize("first", [True, False])
def test_of_mails_that_failed_one_that_was_put_in_decides(first):
    run = recorded("refused")
    one = run.results[0]
    assert one.stage is OutboundStage.ATTEMPT
    refused = dataclasses.replace(one, stage=OutboundStage.SUBMIT, text="submission ended with 1: exim: no")
    pair = (refused, one) if first else (one, refused)
    verdict = judge_outbound(dataclasses.replace(run, results=pair), VerifyPolicy())[0]
    assert one.text in verdict.why
    assert was_tried(verdict)


def test_a_destination_for_which_only_what_was_not_put_in_failed_was_not_tried():
    run = recorded("delivered")
    one = run.results[0]
    refused = dataclasses.replace(
        one, outcome=ProbeOutcome.FAILED, stage=OutboundStage.SUBMIT, text="submission ended with 1: exim: too big"
    )
    verdict = judge_outbound(dataclasses.replace(run, results=(one, refused)), VerifyPolicy())[0]
    assert verdict.status is Status.FAILED
    assert not was_tried(verdict)


def test_where_nothing_could_be_sent_every_destination_is_unknown():
    assert [(one.check, one.status, one.why) for one in unsent(["a", "b"], "no\nsession\x1b[31m")] == [
        ("outbound-a", Status.UNKNOWN, "no session"),
        ("outbound-b", Status.UNKNOWN, "no session"),
    ]


# --- sessions


UNTIL = datetime(2027, 1, 20, 2, 12, tzinfo=UTC)


def session(*answers, family=4, until=UNTIL):
    return InboundResult("mx1001.lab.test", "192.0.2.11", family, answers, until, NOW)


GREETED = Answer(InboundStage.BANNER, "", 220, "hello", right=True)
KNOWN = Answer(InboundStage.ACCEPTED, "user1@lab.test", 250, "OK", right=True)
REFUSED = Answer(InboundStage.ACCEPTED, "user1@lab.test", 550, "unknown user", right=False)
UNANSWERED = Answer(InboundStage.RESOLVE, "", None, "no address", right=None)


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ((GREETED, KNOWN), Status.OK, "1 recipients answered as they must"),
        ((GREETED, REFUSED), Status.FAILED, "RCPT of a known recipient user1@lab.test: 550 unknown user"),
        ((UNANSWERED,), Status.UNKNOWN, "name lookup: no address"),
        ((UNANSWERED, REFUSED), Status.FAILED, "550"),
        ((GREETED,), Status.UNKNOWN, "did not come to its recipients"),
    ],
)
def test_a_session(answers, status, words):
    verdict = judge_inbound(session(*answers, family=6))
    assert (verdict.check, verdict.status) == ("inbound-v6", status)
    assert words in verdict.why
    assert verdict.evidence[0].output.splitlines() == [describe_answer(answer) for answer in answers]


@pytest.mark.parametrize(("days", "status"), [(60, Status.FAILED), (59, Status.OK), (70, Status.FAILED)])
def test_the_certificate_ages(days, status):
    policy = VerifyPolicy(certificate_days=days)
    assert judge_certificate([session(KNOWN)], policy, NOW + timedelta(minutes=1)).status is status


def test_the_certificate_that_ends_first_counts():
    late = session(KNOWN, until=UNTIL + timedelta(days=300))
    policy = VerifyPolicy(certificate_days=90)
    assert judge_certificate([late, session(KNOWN)], policy, NOW).status is Status.FAILED
    found = judge_certificate([late, session(KNOWN, until=None)], policy, NOW)
    assert (found.status, found.why) == (Status.OK, f"valid for another {(UNTIL - NOW).days + 300} days")


def test_without_a_certificate_its_age_is_unknown():
    assert judge_certificate([session(GREETED, until=None)], VerifyPolicy(), NOW).status is Status.UNKNOWN
