"""Judging alias generators: on one host, side by side, and by what every MX answers."""

import dataclasses

import pytest

from mxlib.aliases.judge import Difference, difference, judge_answers, judge_peers
from mxlib.base.verdict import Status
from mxlib.checks.aliases import Trouble, check, problems, warnings
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import aliases
from tests.unit.support.aliases import (  # fmt: skip
    ENTRIES,
    GENERATOR,
    INCIDENT,
    NEW_ENTRIES,
    NEWER,
    NOW,
    STUCK,
    TIMER,
    A,
    B,
    facts,
    file,
    minutes,
    session,
    state,
)
from tests.unit.support.facts import facts_of


def troubles(found):
    return {one.trouble for one in problems(GENERATOR, found)}


def test_a_generator_in_good_order():
    assert problems(GENERATOR, facts()) == ()
    assert warnings(GENERATOR, facts()) == ()
    running = facts(active="activating", running_s=5.0, timer=dataclasses.replace(TIMER, sub="running", due=False))
    assert problems(GENERATOR, running) == ()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (facts(load="not-found", file=None), {Trouble.ABSENT}),
        (STUCK, {Trouble.STUCK, Trouble.FILE_OLD}),
        (facts(active="activating", running_s=901.0), {Trouble.STUCK}),
        (facts(active="failed", result="exit-code", last_failure=minutes(3)), {Trouble.RUN_FAILED}),
        (facts(last_success=minutes(121)), {Trouble.STALE}),
        (facts(timer=dataclasses.replace(TIMER, active="inactive", sub="dead")), {Trouble.TIMER}),
        (facts(timer=dataclasses.replace(TIMER, file_state="disabled")), {Trouble.TIMER}),
        (facts(timer=dataclasses.replace(TIMER, sub="elapsed", due=False)), {Trouble.TIMER}),
        (facts(timer=dataclasses.replace(TIMER, load="not-found", active="inactive")), {Trouble.TIMER}),
        (facts(file=None), {Trouble.FILE_MISSING}),
        (facts(file=file(size=0, entries=0, digest="")), {Trouble.FILE_EMPTY}),
        (facts(file=file(entries=1)), {Trouble.FILE_FLOOR}),
        (facts(file=file(terminated=False)), {Trouble.FILE_CUT}),
        (facts(file=file(malformed=1, first_malformed="half")), {Trouble.FILE_MALFORMED}),
        (facts(file=file(written=minutes(121))), {Trouble.FILE_OLD}),
    ],
)
def test_each_trouble_has_its_name(found, expected):
    assert troubles(found) == expected


def test_what_is_said_names_unit_age_and_time():
    why = " ".join(one.why for one in problems(GENERATOR, STUCK))
    assert "generate_vrts_aliases.service hangs: activating for 12 h 0 min, bound 15 min 0 s" in why
    assert "last ended well 12 h 0 min ago (2026-11-20 18:00 UTC)" in why


def test_no_start_timeout_is_a_warning_and_no_failure():
    found = facts(start_timeout="infinity")
    assert problems(GENERATOR, found) == ()
    assert "no start timeout" in warnings(GENERATOR, found)[0]


def verdict(monkeypatch, found):
    monkeypatch.setattr(aliases, "parse", lambda text, generator: found)
    section = aliases.section(GENERATOR)
    return check([GENERATOR]).verdict(facts_of({section: "anything"}), VerifyPolicy())


def test_the_check(monkeypatch):
    assert verdict(monkeypatch, facts()).status is Status.OK
    assert verdict(monkeypatch, STUCK).status is Status.FAILED
    warned = verdict(monkeypatch, facts(start_timeout="infinity"))
    assert (warned.status, len(warned.warnings)) == (Status.OK, 1)
    nothing = verdict(monkeypatch, facts(last_success=None, file=file()))
    assert "file written 30 min" in nothing.why


def test_what_was_not_read_is_unknown():
    assert check([GENERATOR]).verdict(facts_of({}), VerifyPolicy()).status is Status.UNKNOWN


# --- side by side


def test_a_difference_goes_both_ways():
    here, there = {"a": "1", "b": "2", "only": "x"}, {"a": "1", "b": "3", "new": "y"}
    assert difference(here, there) == Difference(missing=("new",), extra=("only",), changed=("b",))


