"""Test mails and sessions, asked for and judged."""

import dataclasses
from datetime import UTC, datetime
from threading import Barrier

import pytest

from mxlib.base.errors import CommandTimeoutError
from mxlib.base.verdict import Status
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.probes import verdicts as probe
from mxlib.probes.outbound import OutboundRun, ProbeOutcome
from mxlib.probes.verdicts import Untried
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import NOW, ShellHost
from tests.unit.support.sent_mails import SECTION, V4, V6, recorded


class Mute(ShellHost):
    """A host that prints nothing, as in a dry run, or fails."""

    def __init__(self, error=None):
        self.error = error

    def act(self, script, *, timeout, ok_codes=(0,)):
        if self.error:
            raise self.error
        return CommandResult(script, 0, "", NOW, 0.0)


def test_a_dry_run_sends_nothing_and_knows_nothing():
    verdicts = probe.outbound(Mute(), SECTION, "r1")
    assert [(verdict.check, verdict.status) for verdict in verdicts] == [
        ("outbound-provider-v4", Status.UNKNOWN),
        ("outbound-provider-v6", Status.UNKNOWN),
    ]


def sending(monkeypatch, *answers):
    """Each time mails are sent, the next of these runs comes of it."""
    sent, runs = [], iter(answers)

    def send(_mta, host, mails, sender, run_tag, patience_s, *, force=False):
        sent.append(([mail.probe for mail in mails], force))
        return next(runs)

    monkeypatch.setattr(probe, "send", send)
    return sent


def test_what_hints_kept_from_being_tried_is_unknown(monkeypatch):
    sent = sending(monkeypatch, recorded("untried-defer"))
    assert Status.UNKNOWN in {one.status for one in probe.outbound(Mute(), SECTION, "r1")}
    assert len(sent) == 1


@pytest.mark.parametrize("name", ["untried-defer", "untried-bounce"])
def test_what_hints_kept_from_being_tried_is_insisted_on_when_asked(monkeypatch, name):
    first = recorded(name)
    untried = {result.mail.probe for result in first.results}
    sent = sending(monkeypatch, first, recorded("delivered"))
    verdicts = probe.outbound(Mute(), SECTION, "r1", untried=Untried.REPLACED)
    assert {one.status for one in verdicts} == {Status.OK}, "also what was counted meanwhile"
    assert len(sent) == 2
    assert sent[-1][1]
    assert set(sent[-1][0]) == untried


def test_what_was_tried_is_not_sent_again(monkeypatch):
    well, untried = recorded("delivered"), recorded("untried-bounce")
    first = dataclasses.replace(well, results=(*well.results[:2], *untried.results[2:]))
    again = dataclasses.replace(well, results=recorded("refused").results[2:])
    sent = sending(monkeypatch, first, again)
    verdicts = {one.check: one.status for one in probe.outbound(Mute(), SECTION, "r1", untried=Untried.REPLACED)}
    assert [set(probes) for probes, _ in sent] == [{V4, V6}, {V6}]
    assert verdicts["outbound-provider-v4"] is Status.OK
    assert verdicts["outbound-provider-v6"] is Status.FAILED


def once_each(name):
    """One mail of each size: two to the first destination, one to the other."""
    run = recorded(name)
    return dataclasses.replace(run, results=run.results[:3])


def asked(monkeypatch, *runs):
    """What is found where a destination that the MTA waits for is asked once more, and whether it was against hints."""
    sent = sending(monkeypatch, *runs)
    found = {one.check: one for one in probe.outbound(Mute(), SECTION, "r1", untried=Untried.ASKED)}
    return sent, [found[f"outbound-{one.name}"] for one in (V4, V6)]


def test_a_destination_that_still_fails_against_the_hints_has_failed_with_its_present_cause(monkeypatch):
    sent, found = asked(monkeypatch, recorded("untried-defer"), once_each("refused"))
    assert [force for _, force in sent] == [False, True]
    assert [(one.name, one.times) for one in sent[1][0]] == [("provider-v4", 1)] * 2 + [("provider-v6", 1)], "each size"
    assert {one.status for one in found} == {Status.FAILED}
    assert all("connection refused" in one.why for one in found)


