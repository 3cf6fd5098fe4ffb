"""Test mails through an MTA: which are sent, and what became of each."""

import re

import pytest

from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.mail import Followed
from mxlib.probes import outbound
from mxlib.probes.outbound import OutboundStage, ProbeOutcome, judge, plan_mails, send
from tests.unit.support.facts import FIXTURES, fixture, output
from tests.unit.support.sent_mails import RECORDED, V4, V6, recorded, run_of


def test_what_is_sent():
    assert [(mail.probe.name, mail.size, mail.number) for mail in plan_mails((V4, V6))] == [
        ("provider-v4", 2048, 1),
        ("provider-v4", 262144, 1),
        ("provider-v6", 2048, 1),
        ("provider-v6", 2048, 2),
    ]


def test_no_two_mails_have_the_same_tag():
    assert len({mail.tag for mail in (*plan_mails((V4, V6)), *plan_mails((V4, V6)))}) == 8


def test_delivered():
    run = recorded("delivered")
    assert [result.outcome for result in run.results] == [ProbeOutcome.DELIVERED] * 4
    assert [result.family for result in run.results] == [4, 4, 6, 6]


def test_a_stall_after_the_body_is_named():
    large = recorded("stall-after-data").results[1]
    assert (large.outcome, large.stage, large.remote) == (ProbeOutcome.FAILED, OutboundStage.ATTEMPT, "198.51.100.10")
    assert large.text.startswith("timeout after end of data: ")
    assert not large.left


def test_a_mail_that_is_still_under_way_is_said_to_be_left():
    large = recorded("stall-timeout").results[1]
    assert (large.outcome, large.left) == (ProbeOutcome.TIMEOUT, f"Message {large.message_id} is locked")


@pytest.mark.parametrize(("name", "cause"), [("remote-4xx", "remote answered 4xx"), ("refused", "connection refused")])
def test_what_the_remote_does_is_a_failure(name, cause):
    run = recorded(name)
    assert run.results[0].outcome is ProbeOutcome.FAILED
    assert run.results[0].text.startswith(cause)


@pytest.mark.parametrize(
    ("name", "outcome"), [("untried-defer", ProbeOutcome.UNTRIED), ("untried-bounce", ProbeOutcome.BOUNCED)]
)
def test_what_hints_kept_from_being_tried_waits_or_has_bounced(name, outcome):
    assert {result.outcome for result in recorded(name).results} == {outcome}


def test_tried_and_untried_mails_of_one_run():
    assert {result.outcome for result in recorded("refused").results} == {ProbeOutcome.FAILED, ProbeOutcome.UNTRIED}


def test_a_delivery_without_an_answer_of_the_remote_is_unknown():
    run = run_of(re.sub(r' C="[^"]*"', "", fixture("probe/delivered.txt")))
    assert {(result.outcome, result.stage) for result in run.results} == {(ProbeOutcome.UNKNOWN, OutboundStage.CONFIRM)}


def test_a_delivery_that_is_not_completed_is_no_success():
    text = "".join(line for line in fixture("probe/delivered.txt").splitlines(keepends=True) if "Completed" not in line)
    assert {result.outcome for result in run_of(text).results} == {ProbeOutcome.TIMEOUT}


def test_a_refused_submission_and_a_mail_without_a_trace():
    lines = fixture("probe/delivered.txt").splitlines(keepends=True)
    text = "".join(
        line.replace("01 0 ", "01 1 exim: no space") if line.startswith("submitted") else line for line in lines
    )
    first = run_of(text).results[0]
    assert (first.outcome, first.stage, first.text) == (
        ProbeOutcome.FAILED,
        OutboundStage.SUBMIT,
        "submission ended with 1: exim: no space",
    )
    traceless = "".join(line for line in lines if not line.startswith("id "))
    assert {result.outcome for result in run_of(traceless).results} == {ProbeOutcome.UNKNOWN}


