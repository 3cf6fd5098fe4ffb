"""One host asked everything: what it is asked in one round trip, and what follows where it does not answer."""

import dataclasses
from datetime import timedelta

from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status
from mxlib.checks import disk
from mxlib.checks.check import Outside, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import InboundStage
from mxlib.verify.look import look, outbound
from mxlib.verify.request import VerificationScope
from tests.unit.support.facts import NOW
from tests.unit.support.verifying import MX1, MX2, POLICY, PROBES, Recorded

GONE = HostUnreachableError("no session\nwith it")


def by_name(verdicts):
    return {one.check: (one.status, one.why) for one in verdicts}


class Garbled(Recorded):
    """A host whose sessions with others are cut short."""

    def read(self, script, *, timeout):
        answer = super().read(script, timeout=timeout)
        whole = "\n".join(line for line in answer.output.splitlines() if line != "end")
        return dataclasses.replace(answer, output=f"{whole}\n")


def test_a_host_is_judged_and_says_what_it_heard_of_others():
    host = Recorded()
    seen = look(host, VerificationScope(POLICY, probes=PROBES, only=("disk",)), [MX2])
    assert host.asked == 1
    assert [(one.check, one.status) for one in seen.verdicts] == [("disk", Status.OK)]
    assert {(one.host, one.family) for one in seen.sessions} == {(MX2, 4), (MX2, 6)}
    assert {answer.stage for one in seen.sessions for answer in one.answers} == {InboundStage.ACCEPTED}
    assert (seen.silent, seen.answered) == ("", True)
    assert seen.facts is not None


def test_a_host_that_only_asks_others_is_not_judged_and_sends_nothing(world):
    host = Recorded()
    outside = Outside("hypervisor", "asks it", (disk.source(POLICY),), lambda *_: ok("well"))
    seen = look(host, VerificationScope(POLICY, probes=PROBES, outside=(outside,)), [MX2], verified=False)
    assert (seen.verdicts, world.mails, host.asked) == ((), [], 1)
    assert len(seen.sessions) == 2


def test_where_nothing_is_to_be_read_the_host_is_not_asked():
    host = Recorded(error=GONE)
    seen = look(host, VerificationScope(POLICY, only=("outbound-provider",)))
    assert (host.asked, seen.verdicts, seen.facts) == (0, (), None)
    assert seen.answered, "nobody asked it"


def test_a_host_that_does_not_answer_is_unknown_and_its_mails_are_tried_all_the_same(world):
    request = VerificationScope(POLICY, probes=PROBES, only=("disk", "outbound-lists"))
    seen = look(Recorded(error=GONE), request, [MX2])
    assert by_name(seen.verdicts)["disk"] == (Status.UNKNOWN, "not asked: no session with it")
    assert world.mails == [(MX1, ["lists"], "verify")]
    assert (seen.sessions, seen.silent) == ((), "not asked: no session with it")
    assert (seen.answered, seen.facts) == (False, None)


def test_sessions_that_are_cut_short_silence_the_peer_and_not_the_host():
    seen = look(Garbled(), VerificationScope(POLICY, probes=PROBES, only=("clock",)), [MX2])
    assert "cut short" in seen.silent
    assert seen.sessions == ()


def test_how_long_it_took():
    times = iter((NOW, NOW + timedelta(seconds=2.5)))
    seen = look(Recorded(), VerificationScope(POLICY, only=("disk",)), now=lambda: next(times))
    assert (seen.when, seen.seconds) == (NOW, 2.5)


# --- test mails


def test_one_counter_takes_all_the_mails(world):
    found = outbound(Recorded(), PROBES, VerificationScope(POLICY, probes=PROBES, only=("conntrack-growth",)))
    assert [one.check for one in found] == ["conntrack-growth"]
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]


def test_nothing_is_sent_that_nobody_asked_for(world):
    assert outbound(Recorded(), PROBES, VerificationScope(POLICY, probes=PROBES, only=("disk",))) == []
    assert world.mails == []


def test_a_budget_is_asked_only_for_what_would_be_sent(world):
    asked = []

    def reserve(host, mails):
        asked.append((host, [one.name for one in mails]))
        return {"lists": "used up"}

    request = VerificationScope(
        VerifyPolicy(), probes=PROBES, run_tag="r7", skip=("outbound-provider",), reserve=reserve
    )
    found = by_name(outbound(Recorded(), PROBES, request))
    assert asked == [(MX1, ["lists"])]
    assert world.mails == []
    assert found == {
        "outbound-lists": (Status.UNKNOWN, "used up"),
        "conntrack-growth": (Status.UNKNOWN, "no test mail was sent"),
        "fastopen-growth": (Status.UNKNOWN, "no test mail was sent"),
    }


def test_what_the_budget_leaves_is_sent(world):
    request = VerificationScope(POLICY, probes=PROBES, run_tag="r7", reserve=lambda *_: {"lists": "used up"})
    found = by_name(outbound(Recorded(), PROBES, request))
    assert world.mails == [(MX1, ["provider"], "r7")]
    assert found["outbound-lists"] == (Status.UNKNOWN, "used up")
    assert found["conntrack-growth"][0] is Status.OK
