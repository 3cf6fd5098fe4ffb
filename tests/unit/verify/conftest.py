"""What several tests of a verification stand on."""

import pytest

from mxlib.base.verdict import Status
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.probes import verdicts as probe
from tests.unit.support.facts import NOW
from tests.unit.support.verifying import verdict


def said(host, family, codes):
    answers = tuple(Answer(InboundStage.ACCEPTED, subject, code, "", code == 250) for subject, code in codes.items())
    return InboundResult(host, "192.0.2.1", family, answers, None, NOW)


class World:
    """Test mails and sessions that answer as they were set up to."""

    def __init__(self):
        self.mails = []
        self.sessions = []
        self.failing = set()
        self.why = "because"
        self.codes = {}

    def outbound(self, host, section, run_tag, policy, *, untried):
        assert untried is probe.Untried.ASKED, "a destination that is down must not be unknown for its hints"
        self.mails.append((host.name, [one.name for one in section.outbound], run_tag))
        bad = [one.name for one in section.outbound if (host.name, one.name) in self.failing]
        return (
            *(
                verdict(f"outbound-{x.name}", Status.FAILED if x.name in bad else Status.OK, self.why)
                for x in section.outbound
            ),
            verdict("conntrack-growth", Status.OK),
            verdict("fastopen-growth", Status.OK),
        )

    def ask(self, name, section, policy):
        self.sessions.append(name)
        return tuple(said(name, family, self.codes.get(name, {"user1@lab.test": 250})) for family in policy.families)


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(probe, "outbound", world.outbound)
    monkeypatch.setattr(probe, "sessions", world.ask)
    return world
