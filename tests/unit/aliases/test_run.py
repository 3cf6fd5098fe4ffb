"""The loop of refresh-aliases: what it does in which order, and how it ends."""

import dataclasses
import json

import pytest

from mxlib.aliases import aftermath as alias_aftermath
from mxlib.aliases import run as alias_run
from mxlib.aliases.found import RefreshWorld, Wanted
from mxlib.aliases.look import AliasLook
from mxlib.aliases.report import as_json, terminal
from mxlib.aliases.rerun import Ending, RunResult
from mxlib.aliases.run import Refresh
from mxlib.aliases.start_timeout import text_of
from mxlib.base.errors import HostUnreachableError, InterruptedRunError, StepError
from mxlib.base.journal import NoJournal
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.alias_hang import Hang
from mxlib.model.outcome import Outcome
from mxlib.mta.exim.callout import CalloutFacts
from tests.unit.support.aliases import (
    GENERATOR,
    INCIDENT,
    NEWER,
    NOW,
    PROBES,
    REFUSAL,
    STUCK,
    A,
    Acts,
    B,
    facts,
    minutes,
    session,
    state,
)
from tests.unit.support.fakes import FakeClock, Tell

WELL = state(a=NEWER, b=NEWER)
FINE = {A: session(A, support=250, newqueue=250), B: session(B, support=250, newqueue=250)}
WRONG = {A: session(A, support=250, newqueue=250), B: session(B, support=250, newqueue=(550, "unknown user"))}
HANG = Hang((), (), ("journal x",))


class Stage:
    """A site whose looks, runs and logs are given."""

    def __init__(self, monkeypatch, looks, endings=(), negative=()):
        self.says, self.ran, self.asked = Tell(), [], []
        self.hosts = {A: Acts(A), B: Acts(B)}
        looks, endings = iter(looks), iter(endings)

        def look(hosts, generators, known, probes, policy, asked):
            self.asked.append(asked)
            states, results = next(looks)
            return AliasLook((states,), results, NOW)

        def rerun(host, repair, limit, donation):
            self.ran.append((host.name, limit, donation))
            ending = next(endings)
            if isinstance(ending, BaseException):
                raise ending
            return RunResult(ending, ("kept a copy",), 3, "new", 2)

        class Answer(dict):
            def get(self, source, default=None):
                return {"callout": CalloutFacts(dict.fromkeys(negative, "reject")), "rejects": (REFUSAL,)}.get(
                    source.name, HANG
                )

        monkeypatch.setattr(alias_run, "look", look)
        monkeypatch.setattr(alias_run, "rerun", rerun)
        monkeypatch.setattr(alias_run, "read_facts", lambda host, sources: Answer())
        monkeypatch.setattr(alias_aftermath, "read_facts", lambda host, sources: Answer())

    def play(self, *, dry_run=False, targets=(A, B), **wanted):
        world = RefreshWorld(
            self.hosts, (GENERATOR,), PROBES, VerifyPolicy(), FakeClock(), self.says, NoJournal(), dry_run=dry_run
        )
        self.run = Refresh(world, Wanted(targets, **wanted))
        return self.run.execute()


def test_the_incident_is_repaired(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (WELL, FINE), (WELL, FINE)], [Ending.REFRESHED],
                  ["newqueue@tickets.test", "other@tickets.test"])  # fmt: skip
    assert stage.play() is Outcome.DONE
    assert stage.ran == [(B, 900.0, "")]
    assert [one.unit for one in stage.run.found.hung] == [GENERATOR.unit]
    assert stage.asked[1] == ("newqueue@lab.test",), "what differed is asked again"
    assert stage.run.found.cleared == {A: ("newqueue@tickets.test",), B: ("newqueue@tickets.test",)}
    assert "other@" not in stage.hosts[B].done[0]
    assert any("newqueue@lab.test" in line for line in terminal(stage.run.found, Outcome.DONE, NOW))


def test_nothing_to_do_is_said_and_nothing_done(monkeypatch):
    stage = Stage(monkeypatch, [(WELL, FINE)])
    assert stage.play() is Outcome.DONE
    assert "no generator needs a run" in stage.says.lines
    assert stage.ran == []
    assert stage.hosts[B].done == []


def test_a_generator_that_hangs_again_has_an_exit_code_of_its_own(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (INCIDENT, WRONG)], [Ending.HUNG], ["newqueue@tickets.test"])
    assert stage.play(targets=(B,)) is Outcome.HUNG_AGAIN
    assert stage.ran == [(B, 900.0, "")], "once, not again"
    assert stage.run.found.cleared == {}, "the next sender would only make it remember again"


