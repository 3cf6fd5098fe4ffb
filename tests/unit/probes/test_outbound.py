import dataclasses
import re

import pytest

from mxlib.base.errors import CommandTimeoutError, ParseError
from mxlib.base.verdict import Status
from mxlib.config.probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.mta.exim.probe import build, parse
from mxlib.probes import verdicts as probe
from mxlib.probes.judge import judge_outbound
from mxlib.probes.outbound import OutboundRun, Outcome, Stage, judge, plan_mails
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import FIXTURES, NOW, ShellHost, fixture, output

V4 = OutboundProbe("provider-v4", "user1@v4.provider.test", 4, times=1)
V6 = OutboundProbe("provider-v6", "user1@v6.provider.test", 6, sizes=(2048,))
SECTION = ProbeSection("probe@world.test", (V4, V6), InboundProbe(("user1@lab.test",)))


def run_of(text, growth=None):
    mails = [
        dataclasses.replace(mail, tag=f"00000000-0000-4000-8000-{number:012d}")
        for number, mail in enumerate(plan_mails((V4, V6)), start=1)
    ]
    section = build(mails, "probe@world.test", "r1", 30)
    sent = output(section, text)
    lost = growth if growth is not None else {"invalid": 0, "drop": 0}
    results = tuple(judge(mail, seen) for mail, seen in zip(mails, parse(text, mails), strict=True))
    return OutboundRun(results, lost, sent, {"TCPFastOpenActive": 4, "TCPFastOpenBlackhole": 0})


def recorded(name):
    return run_of(fixture(f"probe/{name}.txt"))


def statuses(run):
    return [(verdict.check, verdict.status) for verdict in judge_outbound(run, VerifyPolicy())]


def of_mails(run):
    return {status for check, status in statuses(run) if check.startswith("outbound-")}


def status_of(run, check):
    return dict(statuses(run))[check]


def test_what_is_sent():
    mails = plan_mails((V4, V6))
    assert [(mail.probe.name, mail.size, mail.number) for mail in mails] == [
        ("provider-v4", 2048, 1),
        ("provider-v4", 262144, 1),
        ("provider-v6", 2048, 1),
        ("provider-v6", 2048, 2),
    ]
    script = build(mails, "probe@world.test", "r1", 30).script
    assert script.count("\nmail ") == 4
    assert script.count("\nsettle\n") == 2
    assert script.index("number 2") > script.index("settle\n", script.index("number 1"))


@pytest.mark.parametrize(("sender", "tag"), [("a@b; reboot", "r1"), ("probe@world.test", "$(reboot)"), ("", "r1")])
def test_what_is_not_fit_for_a_command_is_refused(sender, tag):
    with pytest.raises(ParseError):
        build(plan_mails((V4,)), sender, tag, 30)


def test_delivered():
    run = recorded("delivered")
    assert [result.outcome for result in run.results] == [Outcome.DELIVERED] * 4
    assert [result.family for result in run.results] == [4, 4, 6, 6]
    assert statuses(run) == [
        ("outbound-provider-v4", Status.OK),
        ("outbound-provider-v6", Status.OK),
        ("conntrack-growth", Status.OK),
        ("fastopen-growth", Status.OK),
    ]


def test_a_stall_after_the_body_is_named():
    large = recorded("stall-after-data").results[1]
    assert (large.outcome, large.stage, large.remote) == (Outcome.FAILED, Stage.ATTEMPT, "198.51.100.10")
    assert large.text.startswith("timeout after end of data: ")
    assert not large.left
    assert statuses(recorded("stall-after-data"))[0] == ("outbound-provider-v4", Status.FAILED)


def test_a_mail_that_is_still_under_way_is_said_to_be_left():
    run = recorded("stall-timeout")
    large = run.results[1]
    assert (large.outcome, large.left) == (Outcome.TIMEOUT, f"Message {large.message_id} is locked")
    verdict = judge_outbound(run, VerifyPolicy())[0]
    assert verdict.status is Status.FAILED
    assert f"STILL IN THE QUEUE as {large.message_id}" in verdict.why


@pytest.mark.parametrize(("name", "cause"), [("remote-4xx", "remote answered 4xx"), ("refused", "connection refused")])
def test_what_the_remote_does_is_a_failure(name, cause):
    run = recorded(name)
    assert run.results[0].outcome is Outcome.FAILED
    assert run.results[0].text.startswith(cause)
    assert statuses(run)[0][1] is Status.FAILED


@pytest.mark.parametrize("name", ["untried-defer", "untried-bounce"])
def test_what_was_not_tried_is_unknown_and_never_failed(name):
    run = recorded(name)
    assert {result.outcome for result in run.results} == {Outcome.UNTRIED}
    assert of_mails(run) == {Status.UNKNOWN}


