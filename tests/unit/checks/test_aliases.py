"""Judging the alias generators of one host."""

import dataclasses

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.aliases import Trouble, check, problems, warnings
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import aliases
from tests.unit.support.aliases import GENERATOR, STUCK, TIMER, facts, file, minutes
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


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (facts(last_success=minutes(-1)), Status.UNKNOWN),
        (facts(file=file(written=minutes(-1))), Status.UNKNOWN),
        (facts(last_success=None, file=file(written=minutes(-1))), Status.UNKNOWN),
        (facts(last_success=minutes(-0.05)), Status.OK),
        (facts(last_success=minutes(-1), file=None), Status.FAILED),
    ],
)
def test_what_lies_in_the_future_proves_nothing(monkeypatch, found, status):
    assert verdict(monkeypatch, found).status is status


def test_what_is_said_names_unit_age_and_time():
    why = " ".join(one.why for one in problems(GENERATOR, STUCK))
    assert "generate_vrts_aliases.service hangs: activating for 12 h 0 min, bound 15 min 0 s" in why
    assert "last ended well 12 h 0 min ago (2026-11-20 18:00 UTC)" in why


def test_no_start_timeout_is_a_warning_and_no_failure():
    found = facts(start_timeout="infinity")
    assert problems(GENERATOR, found) == ()
    assert "no start timeout" in warnings(GENERATOR, found)[0]


def test_a_file_that_is_written_in_place_is_a_warning():
    def born(number):
        return warnings(GENERATOR, facts(file=file(written=minutes(30), born=minutes(number))))

    assert "vrts_aliases is written in place: meanwhile its addresses bounce" in born(30 + 16)[0]
    assert born(30 + 15) == born(30) == ()
    assert warnings(GENERATOR, facts(load="not-found", file=file(born=minutes(90)))) == ()


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


def test_a_file_that_may_be_half_written_names_its_writer(monkeypatch):
    empty = file(size=0, entries=0, digest="")
    writing = verdict(monkeypatch, facts(active="activating", running_s=7.0, file=empty))
    assert writing.status is Status.FAILED
    assert "generate_vrts_aliases.service has been running for 7.0 s and may be writing the file now" in writing.why
    assert "may be writing" not in verdict(monkeypatch, facts(file=empty)).why
    assert "may be writing" not in verdict(monkeypatch, facts(active="activating", running_s=901.0, file=empty)).why


def test_what_was_not_read_is_unknown():
    assert check([GENERATOR]).verdict(facts_of({}), VerifyPolicy()).status is Status.UNKNOWN