def test_the_incident_blames_the_stale_host_and_names_the_address():
    here, there = judge_peers([INCIDENT], B), judge_peers([INCIDENT], A)
    assert (here.status, there.status) == (Status.FAILED, Status.OK)
    assert "differs from mx1001.lab.test, which is newer: 1 missing here (newqueue@lab.test)" in here.why
    assert here.lines == ("- newqueue@lab.test: newqueue@tickets.test",)
    assert "another one on mx2001.lab.test" in there.why


def test_equal_files_are_ok_and_an_unread_host_is_unknown():
    assert judge_peers([state(a=facts(), b=facts())], A).status is Status.OK
    assert judge_peers([state(a=facts())], A).status is Status.OK
    assert judge_peers([state(a=facts(), b="no session")], A).status is Status.UNKNOWN
    assert judge_peers([state(a=facts(), b="no session")], B).status is Status.UNKNOWN


def test_a_file_that_is_not_there_or_not_whole_never_counts():
    cut = facts(last_success=minutes(1), file=file(entries=1, digest="c" * 64, terminated=False))
    assert state(a=facts(), b=cut).reference == A
    assert judge_peers([state(a=facts(), b=cut)], B).status is Status.FAILED
    assert judge_peers([state(a=facts(), b=facts(file=None))], B).status is Status.FAILED
    assert judge_peers([state(a=cut, b=dataclasses.replace(cut, file=None))], A).status is Status.FAILED


def test_a_file_that_lost_its_contents_is_blamed_even_if_it_is_the_newest():
    full = facts(file=file(entries=100, digest="d" * 64))
    lost = facts(last_success=minutes(1), file=file(entries=50, digest="e" * 64))
    finding = judge_peers([state(a=full, b=lost)], B)
    assert finding.status is Status.FAILED
    assert "50 entries, mx1001.lab.test has 100" in finding.why


def test_one_entry_of_a_handful_is_a_difference_and_no_lost_file():
    assert "further apart" not in judge_peers([INCIDENT], B).why


def test_many_differences_are_cut():
    many = {f"q{n}@lab.test": "x" for n in range(9)}
    where = dataclasses.replace(INCIDENT, entries={A: {**ENTRIES, **many}, B: ENTRIES})
    finding = judge_peers([where], B)
    assert "9 missing here (q0@lab.test" in finding.why
    assert len(finding.lines) == 5


def test_entries_that_could_not_be_read_leave_the_judgement():
    finding = judge_peers([dataclasses.replace(INCIDENT, entries={})], B)
    assert finding.status is Status.FAILED
    assert "another file than mx1001.lab.test" in finding.why


def test_newest_of_the_differing():
    assert INCIDENT.reference == A
    assert INCIDENT.differing == ("newqueue@lab.test",)
    assert NEW_ENTRIES.keys() - ENTRIES.keys() == {"newqueue@lab.test"}
    assert NEWER.now == NOW


# --- from outside


CACHED = (550, "Previous (cached) callout verification failure")


@pytest.mark.parametrize(
    ("here", "there", "status", "words"),
    [
        ({"support": 250}, {"support": 250}, Status.OK, ""),
        ({"support": 250, "newqueue": (550, "unknown user")}, {"support": 250, "newqueue": 250}, Status.FAILED,
         "RCPT newqueue@lab.test: 550 unknown user; accepted by mx2001.lab.test"),
        ({"support": 250, "newqueue": CACHED}, {"support": 250, "newqueue": 250}, Status.FAILED, "(a cached answer)"),
        ({"support": 451}, {"support": 250}, Status.FAILED, "451"),
        ({"support": 550}, {"support": 550}, Status.FAILED, "accepted by no MX"),
        ({"support": 250, "newqueue": 250}, {"support": 250, "newqueue": 550}, Status.OK, ""),
        ({"support": None}, {"support": 250}, Status.UNKNOWN, "not answered"),
        ({}, {"support": 250}, Status.UNKNOWN, "not answered"),
    ],
)  # fmt: skip
def test_answers_of_every_mx_are_compared(here, there, status, words):
    finding = judge_answers({A: session(A, **here), B: session(B, **there)}, A, ("support@lab.test",))
    assert finding.status is status
    assert words in finding.why


def test_nothing_to_ask_for():
    assert judge_answers({}, A, ()).status is Status.OK
    assert judge_answers({}, A, ("support@lab.test",)).status is Status.UNKNOWN
