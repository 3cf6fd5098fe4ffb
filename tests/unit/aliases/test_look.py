"""Aliases in a verification: every MX is read, compared and asked, also those that were not to be verified."""

import dataclasses

import pytest

from mxlib.aliases import look as verify_aliases
from mxlib.aliases import read as alias_read
from mxlib.aliases.look import AliasLook, look
from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status, Verdict
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import aliases
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.metrics import metrics
from mxlib.verify.report import as_json, table
from mxlib.verify.request import HostReport, Request
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


def test_the_names_can_be_asked_for():
    assert {"aliases", "aliases-peers", "aliases-answers"} <= set(
        Request(VerifyPolicy(), probes=PROBES, aliases=(GENERATOR,)).names
    )
    assert "aliases-answers" not in Request(VerifyPolicy(), aliases=(GENERATOR,)).names
    assert not [name for name in Request(VerifyPolicy()).names if name.startswith("aliases")]


def test_a_verification_of_one_host_compares_with_the_others(world, monkeypatch):
    class Answers(Named):
        def read(self, script, *, timeout):
            raise HostUnreachableError("no session")

    monkeypatch.setattr(verify_aliases, "ask_everywhere", lambda *args: {})
    request = Request(VerifyPolicy(), aliases=(GENERATOR,), only=("aliases-peers",))
    (report,) = verify_hosts([Answers(B)], request, [Answers(A)])
    assert [(one.check, one.status) for one in report.verdicts] == [("aliases-peers", Status.FAILED)]


def test_a_warning_is_shown_and_changes_no_status():
    warned = Verdict("aliases", Status.OK, "well", (), ("no start timeout",))
    report = HostReport(A, (warned,), NOW, 1.0)
    assert "  warning  aliases                no start timeout" in table([report]).splitlines()
    assert report.status is Status.OK
    assert '"no start timeout"' in as_json([report])


def test_metrics_tell_ages_limits_and_nothing_that_is_not_known(monkeypatch):
    monkeypatch.setattr(aliases, "parse", lambda text, generator: STUCK)
    known = facts_of({aliases.section(GENERATOR): "x"}, B)
    lines = metrics([HostReport(B, (), NOW, 1.0, known)], VerifyPolicy(), [GENERATOR]).splitlines()
    labels = 'instance="mx2001.lab.test",generator="vrts"'
    assert f"mx_aliases_running_seconds{{{labels}}} 43200" in lines
    assert f"mx_aliases_bound_seconds{{{labels}}} 900" in lines
    assert f"mx_aliases_start_timeout{{{labels}}} 0" in lines
    assert f"mx_aliases_file_whole{{{labels}}} 1" in lines
    assert f"mx_aliases_timer_armed{{{labels}}} 1" in lines
    assert f"mx_aliases_success_time_seconds{{{labels}}} {NOW.timestamp() - 43200:.0f}" in lines
    assert not [line for line in lines if line.startswith("mx_queue_messages")]
    unread = metrics([HostReport(B, (), NOW, 1.0, facts_of({}, B))], VerifyPolicy(), [GENERATOR])
    assert "mx_aliases" not in unread


@pytest.mark.parametrize(
    ("file", "timer", "whole", "armed"),
    [
        ({"malformed": 2}, {}, 0, 1),
        ({"terminated": False}, {}, 0, 1),
        ({}, {"active": "inactive"}, 1, 0),
        ({}, {"file_state": "disabled"}, 1, 0),
    ],
)
def test_metrics_tell_a_broken_file_and_a_timer_that_is_not_armed(monkeypatch, file, timer, whole, armed):
    found = dataclasses.replace(
        STUCK, file=dataclasses.replace(STUCK.file, **file), timer=dataclasses.replace(STUCK.timer, **timer)
    )
    monkeypatch.setattr(aliases, "parse", lambda text, generator: found)
    known = facts_of({aliases.section(GENERATOR): "x"}, B)
    lines = metrics([HostReport(B, (), NOW, 1.0, known)], VerifyPolicy(), [GENERATOR]).splitlines()
    labels = 'instance="mx2001.lab.test",generator="vrts"'
    assert f"mx_aliases_file_whole{{{labels}}} {whole}" in lines
    assert f"mx_aliases_timer_armed{{{labels}}} {armed}" in lines


def test_a_look_without_questions_has_no_answers():
    told = AliasLook((INCIDENT,), {}, NOW)
    assert [one.check for one in told.verdicts(A, ("aliases-peers",))] == ["aliases-peers"]
