"""From the request of refresh-aliases to its run, its journal and its report."""

import dataclasses
import json

import pytest

from mxlib.aliases.found import Found
from mxlib.base.errors import CommandFailedError, ConfigError, HostUnreachableError, InterruptedRunError
from mxlib.commands import aliases
from mxlib.commands.aliases import RefreshAliases, RefreshRequest
from mxlib.model.outcome import Outcome
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.site import SITE

MXS = tuple(SITE.mxs)


class Runs:
    """What stands in the place of the loop: keeps the world and what was wanted, then ends as it is given."""

    def __init__(self, monkeypatch, end=Outcome.DONE):
        self.end, self.found = end, Found()
        monkeypatch.setattr(aliases, "Refresh", self._made)

    def _made(self, world, wanted):
        self.world, self.wanted = world, wanted
        return self

    def execute(self):
        self.world.operator.line("one generator was run")
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def made(spicerack, tmp_path, **request):
    site = dataclasses.replace(SITE, aliases=(GENERATOR,), reports=tmp_path)
    spicerack.remote.side_effect = None
    return RefreshAliases(spicerack, site, RefreshRequest("", **request))


def test_a_site_without_generators_is_refused(spicerack):
    with pytest.raises(ConfigError, match="no section aliases"):
        RefreshAliases(spicerack, SITE, RefreshRequest(""))


@pytest.mark.parametrize(
    ("dry_run", "request_", "reads_only"), [(True, {}, True), (False, {"check": True}, True), (False, {}, False)]
)
def test_who_only_looks_needs_no_lock_and_leaves_no_journal(
    monkeypatch, spicerack, tmp_path, dry_run, request_, reads_only
):
    runs, spicerack.dry_run = Runs(monkeypatch), dry_run
    command = made(spicerack, tmp_path, **request_)
    assert command.reads_only is reads_only
    assert command.execute() is Outcome.DONE
    assert (list(tmp_path.iterdir()) == []) is reads_only
    assert runs.world.dry_run is dry_run


def test_what_the_operator_asked_for_reaches_the_run(monkeypatch, spicerack, tmp_path):
    runs = Runs(monkeypatch)
    asked = {"addresses": ("a@example.org",), "limit": 30.0, "pin": True}
    made(spicerack, tmp_path, reason="hangs again", **asked).execute()
    assert runs.wanted.targets == MXS
    assert (runs.wanted.addresses, runs.wanted.limit, runs.wanted.pin) == (("a@example.org",), 30.0, True)
    assert (runs.wanted.check, runs.wanted.unpin) == (False, False)
    assert (tuple(runs.world.hosts), runs.world.generators) == (MXS, (GENERATOR,))


def test_a_run_leaves_a_journal_and_a_report_with_all_that_was_said(monkeypatch, spicerack, tmp_path, lines):
    Runs(monkeypatch, Outcome.FAILED)
    command = made(spicerack, tmp_path, reason="hangs again")
    assert command.description == f"for {', '.join(MXS)}"
    assert command.execute() is Outcome.FAILED
    journal = tmp_path / f"aliases.{command.run_id}.jsonl"
    start, end = map(json.loads, journal.read_text().splitlines())
    assert (start["event"], start["why"], start["hosts"]) == ("start", "hangs again", list(MXS))
    assert (end["event"], end["outcome"]) == ("end", "FAILED")
    assert "one generator was run" in journal.with_suffix(".md").read_text()
    assert json.loads(journal.with_suffix(".json").read_text())["run"] == command.run_id
    assert [line for line in lines() if Outcome.FAILED.phrase in line] == lines()[-1:], "the outcome, last and once"
    assert lines()[0] == f"run {command.run_id} on {', '.join(MXS)}, journal {journal}"


@pytest.mark.parametrize(
    ("error", "check", "outcome"),
    [
        # once a host may have been changed, an error says nothing of how the aliases stand
        (CommandFailedError("exit code 1"), False, Outcome.UNKNOWN),
        (CommandFailedError("exit code 1"), True, Outcome.FAILED),
        (HostUnreachableError("no session"), True, Outcome.NO_ANSWER),
    ],
)
def test_how_an_error_ends_it(monkeypatch, spicerack, tmp_path, error, check, outcome):
    Runs(monkeypatch, error)
    assert made(spicerack, tmp_path, check=check).execute() is outcome


def test_where_nobody_answers_the_last_line_says_what_to_do_next(monkeypatch, spicerack, tmp_path, lines):
    runs = Runs(monkeypatch, Outcome.NO_ANSWER)
    runs.found.unknown = ["mx1001: vrts: not read: no session"]
    assert made(spicerack, tmp_path).execute() is Outcome.NO_ANSWER
    assert lines()[-1].startswith(
        "refresh-aliases: no answer: mx1001: vrts: not read: no session; next: look at this side first: ssh key"
    )


def test_who_stops_it_reads_that_a_run_on_a_host_ends_by_itself(monkeypatch, spicerack, tmp_path, lines):
    Runs(monkeypatch, InterruptedRunError("SIGTERM"))
    assert made(spicerack, tmp_path).execute() is Outcome.INTERRUPTED
    assert "stopped by SIGTERM; a run on a host ends by itself, within its limit" in lines()[-1]
