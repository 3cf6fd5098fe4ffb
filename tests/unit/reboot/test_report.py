"""The report of a run: its outcome, its timeline, what was checked, when the host was out of service."""

import json

import pytest

from mxlib.model.outcome import Outcome
from mxlib.model.state import Slot
from mxlib.reboot import report
from tests.unit.support.records import RECORD
from tests.unit.support.reports import made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "run.jsonl"


def test_the_first_line_is_the_outcome(path):
    found = made(path, outcome=Outcome.LEFT_OUT, why="it does not answer")
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
    raw = json.loads(report.as_json(found))
    assert (raw["outcome"], raw["exit_code"], raw["ledger"]) == ("DONE", 0, ledger)


def test_missing_mail_is_said_in_capitals(path):
    found = made(path, ("done", {"step": "prove inbound", "note": "", "must": 3, "spool": 1, "missing": 1}))
    assert "ledger: 3 messages, 1 on disk then, 1 MISSING" in list(report.terminal(found))


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
    found = report.away([report.TimelineEntry(at, step, "") for at, step in zip(times, steps, strict=True)])
    numbers = found and (found.since.second, found.back and found.back.second)
    assert numbers == out


@pytest.mark.parametrize(
    ("outcome", "record", "command"),
    [
        (Outcome.DONE, None, ""),
        (Outcome.REFUSED, None, ""),
        (Outcome.INTERRUPTED, None, ""),
        (Outcome.LEFT_OUT, None, "cookbook sre.mail.reboot-mx mx1 --resume    # to undo instead: --abort"),
        (Outcome.DONE, RECORD, "cookbook sre.mail.pool-mx mx1    # once the reason to keep it out is gone"),
        (
            Outcome.MAIL_LOST,
            RECORD,
            "cookbook sre.mail.reboot-mx mx1 --resume --accept ledger"
            "    # once you know where the missing messages are",
        ),
        (Outcome.LEFT_OUT, RECORD, "cookbook sre.mail.reboot-mx mx1 --resume    # to undo instead: --abort"),
    ],
)
def test_what_is_typed_next(outcome, record, command):
    assert report.next_command("mx1", outcome, record) == command


def test_what_may_be_left_is_resumed_also_where_no_record_is_known():
    command = report.next_command("mx1", Outcome.INTERRUPTED, None, left=True)
    assert command == "cookbook sre.mail.reboot-mx mx1 --resume    # to undo instead: --abort"


@pytest.mark.parametrize(
    ("outcome", "slot", "word"),
    [
        (Outcome.REFUSED, Slot.OTHERS, "--status"),
        (Outcome.REFUSED, Slot.LEFT, "--resume"),
        (Outcome.INTERRUPTED, Slot.OTHERS, "--resume"),
    ],
)
def test_a_run_that_a_session_is_at_work_on_is_not_resumed(outcome, slot, word):
    assert report.next_command("mx1", outcome, RECORD, slot).split()[3] == word


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ({"must": 9, "spool": 2, "missing": 0}, "9 messages, 2 on disk then, none missing"),
        (
            {"must": 9, "spool": 2, "missing": 1, "accepted": 1},
            "9 messages, 2 on disk then, 1 MISSING (accepted by --accept ledger)",
        ),
        (
            {"must": 9, "spool": 2, "missing": 0, "untraced": 3},
            "9 messages, 2 on disk then, none missing, 3 not traceable after a power cut",
        ),
    ],
)
def test_the_ledger_in_words(ledger, said):
    assert report.ledger_line(ledger) == f"ledger: {said}"


def test_questions_the_console_and_what_stayed_in_the_queue_are_kept(path):
    empty = {"domain": "done.test", "count": 0, "frozen": 0}
    found = made(
        path,
        ("asked", {"question": "The queue is long.", "answer": "on", "effect": "continue", "by": "op"}),
        ("done", {"step": "mend", "note": "", "story": ["ip link", "eth0 is up"]}),
        ("done", {"step": "drain", "note": "", "left": [empty, {**empty, "domain": "old.test", "frozen": 2}]}),
    )
    assert (found.timeline[0].step, found.timeline[0].note) == ("asked", "The queue is long. on: continue (op)")
    assert found.repair == ("ip link", "eth0 is up")
    assert [one["domain"] for one in found.left] == ["old.test"], "an empty destination is no news"