def test_a_mail_that_was_not_sent_after_one_that_did_not_get_through_is_unknown():
    last = "submitted 00000000-0000-4000-8000-000000000004 0 \n"
    text = fixture("probe/delivered.txt")
    assert last in text
    result = run_of(text.replace(last, "")).results[-1]
    assert (result.outcome, result.text) == (ProbeOutcome.UNKNOWN, "not sent: one before it did not get through")


def test_what_an_mta_says_is_one_line():
    (mail, *_) = plan_mails((V4,))
    assert judge(mail, Followed(1, "no\nspace\x1b[31m", "", (), "")).text == "submission ended with 1: no space"


def test_the_fixtures_are_the_recorded_ones():
    assert {path.stem for path in (FIXTURES / "probe").glob("*.txt")} == set(RECORDED)


# --- sending


class Agent:
    """An MTA that sends nothing, and was asked for what is kept here."""

    def __init__(self):
        self.asked = []

    def probe(self, mails, sender, run_tag, patience_s, *, force):
        self.asked.append((sender, run_tag, patience_s, force))
        section = Section("sending", "# send")
        return Source("sending", (section,), lambda outputs: tuple(Followed(1, "no", "", (), "") for _ in mails))


def tracked(invalid):
    return f"entries invalid drop\n00000001 {invalid:08x} 00000000\ncount 1\nmax 100\n"


def fast_open(holes):
    return f"TcpExt: TCPFastOpenActive TCPFastOpenBlackhole\nTcpExt: 3 {holes}\n"


COUNTED = {
    "before-conntrack": tracked(16),
    "after-conntrack": tracked(88),
    "before-fastopen": fast_open(0),
    "after-fastopen": fast_open(1),
}


def sent(monkeypatch, *, force=False, **printed):
    """Send through an MTA that refuses everything; ``printed`` replaces what the host's counters say."""
    answers = COUNTED | {name.replace("_", "-"): text for name, text in printed.items()}
    commands = []

    def run_sections(host, sections, what):
        commands.append((what, [section.name for section in sections]))
        return {section.name: output(section, answers.get(section.name, "")) for section in sections}

    monkeypatch.setattr(outbound, "run_sections", run_sections)
    agent = Agent()
    return send(agent, None, plan_mails((V6,)), "probe@world.test", "r1", 0.2, force=force), agent, commands


def test_counters_are_read_around_the_mails_in_one_command(monkeypatch):
    run, agent, commands = sent(monkeypatch)
    around = ["before-conntrack", "before-fastopen", "sending", "after-conntrack", "after-fastopen"]
    assert commands == [("send 2 test mails", around)]
    assert (run.conntrack, run.fastopen) == (
        {"invalid": 72, "drop": 0},
        {"TCPFastOpenActive": 0, "TCPFastOpenBlackhole": 1},
    )
    assert [result.outcome for result in run.results] == [ProbeOutcome.FAILED] * 2
    assert run.source.name == "sending"
    assert agent.asked == [("probe@world.test", "r1", 1, False)], "an MTA waits for whole seconds, at least one"


def test_mails_can_be_forced_past_what_the_mta_remembers(monkeypatch):
    _, agent, _ = sent(monkeypatch, force=True)
    assert agent.asked[0][-1] is True


@pytest.mark.parametrize("garbled", ["", "cat: /proc/net/netstat: No such file", "entries invalid\n0000000x 00\n"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_counters_that_cannot_be_read_cost_no_mail(monkeypatch, when, garbled):
    blind, _, _ = sent(monkeypatch, **{f"{when}_conntrack": garbled})
    assert (blind.conntrack, len(blind.results)) == (None, 2)
    assert blind.fastopen is not None
    blind, _, _ = sent(monkeypatch, **{f"{when}_fastopen": garbled})
    assert (blind.fastopen, len(blind.results)) == (None, 2)
    assert blind.conntrack is not None
