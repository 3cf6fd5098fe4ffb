"""How verify-mx ends, beside its table."""

import dataclasses
import json
import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from mxlib.base.errors import ReportError
from mxlib.base.verdict import Status, Verdict
from mxlib.commands.verify import Verify, VerifyRequest
from mxlib.model.outcome import Outcome
from mxlib.verify.request import HostReport
from tests.unit.support.site import SITE

MX = HostReport("mx1001.example.org", (Verdict("mta", Status.OK, "well"),), datetime(2026, 1, 1, tzinfo=UTC), 1.0)


@pytest.mark.parametrize("answered", [True, False])
def test_where_no_host_answers_the_last_line_points_at_this_side(
    answered: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = dataclasses.replace(MX, answered=answered)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (report,))
    ended = Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="")).execute()
    assert ended is (Outcome.DONE if answered else Outcome.NO_ANSWER)
    assert ("next: look at this side first" in caplog.messages[-1]) is not answered


def test_where_the_only_host_that_was_asked_is_silent_it_may_well_be_down(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (dataclasses.replace(MX, answered=False),))
    monkeypatch.setattr("mxlib.commands.verify.find_hosts", lambda *_: (MX.host,))
    assert Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query=MX.host)).execute() is Outcome.NO_ANSWER
    assert f"no answer: next: cookbook sre.mail.reboot-mx {MX.host} --status    # if the" in caplog.messages[-1]


SUGGEST = "next: cookbook sre.mail.remedy-mx mx1001.example.org --suggest"


@pytest.mark.parametrize(
    ("status", "last"),
    [
        (Status.OK, "verify-mx: done: 1 host, all OK"),
        (Status.FAILED, f"verify-mx: something is wrong: mx1001.example.org: mta; {SUGGEST}"),
        (Status.UNKNOWN, f"verify-mx: not all is known: mx1001.example.org: mta; {SUGGEST}"),
    ],
)
def test_the_outcome_is_said_once_and_last(status, last, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    found = dataclasses.replace(MX, verdicts=(Verdict("mta", status, "so it is"),))
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (found,))
    Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="")).execute()
    assert [line[9:] for line in caplog.messages if "verify-mx: " in line] == [last]
    assert caplog.messages[-1].endswith(last)


def test_the_remedy_is_asked_for_the_host_that_failed(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    unknown = dataclasses.replace(MX, verdicts=(Verdict("mta", Status.UNKNOWN, "so it is"),))
    failed = dataclasses.replace(MX, host="mx2001.example.org", verdicts=(Verdict("mta", Status.FAILED, "no process"),))
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (failed, unknown))  # the worst first
    Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="")).execute()
    assert caplog.messages[-1].endswith("; next: cookbook sre.mail.remedy-mx mx2001.example.org --suggest")


def test_a_dry_run_leaves_the_metrics_as_they_are(monkeypatch, tmp_path, caplog):
    """What it does not ask is unknown, and would raise alerts for every host."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (MX,))
    files = {"metrics_file": tmp_path / "mx.prom", "json_file": tmp_path / "mx.json"}
    (tmp_path / "mx.prom").write_text("as it was\n")
    Verify(MagicMock(dry_run=True), SITE, VerifyRequest(query="", **files)).execute()
    assert (tmp_path / "mx.prom").read_text() == "as it was\n"
    assert any("mx.prom is left as it is" in line for line in caplog.messages)
    assert "mx1001" in (tmp_path / "mx.json").read_text()
    Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="", **files)).execute()
    assert "mx_verify_answered" in (tmp_path / "mx.prom").read_text()


def test_who_stops_it_gets_no_verdict_and_raises_no_alert(monkeypatch, tmp_path, caplog):
    """The signal ends ssh, too: every host would be one that does not answer, and its metrics would page."""
    caplog.set_level(logging.INFO)

    def stopped(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        return (dataclasses.replace(MX, answered=False),)

    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", stopped)
    files = {"metrics_file": tmp_path / "mx.prom", "json_file": tmp_path / "mx.json", "html_file": tmp_path / "x.html"}
    assert Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="", **files)).execute() is Outcome.INTERRUPTED
    assert [line[9:] for line in caplog.messages] == ["verify-mx: interrupted: stopped by SIGTERM; nothing was changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_the_standard_output_and_no_file(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (MX,))
    Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="", json_file=Path("-"))).execute()
    assert json.loads(capsys.readouterr().out)["hosts"][0]["host"] == MX.host
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "left_out", "covered"),
    [
        ({}, set(), {"disk", "inbound-v4", "relay"}),
        ({"skip": ("disk", "relay")}, {"disk", "relay"}, {"inbound-v4"}),
        ({"probes": False}, {"inbound-v4"}, {"disk", "relay"}),
        ({"only": ("disk",)}, {"inbound-v4", "relay"}, {"disk"}),
    ],
)
def test_what_was_not_asked_for_is_part_of_the_json(asked, left_out, covered, monkeypatch, tmp_path):
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (MX,))
    path = tmp_path / "mx.json"
    Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="", json_file=path, **asked)).execute()
    found = set(json.loads(path.read_text())["left_out"])
    assert left_out <= found
    assert not covered & found
    assert bool(found) is bool(asked), "a whole verification leaves nothing out"


def test_what_was_found_is_shown_also_where_it_cannot_be_written(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (MX,))
    place = tmp_path / "gone"
    place.mkdir()
    verify = Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="", metrics_file=place / "mx.prom"))
    place.rmdir()
    assert verify.execute() is not Outcome.DONE
    assert any("mx1001.example.org" in line for line in caplog.messages)
    assert "cannot be written" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("status", "answered", "next_command"),
    [
        (Status.OK, True, "nothing is left to do"),
        (Status.FAILED, True, "cookbook sre.mail.remedy-mx mx1001.example.org --suggest"),
        (Status.UNKNOWN, False, "look at this side first"),
    ],
)
def test_the_page_says_what_to_type_next(
    status: Status, answered: bool, next_command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = dataclasses.replace(MX, verdicts=(Verdict("mta", status, "so it is"),), answered=answered)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (found,))
    request = VerifyRequest(query="", html_file=tmp_path / "last.html")
    Verify(MagicMock(dry_run=False), SITE, request).execute()
    assert next_command in (tmp_path / "last.html").read_text()


def test_a_page_that_cannot_be_made_changes_no_outcome(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (MX,))
    monkeypatch.setattr("mxlib.pages.verify.page", lambda *_: 1 / 0)
    request = VerifyRequest(query="", html_file=tmp_path / "last.html")
    assert Verify(MagicMock(dry_run=False), SITE, request).execute() is Outcome.DONE
    assert any("the page could not be made" in message for message in caplog.messages)


def test_verify_mx_refuses_metrics_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    request = VerifyRequest(query="", metrics_file=tmp_path / "none" / "mx.prom")
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none: expected .* textfile collector"):
        Verify(spicerack, SITE, request)


def test_verify_mx_refuses_json_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    request = VerifyRequest(query="", json_file=tmp_path / "none" / "mx.json")
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none"):
        Verify(spicerack, SITE, request)
