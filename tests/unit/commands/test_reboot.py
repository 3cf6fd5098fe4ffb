"""A run on one host around its loop: what ends before it, and what is left behind after it."""

import json
from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandFailedError, ConfigError, InterruptedRunError, JournalError, ParseError
from mxlib.base.journal import Extras
from mxlib.commands import reboot
from mxlib.commands.answers import Silence
from mxlib.commands.reboot import HostRun
from mxlib.commands.request import RunRequest
from mxlib.facts.past_runs import LIST
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.state import Slot
from mxlib.reboot.run import Result
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.full_disk import fill_the_disk

HOST = "mx2001.lab.test"
LEFT = Silence(Outcome.INTERRUPTED, "held by run r1", "r1")
DOWN = Silence(Outcome.NO_ANSWER, "no run is known to hold it")


class Stage:
    """A run with everything around it made up."""

    def __init__(self, monkeypatch, tmp_path, *, silence=None, events=(), result=None, **request):
        self.operator, self.clock, self.acted, self.runs = Tell(), FakeClock(), [], []
        self.events, self.result, self.error = events, result or Result(Outcome.DONE, "6.1.0-56 runs"), None
        announce = SimpleNamespace(sal=False, phabricator=None)
        site = SimpleNamespace(reports=tmp_path, mxs=(HOST,), announce=announce, mta="exim")
        goal = request.pop("goal", Goal("6.1.0-56"))
        self.run = HostRun(SimpleNamespace(dry_run=False), site, RunRequest(HOST, goal, "a test", **request))
        self.run.wiring = SimpleNamespace(
            clock=self.clock,
            who="op@cumin1001",
            mta=None,
            extras=Extras(),
            world=self.world,
            host=lambda name: None,
            renewals=lambda *_: list,
        )
        self.run.operator = self.operator
        monkeypatch.setattr(reboot, "silence", lambda world: silence)
        monkeypatch.setattr(reboot, "Run", self.loop)
        monkeypatch.setattr(reboot, "read_standing", self.standing)

    def world(self, request, run):
        self.runs.append(run)
        target = SimpleNamespace(act=self.act)
        slot = SimpleNamespace(describe=lambda: "", state=lambda: Slot.FREE)
        return SimpleNamespace(
            target=target, options=SimpleNamespace(why="a test"), adapters=SimpleNamespace(slot=slot), progress=None
        )

    def act(self, script, *, timeout):
        self.acted.append(script)
        if self.error:
            raise self.error

    def standing(self, host, mta):
        return SimpleNamespace(depool=SimpleNamespace(record=SimpleNamespace(run="r0")))

    def loop(self, world, journal, *, resting):
        def execute():
            for name, values in self.events:
                journal.write(name, **values)
            self.clock.sleep(600)
            journal.write("end", outcome=self.result.outcome.name, why=self.result.why)
            return self.result

        return SimpleNamespace(execute=execute)


REBOOT = (("done", {"step": "reboot", "note": "ordered"}),)


def test_a_host_that_is_no_mx_of_the_site_is_refused_before_anything_is_asked(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="is not one of the MXs"):
        HostRun(
            SimpleNamespace(dry_run=False), SimpleNamespace(mxs=("other",), mta="exim"), RunRequest(HOST, Goal(), "")
        )


@pytest.mark.parametrize("goal", [Goal("6.1.0-56"), Goal(adopt=True), Goal(back=True, adopt=True)])
def test_a_host_that_is_merely_down_ends_it_at_once_whatever_is_wanted(monkeypatch, tmp_path, goal):
    stage = Stage(monkeypatch, tmp_path, silence=DOWN, goal=goal)
    assert stage.run.execute() is Outcome.NO_ANSWER
    assert stage.operator.lines == [f"{HOST}: no answer: no run is known to hold it"]
    assert list(tmp_path.iterdir()) == []


def test_one_that_a_run_holds_is_waited_for_by_who_resumes_that_run_only(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, silence=LEFT, goal=Goal(adopt=True))
    assert stage.run.execute() is Outcome.DONE
    assert stage.run.run_id == "r1", "the slot names the run, so the silent host is not asked a second time"
    assert Stage(monkeypatch, tmp_path, silence=LEFT).run.execute() is Outcome.INTERRUPTED


def test_without_the_slot_the_operator_vouches_and_the_host_is_waited_for(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, silence=DOWN, goal=Goal(adopt=True), without_slot=True)
    assert stage.run.execute() is Outcome.DONE


def test_a_run_that_is_resumed_keeps_its_id(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, goal=Goal(adopt=True))
    assert stage.run.execute() is Outcome.DONE
    assert stage.run.run_id == "r0"


def test_a_host_that_cannot_be_read_is_said_with_the_cause(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, goal=Goal(adopt=True))

    def dead(host, mta):
        raise ParseError("standing: Failed to connect to bus: No such file or directory")

    monkeypatch.setattr(reboot, "read_standing", dead)
    assert stage.run.execute() is Outcome.UNKNOWN
    assert "Failed to connect to bus" in stage.operator.lines[-1]


