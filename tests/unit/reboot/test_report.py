import json

import pytest

from mxlib.base.journal import Journal, read
from mxlib.model.outcome import Outcome
from mxlib.reboot import report
from mxlib.reboot.report_markdown import markdown
from tests.unit.support.fakes import FakeClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "run.jsonl"


def made(path, *events, outcome=Outcome.DONE, why="all is well"):
    journal = Journal(path, FakeClock())
    for name, values in events:
        journal.write(name, **values)
    if outcome:
        journal.write("end", outcome=outcome.name, why=why)
    journal.close()
    return report.build("mx2001.lab.test", "run-1", "op@cumin1001", "because", read(path), "")


def test_the_first_line_is_the_outcome(path):
    found = made(path, outcome=Outcome.LEFT_OUT, why="it does not answer")
    assert markdown(found).startswith("# mx2001.lab.test: left out of service, safe: it does not answer\n")
    assert list(report.terminal(found)) == ["mx2001.lab.test: left out of service, safe: it does not answer"]


def test_a_journal_without_an_end_is_an_interruption(path):
    assert made(path, outcome=None).outcome is Outcome.INTERRUPTED


def test_timeline_ledger_and_checks(path):
    verdicts = [
        {"check": "outbound-v4", "status": "OK", "why": "4 test mails delivered"},
        {"check": "outbound-v6", "status": "FAILED", "why": "timed out"},
    ]
    ledger = {"must": 9, "spool": 2, "missing": 0}
    found = made(
        path,
        ("verdict", {"stage": "guard", "check": "mta", "status": "OK", "why": "the MTA serves"}),
        ("done", {"step": "prove outbound", "note": "2 checks", "seconds": 7.0, "verdicts": verdicts}),
        ("done", {"step": "prove inbound", "note": "ledger", "seconds": 3.0, **ledger}),
        ("failed", {"step": "soak", "error": "no answer"}),
        ("interrupted", {"what": "SIGTERM"}),
    )
    assert [(entry.step, entry.failed) for entry in found.timeline] == [
        *(("prove outbound", False), ("prove inbound", False), ("soak", True), ("interrupted", False)),
    ]
    assert [one["status"] for one in found.verdicts] == ["OK", "OK", "FAILED"]
    assert found.verdicts[2]["check"] == "outbound-v6"
    assert "9 messages, 2 on disk then, none missing" in markdown(found)
    raw = json.loads(report.as_json(found))
    assert (raw["outcome"], raw["exit_code"], raw["ledger"]) == ("DONE", 0, ledger)


def test_it_reads_like_a_timeline(path):
    lists = {
        "domain": "lists.test", "count": 200, "frozen": 0, "oldest": "2026-11-21T06",
        "way": "remote at fault", "why": "connection refused", "deadline": "2026-11-25T06",
    }  # fmt: skip
    mta = {"check": "mta", "status": "OK", "why": "the MTA serves"}
    found = made(
        path,
        ("start", {}),
        ("guard", {"checks": 41, "seconds": 60.0}),
        ("verdict", {"stage": "guard", "check": "outbound-lists", "status": "FAILED", "why": "refused (accepted)"}),
        ("verdict", {"stage": "guard", "check": "mta", "status": "OK", "why": "the MTA serves"}),
        ("begin", {"step": "close ports"}),
        ("done", {"step": "close ports", "note": "reset", "seconds": 1.0}),
        ("begin", {"step": "drain"}),
        ("failed", {"step": "drain", "error": "too many", "left": [lists], "clients": ["client1 (192.0.2.51)"]}),
        ("done", {"step": "open ports", "note": "open", "seconds": 1.0, "verdicts": [mta]}),
    )
    text = markdown(found)
    assert [entry.step for entry in found.timeline] == ["guard", "close ports", "drain", "open ports"]
    assert "41 checks; outbound-lists FAILED: refused (accepted)" in text
    assert "in all; out of service for " in text
    assert "| lists.test | 200 | 2026-11-21T06 | remote at fault: connection refused | 2026-11-25T06 |" in text
    assert "- client1 (192.0.2.51)" in text
    assert "| mta | OK | OK | the MTA serves |" in text
    assert "| outbound-lists | **FAILED** |  | guard: refused (accepted) |" in text


def test_missing_mail_is_said_in_capitals(path):
    found = made(path, ("done", {"step": "prove inbound", "note": "", "must": 3, "spool": 1, "missing": 1}))
    assert "ledger: 3 messages, 1 on disk then, 1 MISSING" in list(report.terminal(found))


def test_what_a_host_said_cannot_break_the_report(path):
    found = made(path, ("done", {"step": "drain", "note": "a|b <b>\x1b[31m\nnew line"}))
    row = next(line for line in markdown(found).splitlines() if "drain" in line)
    assert row.endswith("| a\\|b &lt;b> new line |")


@pytest.mark.parametrize(
    ("steps", "out"),
    [
        (("guard", "pool out", "close ports", "open ports", "pool in", "soak"), (1, 4)),
        (("guard", "pool out", "open ports", "close ports", "pool in"), (1, 4)),
        (("guard", "pool out", "open ports", "close ports"), (1, None)),
        (("adopt", "puppet on", "open ports"), (0, 2)),
        (("guard", "drain"), None),
    ],
)
def test_when_a_host_was_out_of_service(steps, out):
    times = [f"2026-01-01T00:00:{number:02}+00:00" for number in range(len(steps))]
    found = report.away([report.Entry(at, step, "") for at, step in zip(times, steps, strict=True)])
    numbers = found and (found.since.second, found.back and found.back.second)
    assert numbers == out