def test_where_it_just_hung_elsewhere_a_serving_file_is_left(monkeypatch):
    stale = state(a=facts(last_success=minutes(300)), b=dataclasses.replace(INCIDENT.facts[B], file=NEWER.file))
    stage = Stage(monkeypatch, [(stale, FINE), (stale, FINE)], [Ending.HUNG])
    assert stage.play() is Outcome.HUNG_AGAIN
    assert [host for host, _, _ in stage.ran] == [B]
    assert any("left alone" in line for line in stage.says.lines)


BUSY = StepError(f"{B}: another run is at work on generate_vrts_aliases.service")
LOST = HostUnreachableError("no session")
BOTH_HANG = state(a=STUCK, b=STUCK)


@pytest.mark.parametrize(
    ("first", "outcome"), [(Ending.HUNG, Outcome.HUNG_AGAIN), (Ending.FAILED, Outcome.FAILED)]
)
@pytest.mark.parametrize("error", [BUSY, LOST])
def test_an_error_on_a_later_host_loses_nothing_of_what_was_found(monkeypatch, first, outcome, error):
    stage = Stage(monkeypatch, [(BOTH_HANG, WRONG), (INCIDENT, WRONG), (INCIDENT, FINE)], [first, error])
    assert stage.play() is outcome
    assert [host for host, _, _ in stage.ran] == [A, B], "each once"
    assert stage.run.found.endings == {(A, "vrts"): first, (B, "vrts"): Ending.UNKNOWN}
    assert [one.host for one in stage.run.found.refusals] == [A, B]
    runs = json.loads(as_json(stage.run.found, outcome, "run", "who"))["runs"]
    assert [(one["host"], one["ending"]) for one in runs] == [(A, first.value), (B, "unknown")]
    (lost,) = (line for line in stage.run.found.unknown if "vrts_aliases.service" in line)
    assert lost == f"{B}: generate_vrts_aliases.service: {str(error).removeprefix(f'{B}: ')}"


def test_an_error_on_the_first_host_keeps_the_next_one_from_nothing(monkeypatch):
    stage = Stage(monkeypatch, [(BOTH_HANG, WRONG), (WELL, FINE), (WELL, FINE)], [LOST, Ending.REFRESHED],
                  ["newqueue@lab.test"])  # fmt: skip
    assert stage.play(addresses=("newqueue@lab.test",)) is Outcome.UNKNOWN
    assert list(stage.run.found.cleared) == [B], "where it is not known how the run ended, it may remember again"


def test_a_request_to_stop_is_no_error_of_a_host(monkeypatch):
    stage = Stage(monkeypatch, [(BOTH_HANG, WRONG)], [InterruptedRunError("SIGTERM")])
    with pytest.raises(InterruptedRunError):
        stage.play()
    assert [host for host, _, _ in stage.ran] == [A]


@pytest.mark.parametrize("way", ["pin", "unpin"])
def test_a_start_timeout_that_one_host_does_not_take_is_set_on_the_next(monkeypatch, way):
    stage = Stage(monkeypatch, [(WELL, FINE)])
    stage.hosts[A].silent = True
    monkeypatch.setattr(stage.hosts[B], "text", text_of(900))
    assert stage.play(**{way: True}) is Outcome.UNKNOWN
    assert stage.run.found.unknown == [f"{A}: start timeout of {GENERATOR.unit}: no session"]
    assert len(stage.hosts[B].done) == 1


def test_no_start_timeout_is_set_where_a_run_may_still_hang(monkeypatch):
    stage = Stage(monkeypatch, [(BOTH_HANG, WRONG), (WELL, FINE)], [Ending.REFRESHED, LOST])
    stage.play(pin=True)
    assert (len(stage.hosts[A].done), stage.hosts[B].done) == (1, [])
    assert f"{B}: the start timeout of {GENERATOR.unit} is left as it is: a run of it may hang" in stage.says.lines


SILENT = state(a="no session", b="no session")


