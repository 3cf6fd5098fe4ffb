"""From the request of remedy-mx to its orders, its journal, and how it ends."""

import dataclasses
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandFailedError, ConfigError, InterruptedRunError
from mxlib.base.verdict import Status, Verdict
from mxlib.commands import remedy
from mxlib.commands.remedy import RemedyMx, RemedyRequest, list_remedies
from mxlib.model.on_host import FENCED
from mxlib.model.outcome import Outcome
from mxlib.protocols.host import CommandResult
from mxlib.remedies.bounds import Order
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.suggest import Suggestion
from mxlib.verify.request import HostReport
from tests.unit.support.records import RECORD
from tests.unit.support.site import SITE

MX = "mx1001.example.org"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def request(**changes: object) -> RemedyRequest:
    values: dict[str, object] = {"host": MX, "remedy": "allow", "arguments": (), "sources": (), "how_long": 0.0}
    return RemedyRequest(**{**values, "reason": "an outage", **changes})  # type: ignore[arg-type]


def test_orders() -> None:
    both = request(sources=("192.0.2.1", "2001:db8::1"), how_long=1800.0)
    assert both.orders() == (Order("allow", "192.0.2.1", 1800), Order("allow", "2001:db8::1", 1800))
    assert request(remedy="reload-firewall").orders() == (Order("reload-firewall"),)
    for wrong in (request(), request(sources=("x",)), request(remedy="reboot"), request(remedy="x", how_long=60.0)):
        with pytest.raises(ConfigError):
            wrong.orders()


class Host:
    """An MX on which scripts are kept, and answered with the code that it is given."""

    name = MX

    def __init__(self, code: int = 0) -> None:
        self.code, self.scripts = code, []  # type: ignore[var-annotated]

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        self.scripts.append(script)
        return CommandResult(script, self.code, "a run has claimed the host just now\n", NOW, 0.0)


class Stage:
    """The command on a host; its remedy runs one script for each unit, and is judged as it is given."""

    def __init__(self, monkeypatch, spicerack, tmp_path, *statuses, record=None, code=0, error=None, **changes):
        self.host, self.error = Host(code), error
        self.judged = list(statuses)
        made = dataclasses.replace(
            REMEDIES["restart-unit"],
            refuse=lambda site, order: "" if order.argument != "cron.service" else "no unit of the MTA",
            commands=lambda bench, order: [f"systemctl restart {order.argument}"],
            apply=self._apply,
            judge=lambda bench, order: (Verdict("units", self.judged.pop(0), f"{order.argument} runs"),),
        )
        monkeypatch.setitem(REMEDIES, "restart-unit", made)
        monkeypatch.setattr("mxlib.commands.wiring.Wiring.host", lambda *_: self.host)
        standing = SimpleNamespace(depool=SimpleNamespace(record=record))
        monkeypatch.setattr(remedy, "read_standing", lambda host, mta: standing)
        site = dataclasses.replace(SITE, reports=tmp_path)
        asked = {"remedy": "restart-unit", "arguments": ("a.service", "b.service"), "task": "T1", **changes}
        self.command = RemedyMx(spicerack, site, request(**asked))

    def _apply(self, bench, order):
        if self.error:
            raise self.error
        bench.act(f"systemctl restart {order.argument}", 30.0)
        return f"{order.argument} was restarted"


def test_what_is_not_within_the_bounds_is_refused_before_the_host_is_asked(monkeypatch, spicerack, tmp_path):
    with pytest.raises(ConfigError, match="restart-unit: no unit of the MTA"):
        Stage(monkeypatch, spicerack, tmp_path, arguments=("cron.service",))
    with pytest.raises(ConfigError, match=r"--prove: probes.outbound has no 'x', only any"):
        Stage(monkeypatch, spicerack, tmp_path, prove="x")
    with pytest.raises(ConfigError, match="is not one of the MXs"):
        Stage(monkeypatch, spicerack, tmp_path, host="web1.example.org")


