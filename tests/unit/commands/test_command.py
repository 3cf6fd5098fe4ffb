"""The shell around every cookbook: whatever happens, there is one line and one outcome, and the journal is closed."""

import contextlib
import json
import os
import signal
from types import SimpleNamespace

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    ConfigError,
    FencedError,
    HostUnreachableError,
    InterruptedRunError,
    ParseError,
    SlotError,
)
from mxlib.commands.command import Command, log_directory
from mxlib.model.outcome import Outcome
from tests.unit.support.full_disk import fill_the_disk


class Doing(Command):
    """Does what a test wants."""

    name = "verify-mx"

    def __init__(self, do, tmp_path, *, acted=False, subject=""):
        spicerack = SimpleNamespace(dry_run=False)
        super().__init__(spicerack, SimpleNamespace(reports=tmp_path, mta="exim"), subject=subject)
        self._do, self.acted = do, acted

    def work(self):
        return self._do(self)


def raising(error):
    def do(_command):
        raise error

    return do


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (HostUnreachableError("mx: no session"), Outcome.NO_ANSWER, Outcome.FAILED),
        (CommandTimeoutError("mx: no end"), Outcome.UNKNOWN, Outcome.FAILED),
        (CommandFailedError("mx: exit code 1"), Outcome.FAILED, Outcome.FAILED),
        (FencedError("mx: a newer token"), Outcome.REFUSED, Outcome.FAILED),
        (ParseError("Failed to connect to bus"), Outcome.UNKNOWN, Outcome.FAILED),
        (ConfigError("--prove: none"), Outcome.REFUSED, Outcome.FAILED),
        (SlotError("etcd: refused"), Outcome.REFUSED, Outcome.FAILED),
    ],
)
def test_an_error_is_an_outcome_and_one_line_with_its_cause(tmp_path, lines, error, before, after):
    assert Doing(raising(error), tmp_path).execute() is before
    assert Doing(raising(error), tmp_path, acted=True).execute() is after
    told = f"; next: {THIS_SIDE}" if before is Outcome.NO_ANSWER else ""
    assert lines() == [f"verify-mx: {before.phrase}: {error}{told}", f"verify-mx: {after.phrase}: {error}"]


THIS_SIDE = "look at this side first: ssh key, known hosts, ControlPath in cumin's ssh_config, network"


@pytest.mark.parametrize("given", ["", "; next: cookbook sre.mail.repair-nic mx1 --repair"])
def test_of_a_silent_host_the_last_line_names_it_once_and_has_the_next_command(tmp_path, lines, given):
    error = HostUnreachableError(f"mx1: no session{given}")
    assert Doing(raising(error), tmp_path, subject="mx1").execute() is Outcome.NO_ANSWER
    status = "; next: cookbook sre.mail.reboot-mx mx1 --status    # if the host runs, look at this side: "
    assert lines()[0].startswith(f"mx1: no answer: no session{given or status}")
    assert lines()[0].count("next: ") == 1


def test_a_signal_ends_it_with_30_and_says_what_is_left_standing(tmp_path, lines):
    def do(command):
        os.kill(os.getpid(), signal.SIGTERM)
        command.stop.check()

    command = Doing(do, tmp_path)
    assert command.execute() is Outcome.INTERRUPTED
    assert lines() == ["verify-mx: interrupted: stopped by SIGTERM; nothing was changed"]
    command.stop.check()  # it was heard: what ends the run is not stopped a second time
    assert Doing(raising(InterruptedRunError("SIGHUP")), tmp_path, acted=True).execute() is Outcome.INTERRUPTED
    assert "what was begun may be done" in lines()[-1]


def test_a_bug_is_not_swallowed_and_the_journal_is_closed_all_the_same(tmp_path):
    def do(command):
        command.path = command.open_journal("mx.run", host="mx")
        raise ZeroDivisionError

    command = Doing(do, tmp_path)
    with pytest.raises(ZeroDivisionError):
        command.execute()
    begun = json.loads(command.path.read_text())
    assert (begun["event"], begun["run"], begun["host"]) == ("start", command.run_id, "mx")
    command.journal.write("nothing")
    assert len(command.path.read_text().splitlines()) == 1


@pytest.mark.parametrize("end", [Outcome.DONE, Outcome.HUNG_AGAIN])
def test_a_full_disk_costs_the_journal_and_not_the_outcome(tmp_path, lines, end):
    def do(command):
        command.path = command.open_journal("mx.run", host="mx")
        fill_the_disk(command)
        command.acted = True
        command.journal.write("run", host="mx")
        command.journal.write("end", outcome=end.name)
        return end

    command = Doing(do, tmp_path)
    assert command.execute() is end
    assert lines() == [
        f"NOT in the journal from here on, the run goes on without: {command.path}: No space left on device"
    ]


def test_a_journal_that_cannot_be_begun_is_a_refusal_before_anything_is_done(tmp_path, lines):
    (tmp_path / "mx.run.jsonl").symlink_to("/dev/full")

    def do(command):
        command.open_journal("mx.run", host="mx")
        raise AssertionError("nothing may be done without it")

    assert Doing(do, tmp_path).execute() is Outcome.REFUSED
    assert "No space left on device" in lines()[0]


def test_a_report_that_cannot_be_written_changes_nothing_else(tmp_path, lines):
    def do(command):
        command.write_report(tmp_path / "gone" / "mx.jsonl", "# text", "{}")
        return Outcome.DONE

    assert Doing(do, tmp_path).execute() is Outcome.DONE
    assert "cannot be written" in lines()[0]


def test_without_a_log_of_spicerack_reports_lie_in_the_present_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert log_directory() == tmp_path


def test_a_host_that_is_asked_and_an_operator_who_is_are_signs_of_life(monkeypatch, tmp_path):
    command = Doing(lambda _: None, tmp_path)
    said = []
    monkeypatch.setattr(command.stop.pulse, "quiet", lambda seconds=0.0: said.append(seconds))
    command.wiring._go_on(45.0)
    command.stop.ask("SIGTERM")
    with pytest.raises(InterruptedRunError):
        command.wiring._go_on()
    assert said == [45.0, 0.0]


@pytest.mark.parametrize("error", [ConfigError("no"), ZeroDivisionError(), KeyboardInterrupt()])
def test_the_live_line_is_gone_whatever_ends_it(tmp_path, monkeypatch, error):
    command, closed = Doing(raising(error), tmp_path), []
    monkeypatch.setattr(command.operator, "close", lambda: closed.append(1))
    with contextlib.suppress(ZeroDivisionError, KeyboardInterrupt):
        command.execute()
    assert closed