def test_one_tried_failure_weighs_more_than_what_was_not_tried():
    run = recorded("refused")
    assert {result.outcome for result in run.results} == {Outcome.FAILED, Outcome.UNTRIED}
    assert of_mails(run) == {Status.FAILED}


def test_another_family_than_asked_for_proves_nothing_about_it():
    text = fixture("probe/delivered.txt").replace("[2001:db8:51::10]", "[198.51.100.10]")
    verdict = judge_outbound(run_of(text), VerifyPolicy())[1]
    assert verdict.status is Status.UNKNOWN
    assert "over IPv4, so IPv6 is not known" in verdict.why


def test_a_delivery_without_an_answer_of_the_remote_is_unknown():
    run = run_of(re.sub(r' C="[^"]*"', "", fixture("probe/delivered.txt")))
    assert {(result.outcome, result.stage) for result in run.results} == {(Outcome.UNKNOWN, Stage.CONFIRM)}


def test_a_delivery_that_is_not_completed_is_no_success():
    text = "".join(line for line in fixture("probe/delivered.txt").splitlines(keepends=True) if "Completed" not in line)
    assert {result.outcome for result in run_of(text).results} == {Outcome.TIMEOUT}


def test_a_refused_submission_and_a_mail_without_a_trace():
    lines = fixture("probe/delivered.txt").splitlines(keepends=True)
    text = "".join(
        line.replace("01 0 ", "01 1 exim: no space") if line.startswith("submitted") else line for line in lines
    )
    first = run_of(text).results[0]
    assert (first.outcome, first.stage, first.text) == (
        Outcome.FAILED,
        Stage.SUBMIT,
        "submission ended with 1: exim: no space",
    )
    traceless = "".join(line for line in lines if not line.startswith("id "))
    assert {result.outcome for result in run_of(traceless).results} == {Outcome.UNKNOWN}


@pytest.mark.parametrize("text", ["", "submitted x 0\n", "id a b\nopen 0\n"])
def test_an_account_that_is_cut_short_is_no_account(text):
    with pytest.raises(ParseError):
        run_of(text)


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


def test_after_a_failure_no_further_mail_is_sent_to_that_destination():
    mails = plan_mails((V4, V6))
    first, second = [mail.tag for mail in mails if mail.probe == V6]
    script = build(mails, "probe@world.test", "r1", 30).script
    calls = [line for line in script.splitlines() if line.startswith("mail ")]
    (again,) = [line for line in calls if line.startswith(f"mail {second} ")]
    assert again.endswith(f" '{first}'")
    assert all(line.endswith(" ''") for line in calls if line != again)
    last = "submitted 00000000-0000-4000-8000-000000000004 0 \n"
    text = fixture("probe/delivered.txt")
    assert last in text
    result = run_of(text.replace(last, "")).results[-1]
    assert (result.outcome, result.text) == (Outcome.UNKNOWN, "not sent: one before it did not get through")


class Deaf(ShellHost):
    def __init__(self, error=None):
        self.error = error

    def act(self, script, *, timeout, ok_codes=(0,)):
        if self.error:
            raise self.error
        return CommandResult(script, 0, "", NOW, 0.0)


def test_a_dry_run_sends_nothing_and_knows_nothing():
    verdicts = probe.outbound(Deaf(), SECTION, "r1")
    assert [(verdict.check, verdict.status) for verdict in verdicts] == [
        ("outbound-provider-v4", Status.UNKNOWN),
        ("outbound-provider-v6", Status.UNKNOWN),
    ]


def test_what_hints_kept_from_being_tried_is_insisted_on_when_asked(monkeypatch):
    sent = []

    def send(_mta, host, mails, sender, run_tag, patience_s, *, force=False):
        sent.append(([mail.probe for mail in mails], force))
        return recorded("delivered" if force else "untried-bounce")

    monkeypatch.setattr(probe, "send", send)
    untried = {result.mail.probe for result in recorded("untried-bounce").results if result.outcome is Outcome.UNTRIED}
    assert untried
    assert Status.UNKNOWN in {one.status for one in probe.outbound(Deaf(), SECTION, "r1")}
    assert len(sent) == 1
    verdicts = probe.outbound(Deaf(), SECTION, "r1", insist=True)
    assert {one.status for one in verdicts} == {Status.OK}, "also what was counted meanwhile"
    assert sent[-1][1]
    assert set(sent[-1][0]) == untried


def test_a_host_that_does_not_come_back_is_unknown():
    verdicts = probe.outbound(Deaf(CommandTimeoutError("no end in 100 s")), SECTION, "r1")
    assert {verdict.status for verdict in verdicts} == {Status.UNKNOWN}
    assert "no end in 100 s" in verdicts[0].why


def test_the_fixtures_are_the_recorded_ones():
    assert {path.stem for path in (FIXTURES / "probe").glob("*.txt")} >= {"delivered", "refused", "untried-bounce"}