def test_each_order_is_applied_judged_and_written_down(monkeypatch, spicerack, tmp_path, lines):
    stage = Stage(monkeypatch, spicerack, tmp_path, Status.OK, Status.OK)
    assert stage.command.execute() is Outcome.DONE
    assert ["systemctl restart a.service" in stage.host.scripts[0], len(stage.host.scripts)] == [True, 2]
    assert f"by {stage.command.wiring.who}: restart-unit a.service b.service: an outage" in stage.host.scripts[0]
    (path,) = tmp_path.glob("*.jsonl")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["event"] for one in events] == ["start", *2 * ["begin", "done", "verdict"], "end"]
    assert (events[0]["why"], events[-1]["outcome"]) == ("an outage - T1", "DONE")
    assert lines()[-2] == f"undo: {REMEDIES['restart-unit'].undo}"
    assert lines()[-1] == f"{MX}: done: units: a.service runs; units: b.service runs"
    assert "  OK      units: a.service runs" in lines()


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((Status.OK, Status.FAILED), Outcome.FAILED),
        ((Status.UNKNOWN, Status.OK), Outcome.UNKNOWN),
        ((Status.UNKNOWN, Status.FAILED), Outcome.FAILED),
    ],
)
def test_it_ends_as_the_worst_of_what_was_judged(monkeypatch, spicerack, tmp_path, lines, statuses, outcome):
    assert Stage(monkeypatch, spicerack, tmp_path, *statuses).command.execute() is outcome
    worst = {Outcome.FAILED: Status.FAILED, Outcome.UNKNOWN: Status.UNKNOWN}[outcome]
    unit = ("a.service", "b.service")[statuses.index(worst)]
    assert lines()[-1] == f"{MX}: {outcome.phrase}: units: {unit} runs"


def test_a_dry_run_shows_the_commands_and_does_nothing(monkeypatch, spicerack, tmp_path, lines):
    spicerack.dry_run = True
    stage = Stage(monkeypatch, spicerack, tmp_path)
    assert (stage.command.reads_only, stage.command.execute()) == (True, Outcome.DONE)
    assert lines()[:2] == ["would restart-unit a.service", "    systemctl restart a.service"]
    assert lines()[-1] == f"{MX}: done: dry run, nothing was changed"
    assert (stage.host.scripts, list(tmp_path.iterdir())) == ([], [])


def test_a_remedy_that_fails_is_in_the_journal_and_its_end_is_a_failure(monkeypatch, spicerack, tmp_path):
    stage = Stage(monkeypatch, spicerack, tmp_path, error=CommandFailedError("exit code 1: no such unit"))
    assert stage.command.execute() is Outcome.FAILED
    (path,) = tmp_path.glob("*.jsonl")
    assert json.loads(path.read_text().splitlines()[-1])["error"] == "exit code 1: no such unit"


@pytest.mark.parametrize(("run", "outcome"), [("", Outcome.REFUSED), (RECORD.run, Outcome.DONE)])
def test_a_host_that_a_run_has_claimed_is_left_to_whose_run_it_is(
    monkeypatch, spicerack, tmp_path, lines, run, outcome
):
    stage = Stage(monkeypatch, spicerack, tmp_path, Status.OK, Status.OK, record=RECORD, run=run)
    assert stage.command.execute() is outcome
    assert bool(stage.host.scripts) is (outcome is Outcome.DONE)
    if outcome is Outcome.REFUSED:
        assert "run run-1 (op@cumin1001 since now) has claimed the host: because" in lines()[-1]
        assert lines()[-1].endswith("--run run-1")
    else:
        assert f'"run": "{RECORD.run}"' in stage.host.scripts[0]


def test_a_run_that_claims_the_host_in_between_fences_it(monkeypatch, spicerack, tmp_path, lines):
    stage = Stage(monkeypatch, spicerack, tmp_path, code=FENCED)
    assert stage.command.execute() is Outcome.REFUSED
    assert "a run has claimed the host just now" in lines()[-1]


def test_a_run_that_claims_the_host_after_the_first_of_two_has_not_kept_everything_as_it_was(
    monkeypatch, spicerack, tmp_path
):
    stage = Stage(monkeypatch, spicerack, tmp_path, Status.OK)
    monkeypatch.setattr(stage.command, "_judged", lambda _found: setattr(stage.host, "code", FENCED) or ())
    assert stage.command.execute() is Outcome.FAILED


@pytest.mark.parametrize("first", [True, False])
def test_who_stops_it_reads_whether_anything_was_done(monkeypatch, spicerack, tmp_path, lines, first):
    stage = Stage(monkeypatch, spicerack, tmp_path, Status.OK)
    stop = InterruptedRunError("SIGTERM")
    stage.error = stop if first else None
    stage.judged = [Status.OK]
    monkeypatch.setattr(remedy.RemedyMx, "_judged", lambda *_: (_ for _ in ()).throw(stop))
    assert stage.command.execute() is Outcome.INTERRUPTED
    assert ("nothing was changed" in lines()[-1]) is first
    assert ("what was begun may be done" in lines()[-1]) is not first


