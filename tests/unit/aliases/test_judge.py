"""Alias files of several MXs side by side, and what every MX answers."""

import dataclasses

import pytest

from mxlib.aliases.judge import Difference, difference, judge_answers, judge_peers
from mxlib.base.verdict import Status
from tests.unit.support.aliases import (
    ENTRIES,
    INCIDENT,
    NEW_ENTRIES,
    NEWER,
    NOW,
    A,
    B,
    C,
    counted,
    facts,
    file,
    minutes,
    session,
    state,
)


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


def test_a_file_that_lost_its_contents_does_not_count_even_if_it_is_the_newest():
    lost = state(a=counted(1000, 40), b=counted(600, 5), c=counted(1001, 30))
    assert lost.reference == C
    assert "another file than mx3001.lab.test, which is newer" in judge_peers([lost], A).why
    found = judge_peers([lost], C)
    assert (found.status, found.why) == (
        Status.OK,
        "vrts: 1001 entries, the file that counts; another one on mx1001.lab.test, mx2001.lab.test",
    )


@pytest.mark.parametrize(
    ("others", "status"),
    [
        ({"b": counted(600, 5)}, Status.UNKNOWN),
        ({"b": counted(600, 5), "c": facts(file=None)}, Status.UNKNOWN),
        ({"b": counted(600, 5), "c": counted(601, 6)}, Status.UNKNOWN),
        ({"b": counted(600, 5), "c": counted(1000, 50)}, Status.OK),
        ({"b": counted(600, 50)}, Status.OK),
    ],
)
def test_a_fuller_file_counts_for_sure_only_if_it_is_the_newest_or_most_have_as_many(others, status):
    found = state(a=counted(1000, 40), **others)
    assert found.reference == A
    assert judge_peers([found], A).status is status
    assert judge_peers([found], B).status is Status.FAILED, "blamed in any case"


def test_a_doubt_says_who_has_fewer_entries():
    assert judge_peers([state(a=counted(1000, 40), b=counted(600, 5))], A).why == (
        "vrts: 1000 entries, but 600 on mx2001.lab.test, which is newer: which of them has all is not known"
    )


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
