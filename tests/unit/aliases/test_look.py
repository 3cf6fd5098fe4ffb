"""Aliases in a verification: every MX is read, compared and asked, also those that were not to be verified."""

import dataclasses

import pytest

from mxlib.aliases import look as verify_aliases
from mxlib.aliases import read as alias_read
from mxlib.aliases.look import AliasLook, look
from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import aliases
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.request import Request
from tests.unit.support.aliases import (
    ENTRIES,
    GENERATOR,
    INCIDENT,
    NEW_ENTRIES,
    NEWER,
    NOW,
    PROBES,
    STUCK,
    A,
    B,
    session,
)
from tests.unit.support.facts import facts_of


@dataclasses.dataclass
class Named:
    """A host that only has a name."""

    name: str


HOSTS = [Named(A), Named(B)]


@pytest.fixture
def world(monkeypatch):
    """Both hosts as in the incident; counts who is asked for what."""
    asked = []
    said = {A: NEWER, B: STUCK}
    lines = {A: NEW_ENTRIES, B: ENTRIES}

    def read(host, sources):
        asked.append((host.name, [source.name for source in sources]))
        if isinstance(said[host.name], Exception):
            raise said[host.name]
        text = "".join(f"{key}: {value}\n" for key, value in sorted(lines[host.name].items())) + "end\n"
        answers = {section: host.name for source in sources for section in source.sections}
        answers.update({section: text for section in answers if section.name.endswith("-entries")})
        return facts_of(answers, host.name)

    monkeypatch.setattr(alias_read, "read_facts", read)
    monkeypatch.setattr(aliases, "parse", lambda text, generator: said[text])
    return said, asked


def test_files_that_differ_are_read_in_a_second_round_trip(world):
    _, asked = world
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert state.differing == ("newqueue@lab.test",)
    assert sorted(asked) == [
        (A, ["aliases-vrts"]), (A, ["aliases-vrts-entries"]), (B, ["aliases-vrts"]), (B, ["aliases-vrts-entries"]),
    ]  # fmt: skip


def test_files_that_are_the_same_are_not_read(world):
    said, asked = world
    said[B] = NEWER
    alias_read.read_states(HOSTS, [GENERATOR])
    assert [names for _, names in asked] == [["aliases-vrts"]] * 2


def test_what_a_host_has_already_answered_is_not_asked_again(world):
    said, asked = world
    said[B] = NEWER
    known = {A: facts_of({aliases.section(GENERATOR): A}, A)}
    alias_read.read_states(HOSTS, [GENERATOR], known)
    assert [name for name, _ in asked] == [B]


def test_a_host_that_cannot_be_reached_is_said(world):
    said, _ = world
    said[B] = HostUnreachableError("no session")
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert state.unread == {B: "no session"}


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
    request = Request(VerifyPolicy(), aliases=(GENERATOR,), only=("aliases-peers",))
    (report,) = verify_hosts([Answers(B)], request, [Answers(A)])
    assert [(one.check, one.status) for one in report.verdicts] == [("aliases-peers", Status.FAILED)]


def test_a_look_without_questions_has_no_answers():
    told = AliasLook((INCIDENT,), {}, NOW)
    assert [one.check for one in told.verdicts(A, ("aliases-peers",))] == ["aliases-peers"]
