"""What an operator reads of a run of refresh-aliases."""

import dataclasses

import pytest

from mxlib.aliases.found import Found, HostRefusals, HungRun
from mxlib.aliases.look import AliasLook
from mxlib.aliases.plan import plan
from mxlib.aliases.report import as_json, caches, describe, markdown, rehearse, terminal, verdicts, why
from mxlib.aliases.rerun import Ending
from mxlib.base.verdict import Status
from mxlib.model.outcome import Outcome
from tests.unit.support.aliases import (
    GENERATOR,
    INCIDENT,
    NEWER,
    NOW,
    REFUSAL,
    A,
    B,
    facts,
    file,
    minutes,
    session,
    state,
)


@pytest.mark.parametrize(("ago", "words"), [(30, "until 07:30 UTC"), (200, "no sender's cache")])
def test_how_long_others_may_still_refuse(ago, words):
    late = dataclasses.replace(REFUSAL, when=minutes(ago))
    assert words in caches(Found(refusals=[HostRefusals(B, minutes(720), (late,))]), NOW)
    assert caches(Found(), NOW) == ""


def test_the_report_is_proof():
    found = Found(
        hung=[HungRun(B, GENERATOR.unit, "bash waits", ("stack 1 tcp_recvmsg",))],
        endings={(B, "vrts"): Ending.REFRESHED},
        refusals=[HostRefusals(B, minutes(720), (REFUSAL,) * 25)],
    )
    lines = list(terminal(found, Outcome.DONE, NOW))
    assert lines[0].startswith("mx2001.lab.test refused 25 recipients of 1 sender since 2026-11-20 18:00 UTC")
    assert any("5 earlier ones" in line for line in lines)
    text = markdown(found, Outcome.DONE, "r1", "me@here", ["said \x1b[31m"], NOW)
    assert "stack 1 tcp_recvmsg" in text
    assert "\x1b" not in text
    assert text.count("user9@world.test") == 25
    assert '"exit_code": 0' in as_json(found, Outcome.DONE, "r1", "me@here")


def test_a_count_of_what_was_not_read_to_its_beginning_is_at_least_that():
    found = Found(refusals=[HostRefusals(B, minutes(720), (REFUSAL,) * 25, cut=True)])
    assert "refused at least 25 recipients of 1 sender since" in next(terminal(found, Outcome.DONE, NOW))
    assert "Earlier ones were not read: only the last 2000 are." in markdown(found, Outcome.DONE, "r1", "me", [], NOW)
    whole = Found(refusals=[HostRefusals(B, minutes(720), (REFUSAL,))])
    assert "Earlier ones" not in markdown(whole, Outcome.DONE, "r1", "me", [], NOW)


def test_what_is_unknown_or_still_wrong_is_said_once_each():
    found = Found(wrong=["x is stale", "x is stale"], unknown=["y", "y"], endings={(B, "vrts"): Ending.FAILED})
    assert list(terminal(found, Outcome.FAILED, NOW)) == [
        "not known: y",
        "STILL WRONG: x is stale",
    ]
    found.endings.clear()
    assert list(terminal(found, Outcome.FAILED, NOW)) == ["not known: y"]


def test_the_outcome_names_its_first_reason():
    found = Found(wrong=["x is stale", "x is stale", "z"], unknown=["y"], endings={(B, "vrts"): Ending.FAILED})
    assert why(found, Outcome.FAILED) == "x is stale (and 1 more above)"
    assert why(found, Outcome.UNKNOWN) == "y"
    assert why(found, Outcome.DONE) == why(Found(endings=found.endings), Outcome.FAILED) == ""
    found.endings.clear()
    assert why(found, Outcome.FAILED) == "as said above; nothing was run"


# --- a look


FINE = {A: session(A, support=250, newqueue=250), B: session(B, support=250, newqueue=250)}
LOOK = AliasLook((INCIDENT,), FINE, NOW)


def test_every_verdict_of_a_look_names_its_host():
    found = verdicts(LOOK, (A, B))
    assert [(one.check, one.status, one.why.partition(":")[0]) for one in found] == [
        ("aliases-peers", Status.OK, A),
        ("aliases-answers", Status.OK, A),
        ("aliases", Status.FAILED, B),
        ("aliases", Status.FAILED, B),
        ("aliases-peers", Status.FAILED, B),
        ("aliases-answers", Status.OK, B),
    ]


def test_what_is_wrong_is_shown_and_what_is_well_only_alone():
    lines = describe(LOOK, (A, B))
    assert [line[:8] for line in lines] == ["FAILED  ", "FAILED  ", "FAILED  ", "warning "]
    assert "no start timeout" in lines[-1]
    assert describe(LOOK, (A, B), warned=True) == lines[:-1], "a warning is shown once"
    well = AliasLook((state(a=NEWER, b=NEWER),), FINE, NOW)
    assert [line[:8] for line in describe(well, (A, B))] == ["OK      "] * 4


def test_a_rehearsal_names_every_command():
    hangs, cut = plan([state(a=INCIDENT.facts[B], b=facts(file=file(entries=1, terminated=False)))], (A, B), {})[::-1]
    assert (hangs.host, cut.host, cut.donor) == (A, B, A)
    lines = rehearse(hangs, 90.0)
    assert lines[0].startswith(f"{A}: would run {GENERATOR.unit} ")
    assert f"{A}:   systemctl stop {GENERATOR.unit}" in lines
    assert f"{A}:   systemctl start --no-block {GENERATOR.unit}; wait at most 1 min 30 s, else stop it again" in lines
    lines = rehearse(cut, 90.0)
    assert f"{B}:   wait at most 1 min 30 s for a run that is under way" in lines
    assert f"{B}:   put a whole file back, that of {A}" in lines
    assert not any("systemctl stop" in line for line in lines)
