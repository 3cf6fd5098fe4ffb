"""Every name verify-mx can say has a fault that turns it red here: whoever forces one to OK, is found out."""

import dataclasses
from datetime import timedelta

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.registry import all_checks
from mxlib.config.alerts import AlertsSection
from mxlib.config.verify import VerifyPolicy
from mxlib.model.alert import Alert
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.probes import judge as probes
from mxlib.probes import judge_peers as peers
from mxlib.probes.peer import PeerSession
from mxlib.verify.outside import alerts_check, nic_check
from mxlib.verify.request import VerificationScope
from tests.unit.support.facts import NOW, facts_of
from tests.unit.support.failing import FAILING
from tests.unit.support.healthy import ENTRIES
from tests.unit.support.healthy import POLICY as STRICT
from tests.unit.support.healthy import judge as judge_check
from tests.unit.support.outside import RENAMED, Alerting, named
from tests.unit.support.sent_mails import SECTION, recorded

POLICY = VerifyPolicy()
HOST = "mx2001.lab.test"


def answered(code, host=HOST, family=4):
    answers = (Answer(InboundStage.ACCEPTED, "user1@lab.test", code, "", code == 250),)
    return InboundResult(host, "192.0.2.21", family, answers, NOW + timedelta(days=1), NOW)


def sent(name, **changed):
    run = dataclasses.replace(recorded("stall-after-data"), **changed)
    return next(one for one in probes.judge_outbound(run, POLICY) if one.check == name)


FIRING = Alert("Down", HOST, "page", NOW, "", {"alertname": "Down"})
BAD = {
    "nic": lambda: named(RENAMED),
    "alerts": lambda: alerts_check(Alerting((FIRING,)), AlertsSection()).verdict(HOST, facts_of({})),
    "outbound-provider-v4": lambda: sent("outbound-provider-v4"),
    "outbound-provider-v6": lambda: next(
        one for one in probes.judge_outbound(recorded("refused"), POLICY) if one.check == "outbound-provider-v6"
    ),
    "conntrack-growth": lambda: sent("conntrack-growth", conntrack={"invalid": 101}),
    "fastopen-growth": lambda: sent("fastopen-growth", fastopen={"TCPFastOpenBlackhole": 1}),
    "inbound-v4": lambda: probes.judge_inbound(answered(550)),
    "inbound-v6": lambda: probes.judge_inbound(answered(550, family=6)),
    "certificate": lambda: probes.judge_certificate([answered(250)], POLICY, NOW),
    "inbound-peers": lambda: peers.judge_peers([PeerSession("mx1001.lab.test", answered(550))], {}, outside_ok=True),
    "same-answers": lambda: peers.judge_same(HOST, [answered(550), answered(250, "mx1001.lab.test")], {}, NOW),
}
SYSCTL = dataclasses.replace(STRICT, sysctls={"net.ipv4.tcp_fastopen_blackhole_timeout_sec": "3600"})


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_failed(name):
    assert BAD[name]().status is Status.FAILED


def test_a_missing_mitigation_is_failed():
    assert judge_check("sysctl", policy=SYSCTL).status is Status.FAILED


def test_no_name_is_left_out():
    outside = (nic_check(None), alerts_check(Alerting(()), AlertsSection()))
    names = VerificationScope(POLICY, ENTRIES, probes=SECTION, outside=outside).names
    assert len(set(names)) == len(names)
    assert set(names) == {check for check, _, _ in FAILING.values()} | {"sysctl"} | set(BAD)
    assert {check.name for check in all_checks(ENTRIES)} <= set(names)
