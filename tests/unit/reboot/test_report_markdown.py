"""The report of a run as Markdown, to be read like the timeline of an incident."""

import pytest

from mxlib.model.outcome import Outcome
from mxlib.reboot.report_markdown import markdown
from tests.unit.support.reports import made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "run.jsonl"


def test_the_first_line_is_the_outcome(path):
    found = made(path, outcome=Outcome.LEFT_OUT, why="it does not answer")
    assert markdown(found).startswith("# mx2001.lab.test: left out of service, safe: it does not answer\n")


def test_the_ledger_is_a_section_of_its_own(path):
    ledger = {"must": 9, "spool": 2, "missing": 0}
    found = made(path, ("done", {"step": "prove inbound", "note": "", "seconds": 3.0, **ledger}))
    assert "\n## Ledger\n\nledger: 9 messages, 2 on disk then, none missing\n" in markdown(found)


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


def test_what_a_host_said_cannot_break_the_report(path):
    found = made(path, ("done", {"step": "drain", "note": "a|b <b>\x1b[31m\nnew line"}))
    row = next(line for line in markdown(found).splitlines() if "drain" in line)
    assert row.endswith("| a\\|b &lt;b> new line |")