def test_the_outcome_is_said_once_and_last(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path)
    assert stage.run.execute() is Outcome.DONE
    said = [line for line in stage.operator.lines if "6.1.0-56 runs" in line]
    assert said == [stage.operator.lines[-1]] == [f"{HOST}: done: 6.1.0-56 runs"]
    assert json.loads(stage.run.report_file.with_suffix(".json").read_text())["exit_code"] == 0


@pytest.mark.parametrize("left", [{"silent": True}, {"held": True}])
def test_a_silent_host_and_a_slot_that_stays_are_said_with_what_to_type(monkeypatch, tmp_path, left):
    stage = Stage(monkeypatch, tmp_path, result=Result(Outcome.INTERRUPTED, "it is silent", **left))
    stage.run.execute()
    resume = f"next: cookbook sre.mail.reboot-mx {HOST} --resume    # to undo instead: --abort"
    assert stage.operator.lines[-1] == f"{HOST}: interrupted: it is silent; {resume}"


@pytest.mark.parametrize(
    ("events", "outcome", "kept"),
    [
        (REBOOT, Outcome.DONE, True),
        (REBOOT, Outcome.FELL_BACK, False),
        ((), Outcome.DONE, False),
        ((*REBOOT, ("done", {"step": "adopt", "note": ""})), Outcome.DONE, False),
    ],
)
def test_how_long_a_whole_reboot_took_is_kept_on_the_host(monkeypatch, tmp_path, events, outcome, kept):
    stage = Stage(monkeypatch, tmp_path, events=events, result=Result(outcome, "why"))
    stage.run.execute()
    assert [f"echo 600; }} >{LIST}.new" in script for script in stage.acted] == ([True] if kept else [])


def test_that_it_cannot_be_kept_changes_nothing(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, events=REBOOT)
    stage.error = CommandFailedError("disk full")
    assert stage.run.execute() is Outcome.DONE
    assert any("disk full" in line for line in stage.operator.lines)


def test_a_run_that_is_done_is_done_also_where_it_is_asked_to_stop_afterwards(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, events=REBOOT)
    stage.error = InterruptedRunError("SIGHUP")
    assert stage.run.execute() is Outcome.DONE
    assert "how long this took is not noted on the host: SIGHUP" in stage.operator.lines
    assert stage.operator.lines[-1].endswith(": done: 6.1.0-56 runs")


def test_what_the_guard_found_is_there_for_a_roll_as_values(monkeypatch, tmp_path):
    verdicts = [("disk", "OK", "room"), ("logins", "FAILED", "somebody is logged in: alice")]
    events = [
        ("verdict", {"stage": "guard", "check": check, "status": status, "why": why}) for check, status, why in verdicts
    ]
    stage = Stage(monkeypatch, tmp_path, events=events, result=Result(Outcome.REFUSED, "the guard"))
    assert stage.run.objections == ""
    assert stage.run.execute() is Outcome.REFUSED
    assert stage.run.objections == "logins FAILED: somebody is logged in: alice"


@pytest.mark.parametrize("error", [JournalError("nothing can be read"), InterruptedRunError("SIGHUP")])
def test_a_run_that_is_done_is_done_also_where_its_report_cannot_be_made(monkeypatch, tmp_path, error):
    """Not "refused, nothing changed": the host was rebooted."""
    stage = Stage(monkeypatch, tmp_path, events=REBOOT)

    def gone(*_):
        raise error

    monkeypatch.setattr(reboot.report, "build", gone)
    assert stage.run.execute() is Outcome.DONE
    assert "done: 6.1.0-56 runs (its report cannot be made: " in stage.operator.lines[-1]


def test_a_full_disk_hides_neither_the_end_nor_what_was_done(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, events=REBOOT, result=Result(Outcome.MAIL_LOST, "one message"))
    loop = stage.loop
    monkeypatch.setattr(reboot, "Run", lambda *args, **kw: fill_the_disk(stage.run) or loop(*args, **kw))
    assert stage.run.execute() is Outcome.MAIL_LOST
    assert stage.operator.lines[-1] == f"{HOST}: MAIL IS MISSING, left out of service: one message"
    assert [entry.step for entry in stage.run.report.timeline] == ["reboot"]


def test_the_page_lies_beside_the_report_and_knows_what_was_run(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, events=REBOOT)
    stage.run.execute()
    (page,) = tmp_path.glob("*.html")
    assert f"page: {page}" in stage.operator.lines
    assert "ordered" in page.read_text()


def test_what_only_the_page_shows_goes_into_the_journal_of_the_run_and_nowhere_after_it(monkeypatch, tmp_path):
    stage = Stage(monkeypatch, tmp_path, events=REBOOT)
    extras = stage.run.wiring.extras
    loop = stage.loop
    monkeypatch.setattr(stage, "loop", lambda *args, **kw: extras.write("queue", left=7) or loop(*args, **kw))
    monkeypatch.setattr(reboot, "Run", stage.loop)
    stage.run.execute()
    # the next file that is opened has the number that the journal had
    with (tmp_path / "next").open("w"):
        extras.write("queue", left=8)
    (journal,) = tmp_path.glob("*.jsonl")
    assert ('"left": 7' in journal.read_text(), (tmp_path / "next").read_text()) == (True, "")