@pytest.mark.parametrize("wanted", [{}, {"check": True}, {"dry_run": True}])
@pytest.mark.parametrize(
    ("seen", "targets", "outcome", "said"),
    [
        (SILENT, (A, B), Outcome.NO_ANSWER, f"whether a generator needs a run on {A}, {B} is not known"),
        (state(a="no session", b=facts()), (A,), Outcome.NO_ANSWER,
         f"whether a generator needs a run on {A} is not known"),
        (state(a="no session", b=facts()), (A, B), Outcome.UNKNOWN,
         f"whether a generator needs a run on {A} is not known; none does on {B}"),
        (dataclasses.replace(SILENT, silent=frozenset()), (A, B), Outcome.UNKNOWN,
         f"whether a generator needs a run on {A}, {B} is not known"),
    ],
)  # fmt: skip
def test_where_a_host_was_not_read_no_run_is_not_said_to_be_needless(
    monkeypatch, wanted, seen, targets, outcome, said
):
    stage = Stage(monkeypatch, [(seen, FINE)])
    assert stage.play(targets=targets, addresses=("newqueue@lab.test",), **wanted) is outcome
    assert said in stage.says.lines
    assert not any("no generator needs a run" in line for line in stage.says.lines)
    assert stage.hosts[A].done == []


def test_of_silent_hosts_nothing_is_pinned_and_nothing_forgotten(monkeypatch):
    stage = Stage(monkeypatch, [(SILENT, FINE)], negative=["newqueue@lab.test"])
    assert stage.play(pin=True, addresses=("newqueue@lab.test",)) is Outcome.NO_ANSWER
    assert stage.hosts[A].done == stage.hosts[B].done == []


@pytest.mark.parametrize("wanted", [{}, {"check": True}, {"dry_run": True}])
def test_a_start_timeout_that_no_host_takes_away_as_none_answers(monkeypatch, wanted):
    stage = Stage(monkeypatch, [])
    stage.hosts[A].silent = stage.hosts[B].silent = True
    assert stage.play(unpin=True, **wanted) is Outcome.NO_ANSWER


def test_a_set_up_that_reaches_no_host_that_was_asked_has_proven_nothing(monkeypatch):
    stage = Stage(monkeypatch, [(state(a="no session", b=STUCK), FINE)])
    assert stage.play(targets=(A,)) is Outcome.NO_ANSWER
    assert stage.run.found.wrong
    assert not any("STILL WRONG" in line for line in terminal(stage.run.found, Outcome.NO_ANSWER, NOW))


def test_a_host_that_falls_silent_after_a_run_is_not_said_to_be_unchanged(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (SILENT, FINE)], [Ending.REFRESHED])
    assert stage.play() is Outcome.UNKNOWN


def test_a_dry_run_and_a_check_only_report(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG)])
    assert stage.play(dry_run=True) is Outcome.DONE
    assert any("systemctl stop generate_vrts_aliases.service" in line for line in stage.says.lines)
    checked = Stage(monkeypatch, [(INCIDENT, WRONG)])
    assert checked.play(check=True) is Outcome.FAILED
    assert stage.ran == checked.ran == []


def test_a_host_that_could_not_be_read_is_not_known(monkeypatch):
    stage = Stage(monkeypatch, [(state(a=facts(), b="no session"), FINE)])
    assert stage.play(check=True) is Outcome.UNKNOWN


def test_what_is_still_wrong_is_a_failure(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (INCIDENT, WRONG)], [Ending.REFRESHED])
    assert stage.play() is Outcome.FAILED
    told = list(terminal(stage.run.found, Outcome.FAILED, NOW))
    assert any("STILL WRONG: mx2001.lab.test" in line for line in told)


@pytest.mark.parametrize(("ending", "words"), [(Ending.REJECTED, "below its floor"), (Ending.FAILED, "the run failed")])
def test_a_run_whose_file_was_not_left_in_place_is_no_success(monkeypatch, ending, words):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (WELL, FINE)], [ending])
    assert stage.play() is Outcome.FAILED
    assert words in stage.run.found.wrong[0]


def test_the_limit_can_be_given(monkeypatch):
    stage = Stage(monkeypatch, [(INCIDENT, WRONG), (WELL, FINE)], [Ending.REFRESHED])
    stage.play(limit=30.0)
    assert stage.ran[0][1] == 30.0


def test_a_start_timeout_is_set_and_taken_away(monkeypatch):
    stage = Stage(monkeypatch, [(WELL, FINE)])
    assert stage.play(pin=True, targets=(B,)) is Outcome.DONE
    assert any("TimeoutStartSec=1800" in line for line in stage.says.lines)
    assert "daemon-reload" in stage.hosts[B].done[0]
    nothing = Stage(monkeypatch, [])
    assert nothing.play(unpin=True) is Outcome.DONE
    assert nothing.hosts[B].done == []
