"""Aliases in a verification: every MX is read, compared and asked, also those that were not to be verified."""

from mxlib.aliases import look as verify_aliases
from mxlib.aliases.look import AliasLook, look
from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status
from mxlib.config.verify import VerifyPolicy
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.request import VerificationScope
from tests.unit.support.aliases import (
    GENERATOR,
    HOSTS,
    INCIDENT,
    NEW_ENTRIES,
    NOW,
    PROBES,
    A,
    B,
    Named,
    session,
)
from tests.unit.support.verifying import Recorded


def test_samples_and_differing_addresses_are_asked_of_every_mx(world, monkeypatch):
    questions = []

    def ask(names, addresses, section, policy):
        questions.append((tuple(names), tuple(addresses)))
        return {A: session(A, support=250, newqueue=250), B: session(B, support=250, newqueue=(550, "unknown user"))}

    monkeypatch.setattr(verify_aliases, "ask_everywhere", ask)
    told = look(HOSTS, [GENERATOR], {}, PROBES, VerifyPolicy(), ["extra@lab.test"])
    assert questions == [((A, B), ("extra@lab.test", "support@lab.test", "newqueue@lab.test"))]
    verdicts = {one.check: one for one in told.verdicts(B, ("aliases-peers", "aliases-answers"))}
    assert {one.status for one in verdicts.values()} == {Status.FAILED}
    assert "550 unknown user; accepted by mx1001.lab.test" in verdicts["aliases-answers"].why
    assert verdicts["aliases-peers"].evidence[0].output == "- newqueue@lab.test: newqueue@tickets.test"


def test_a_key_that_is_no_plain_address_is_never_asked_for(world, monkeypatch):
    questions = []

    def ask(names, addresses, section, policy):
        questions.append(addresses)
        return {}

    monkeypatch.setattr(verify_aliases, "ask_everywhere", ask)
    monkeypatch.setitem(NEW_ENTRIES, "x>\x1b[31m <y@lab.test", "z")
    look(HOSTS, [GENERATOR], {}, PROBES, VerifyPolicy())
    assert questions == [("support@lab.test", "newqueue@lab.test")]


def test_a_verification_of_one_host_compares_with_the_others(world, monkeypatch):
    class Answers(Named):
        def read(self, script, *, timeout):
            raise HostUnreachableError("no session")

    monkeypatch.setattr(verify_aliases, "ask_everywhere", lambda *args: {})
    request = VerificationScope(VerifyPolicy(), aliases=(GENERATOR,), only=("aliases-peers",))
    (report,) = verify_hosts([Answers(B)], request, [Answers(A)])
    assert [(one.check, one.status) for one in report.verdicts] == [("aliases-peers", Status.FAILED)]


def test_a_peer_that_only_held_sessions_is_still_asked_for_its_aliases(world, monkeypatch):
    known = []

    def look_at(hosts, generators, answered, *_):
        known.append((sorted(host.name for host in hosts), sorted(answered)))
        return AliasLook((INCIDENT,), {}, NOW)

    monkeypatch.setattr(verify_aliases, "look", look_at)
    names = ("aliases", "aliases-peers", "inbound-peers")
    request = VerificationScope(VerifyPolicy(), probes=PROBES, aliases=(GENERATOR,), only=names)
    peer = Recorded(B, "mx2001")
    verify_hosts([Recorded(A)], request, [peer])
    assert peer.asked == 1, "it held the sessions"
    assert known == [([A, B], [A])]


def test_a_look_without_questions_has_no_answers():
    told = AliasLook((INCIDENT,), {}, NOW)
    assert [one.check for one in told.verdicts(A, ("aliases-peers",))] == ["aliases-peers"]
