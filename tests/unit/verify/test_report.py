"""What verify-mx found, as a table, as JSON and as an outcome."""

import dataclasses
import json

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status, Verdict
from mxlib.model.outcome import Outcome
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.report import as_json, outcome_of, table, worst
from mxlib.verify.request import HostReport, VerificationScope
from tests.unit.support.aliases import A
from tests.unit.support.facts import NOW
from tests.unit.support.verifying import POLICY, REPORTS, Recorded, report, verdict


def test_where_no_host_answers_the_verification_itself_has_failed(world):
    gone = HostUnreachableError("no session")
    here, there = Recorded("mx1001.lab.test", error=gone), Recorded("mx2001.lab.test", "mx2001", gone)
    assert outcome_of(verify_hosts([here, there], VerificationScope(POLICY))) is Outcome.NO_ANSWER
    assert outcome_of(verify_hosts([Recorded(), there], VerificationScope(POLICY))) is Outcome.UNKNOWN
    assert outcome_of(verify_hosts([Recorded()], VerificationScope(POLICY, only=("outbound-none",)))) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([Status.OK], Outcome.DONE),
        ([Status.OK, Status.UNKNOWN], Outcome.UNKNOWN),
        ([Status.FAILED, Status.UNKNOWN], Outcome.FAILED),
        ([], Outcome.UNKNOWN),
    ],
)
def test_exit_codes(statuses, expected):
    assert outcome_of([report("a", *(verdict(f"c{n}", s) for n, s in enumerate(statuses)))]) is expected


@pytest.mark.parametrize("status", Status)
def test_a_run_that_reached_nobody_says_so_whatever_it_found(status):
    silent = dataclasses.replace(report("a", verdict("inbound-v4", status)), answered=False)
    assert outcome_of([silent, dataclasses.replace(silent, host="b")]) is Outcome.NO_ANSWER
    assert outcome_of([silent, report("b")]) is not Outcome.NO_ANSWER


def test_without_hosts_nothing_is_known():
    assert outcome_of([]) is Outcome.UNKNOWN


def test_the_worst_in_one_sentence():
    well, unread = report("b.lab.test", verdict("x", Status.OK)), report("c.lab.test", verdict("y", Status.UNKNOWN))
    assert worst([well, well]) == "2 hosts, all OK"
    assert worst([REPORTS[0], unread, well]) == "a.lab.test: x; c.lab.test: y"
    many = report("d.lab.test", *(verdict(f"check-{number}", Status.FAILED) for number in range(99)))
    assert (len(worst([many])), worst([many])[-1]) == (240, "…")


def test_the_table():
    assert table(REPORTS).splitlines() == [
        "2 hosts: 1 FAILED, 1 OK  (1.0 s)",
        "FAILED  a.lab.test  (1.0 s)",
        "  FAILED   x                      broken",
        "  UNKNOWN  y, z                   gone",
        "  OK       1 other check",
        "OK      b.lab.test: 1 check, all OK",
    ]
    assert "because" in table(REPORTS, verbose=True)


def test_a_hundred_hosts_that_are_well_are_one_line():
    well = [report(f"mx{number:03d}.lab.test", verdict("x", Status.OK)) for number in range(100)]
    lines = table([REPORTS[0], *well]).splitlines()
    assert len(lines) == 6
    assert lines[0] == "101 hosts: 1 FAILED, 100 OK  (1.0 s)"
    assert lines[-1].startswith("OK      mx000.lab.test, mx001.lab.test")


def test_warnings_are_shown_also_where_all_is_well():
    warned = report("a.lab.test", dataclasses.replace(verdict("x", Status.OK), warnings=("look at it",)))
    assert table([warned]).splitlines() == [
        "OK      a.lab.test  (1.0 s)",
        "  warning  x                      look at it",
        "  OK       1 check",
    ]


def test_notes_are_part_of_the_json():
    assert json.loads(as_json([], ["an old entry"]))["notes"] == ["an old entry"]


def test_what_was_left_out_is_part_of_the_json():
    assert json.loads(as_json(REPORTS))["left_out"] == []
    assert json.loads(as_json(REPORTS, (), ("puppet",)))["left_out"] == ["puppet"]


def test_json_carries_the_evidence():
    data = json.loads(as_json(REPORTS))
    first = data["hosts"][0]
    assert (first["host"], first["status"]) == ("a.lab.test", "FAILED")
    assert first["checks"][0]["evidence"] == [{"command": "command", "output": "output", "when": NOW.isoformat()}]


def test_a_warning_is_shown_and_changes_no_status():
    warned = Verdict("aliases", Status.OK, "well", (), ("no start timeout",))
    report = HostReport(A, (warned,), NOW, 1.0)
    assert "  warning  aliases                no start timeout" in table([report]).splitlines()
    assert report.status is Status.OK
    assert '"no start timeout"' in as_json([report])