def test_a_destination_that_takes_mail_against_the_hints_stays_untried(monkeypatch):
    _, found = asked(monkeypatch, recorded("untried-defer"), once_each("delivered"))
    assert {one.status for one in found} == {Status.UNKNOWN}
    assert all("0 of 2 delivered" in one.why for one in found)
    assert all("not tried" in one.why and "against the hints it is delivered" in one.why for one in found)


def test_a_destination_that_takes_small_mails_alone_against_the_hints_has_failed(monkeypatch):
    _, (v4, v6) = asked(monkeypatch, recorded("untried-defer"), once_each("stall-after-data"))
    assert (v4.status, "timeout after end of data" in v4.why) == (Status.FAILED, True), "the fault of 2021"
    assert v6.status is Status.UNKNOWN


def test_hints_past_their_cutoff_are_left_as_evidence(monkeypatch):
    sent, found = asked(monkeypatch, recorded("untried-bounce"))
    assert len(sent) == 1
    assert {one.status for one in found} == {Status.FAILED}
    assert not any("against the hints" in one.why for one in found)


def test_a_destination_that_failed_with_one_mail_is_not_asked_again(monkeypatch):
    sent, _ = asked(monkeypatch, recorded("refused"))
    assert len(sent) == 1, "its other mails were untried because of the first"


def test_what_is_unknown_against_the_hints_too_stays_untried(monkeypatch):
    run = once_each("delivered")
    blind = tuple(dataclasses.replace(one, outcome=ProbeOutcome.UNKNOWN) for one in run.results)
    _, found = asked(monkeypatch, recorded("untried-defer"), dataclasses.replace(run, results=blind))
    assert all("not tried" in one.why and "against the hints" not in one.why for one in found)


def counting(name, lost, opened):
    run = recorded(name)
    return OutboundRun(run.results, lost, run.source, opened)


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ({"invalid": 60}, {"drop": 41}, Status.FAILED),
        ({"invalid": 60}, {"drop": 40}, Status.OK),
        (None, {"drop": 0}, Status.UNKNOWN),
        ({"drop": 0}, None, Status.UNKNOWN),
    ],
)
def test_what_both_goes_lost_counts_together(monkeypatch, first, second, status):
    hole = {"TCPFastOpenBlackhole": 1}
    sending(monkeypatch, counting("untried-bounce", first, hole), counting("delivered", second, {}))
    verdicts = {one.check: one.status for one in probe.outbound(Mute(), SECTION, "r1", untried=Untried.REPLACED)}
    assert verdicts["conntrack-growth"] is status
    assert verdicts["fastopen-growth"] is Status.FAILED


def test_a_host_that_does_not_come_back_is_unknown():
    verdicts = probe.outbound(Mute(CommandTimeoutError("no end in 100 s")), SECTION, "r1")
    assert {verdict.status for verdict in verdicts} == {Status.UNKNOWN}
    assert "no end in 100 s" in verdicts[0].why


def test_a_session_over_each_family_the_site_serves_and_their_certificate(monkeypatch):
    asked = []

    def ask(name, family, section, sender, *, timeout_s):
        together.wait()
        asked.append((name, family, sender, timeout_s))
        known = Answer(InboundStage.ACCEPTED, "user1@lab.test", 250, "OK", right=True)
        return InboundResult(name, "192.0.2.11", family, (known,), datetime(2020, 1, 1, tzinfo=UTC), NOW)

    together = Barrier(2, timeout=5)  # neither session waits for the end of the other one
    monkeypatch.setattr(probe, "ask", ask)
    verdicts = probe.inbound("mx1001.lab.test", SECTION, VerifyPolicy(families=(6, 4), answer_s=7))
    assert sorted(asked) == [("mx1001.lab.test", family, "probe@world.test", 7) for family in (4, 6)]
    assert [(one.check, one.status) for one in verdicts] == [
        ("inbound-v6", Status.OK),
        ("inbound-v4", Status.OK),
        ("certificate", Status.FAILED),
    ]
    probe.inbound("mx1001.lab.test", SECTION)
    assert sorted(family for _, family, _, _ in asked[2:]) == [4, 6], "both, where the site says nothing"