@pytest.mark.parametrize(
    ("probes", "dry_run", "sent"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_what_would_help_is_said_as_a_command(monkeypatch, spicerack, tmp_path, lines, probes, dry_run, sent):
    spicerack.dry_run = dry_run
    stage = Stage(monkeypatch, spicerack, tmp_path, remedy="", arguments=(), probes=probes)
    asked = []
    report = HostReport(MX, (Verdict("units", Status.FAILED, "one failed"),), NOW, 1.0)
    monkeypatch.setattr(remedy, "verify_hosts", lambda _hosts, wanted, *_: asked.append(wanted.probes) or (report,))
    monkeypatch.setattr(remedy, "read_facts", lambda host, sources: None)
    found = (Suggestion(Order("restart-unit", "a.service"), "units", "it failed"),)
    monkeypatch.setattr(remedy, "suggest", lambda *_: found)
    assert (stage.command.reads_only, stage.command.execute()) == (True, Outcome.FAILED)
    assert stage.command.description == f"for {MX}: what would help"
    assert (asked[0] is not None) is sent
    command = f"cookbook sre.mail.remedy-mx {MX} restart-unit a.service"
    assert lines()[-2] == f"for units: {command}   # it failed"
    assert lines()[-1] == f"{MX}: something is wrong: units; next: {command}"
    monkeypatch.setattr(remedy, "suggest", lambda *_: found * 3)
    stage.command.execute()
    assert lines()[-1] == f"{MX}: something is wrong: units; next: {command}    # and 2 more above"
    monkeypatch.setattr(remedy, "suggest", lambda *_: ())
    stage.command.execute()
    assert lines()[-1] == f"{MX}: something is wrong: units; none of the remedies fits what fails"


def test_what_only_verify_mx_judges_is_not_said_to_be_well(monkeypatch, spicerack, tmp_path, lines):
    stage = Stage(monkeypatch, spicerack, tmp_path, remedy="", arguments=())
    well = HostReport(MX, (Verdict("units", Status.OK, "well"), Verdict("outbound-any", Status.OK, "well")), NOW, 1.0)
    monkeypatch.setattr(remedy, "verify_hosts", lambda *_: (well,))
    assert stage.command.execute() is Outcome.DONE
    said, _, others = lines()[-1].partition("; only verify-mx judges ")
    assert said == f"{MX}: done: 1 host, all OK"
    assert {"nic", "alerts", "inbound-peers"} <= set(others.split(", "))
    assert not {"units", "outbound-any"} & set(others.split(", "))


def test_what_no_remedy_does_is_said_with_its_setting(monkeypatch, spicerack, tmp_path, lines):
    stage = Stage(monkeypatch, spicerack, tmp_path, remedy="", arguments=())
    report = HostReport(MX, (Verdict("log", Status.FAILED, "27 x BDAT refused"),), NOW, 1.0)
    monkeypatch.setattr(remedy, "verify_hosts", lambda *_: (report,))
    monkeypatch.setattr(remedy, "read_facts", lambda host, sources: None)
    monkeypatch.setattr(remedy, "suggest", lambda *_: ())
    monkeypatch.setattr(remedy, "advise", lambda *_: ("set this.", "and that."))
    assert stage.command.execute() is Outcome.FAILED
    assert lines()[-3:-1] == ["for log, by hand: set this.", "for log, by hand: and that."]
    assert lines()[-1].endswith("log; next: the change of the site's configuration above, which no remedy makes")
    found = (Suggestion(Order("restart-unit", "a.service"), "units", "it failed"),)
    monkeypatch.setattr(remedy, "suggest", lambda *_: found)
    stage.command.execute()
    assert lines()[-1].endswith(f"next: cookbook sre.mail.remedy-mx {MX} restart-unit a.service")


def test_the_list_names_every_remedy_once() -> None:
    assert [line.split()[0] for line in list_remedies().splitlines()] == list(REMEDIES)


def test_a_destination_is_proven_alone_and_against_its_hints(monkeypatch, spicerack, tmp_path):
    stage = Stage(monkeypatch, spicerack, tmp_path, Status.OK, Status.OK, prove="any")
    asked = []

    def outbound(host, section, run, policy, *, force):
        asked.append(([one.name for one in section.outbound], force))
        return Verdict("outbound-any", Status.FAILED, "deferred"), Verdict("conntrack", Status.OK, "well")

    monkeypatch.setattr(remedy.probe, "outbound", outbound)
    monkeypatch.setattr(remedy, "outbound_name", lambda name: f"outbound-{name}")
    assert stage.command.execute() is Outcome.FAILED
    assert asked == [(["any"], True)]

