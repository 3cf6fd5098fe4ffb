"""What a roll says of itself: the lines of a terminal, Markdown, JSON, metrics, and the plan before it."""

import json

import pytest

from mxlib.base.journal import Event
from mxlib.model.outcome import Outcome
from mxlib.roll.report import as_json, build, first_step, markdown, metrics, plan_lines, terminal
from mxlib.roll.state import Finish, PlanLine, Soak, Stand, Take
from tests.unit.support.roll_events import AT, events


def test_the_first_line_says_how_it_ended_and_each_host_has_one() -> None:
    summary = build(events(Outcome.FELL_BACK))
    lines = list(terminal(summary))
    assert lines[0].startswith("  mx2001.lab.test  to do, fell back to the earlier kernel")
    assert lines[-1].startswith("roll of 6.1.0-56: stopped, a host: fell back")
    assert "; next: cookbook sre.mail.roll-kernel --kernel 6.1.0-56 --again    # when" in lines[-1]
    assert sum("6.1.0-56: stopped" in line for line in lines) == 1, "the outcome is said once, in the last line"
    page = markdown(summary)
    assert page.startswith("# roll of 6.1.0-56: stopped")
    assert "](mx2001.lab.test.r2.md)" in page
    assert "large &lt;mail> stalls" in page
    assert "security \\| update" in page
    assert json.loads(as_json(summary))["exit_code"] == 12


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (Take("mx1"), "would begin by rebooting mx1"),
        (Take("mx1", resume=True), "would begin by resuming the run on mx1"),
        (Soak(("mx1", "mx2")), "would begin by watching mx1, mx2 under real mail"),
        (Finish(Outcome.BLOCKED, "an alert"), "would end at once: blocked, no further host was begun: an alert"),
    ],
)
def test_a_plan_says_in_words_what_comes_first(first, said) -> None:
    assert first_step(first) == said


def test_metrics_say_whether_a_person_has_to_look() -> None:
    text = metrics(build(events(Outcome.FELL_BACK)), 1000.0, 345600.0)
    assert 'mx_roll_stopped{kernel="6.1.0-56"} 1\n' in text
    assert 'mx_roll_host{kernel="6.1.0-56",host="mx1001.lab.test",stands="to do"} 1\n' in text
    assert 'mx_roll_last_run_timestamp_seconds{kernel="6.1.0-56"} 1000\n' in text
    assert 'mx_roll_stale_seconds{kernel="6.1.0-56"} 345600\n' in text
    assert 'mx_roll_stopped{kernel="6.1.0-56"} 0\n' in metrics(build(events(Outcome.PAUSED)), 1000.0, 345600.0)


def test_a_journal_without_an_end_is_an_interruption() -> None:
    assert build(events(Outcome.DONE)[:-1]).end is Outcome.INTERRUPTED


def test_a_host_that_is_out_gets_the_next_command() -> None:
    summary = build(events(Outcome.LEFT_OUT, outcome="LEFT_OUT"))
    assert summary.next_command == "cookbook sre.mail.reboot-mx mx2001.lab.test --status"
    silent = build(events(Outcome.INTERRUPTED, outcome="INTERRUPTED"))
    assert silent.next_command == summary.next_command, "nobody knows how it stands"
    assert build(events(Outcome.PAUSED)).next_command == ""
    remembered = build(events(Outcome.LEFT_OUT, outcome="DONE")).next_command
    assert remembered.partition("    #")[0].endswith("--again"), "it serves again, and etcd still knows of it"
    assert build(events(Outcome.BLOCKED, outcome="REFUSED")).next_command.endswith("--plan")
    unproven = build(events(Outcome.UNPROVEN, outcome="DONE"))
    assert "--kernel 6.1.0-56 --again " in unproven.next_command, "no run goes on by itself"
    assert "a host" not in unproven.headline


def test_a_plan_names_what_does_not_fit() -> None:
    lines = list(
        plan_lines([PlanLine("mx1", "reboot", "runs 55", 60.0, 600.0, False), PlanLine("mx2", "there", "")], 0.0)
    )
    assert "DOES NOT FIT THE WINDOW" in lines[0]
    assert lines[-1] == "no window is open now"


def test_a_host_has_the_reason_of_its_run_or_of_how_it_stands() -> None:
    done = build(events(Outcome.DONE, outcome="DONE")).hosts
    assert [one.why for one in done] == ["", ""], "what a run that is done has said is no reason"
    told = events(Outcome.BLOCKED)
    told[3].values["hosts"][0] |= {"why": "taken out by alice"}
    told[3].values["hosts"][1] |= {"unwell": "disk FAILED: full"}
    assert [one.why for one in build(told).hosts] == ["large <mail> stalls", "disk FAILED: full"]


def test_a_host_that_stands_as_left_over_is_looked_at_first() -> None:
    told = events(Outcome.BLOCKED, outcome="REFUSED")
    told[3].values["hosts"][1] |= {"stand": Stand.LEFTOVER.value}
    assert build(told).next_command == "cookbook sre.mail.reboot-mx mx1001.lab.test --status"


def test_every_soak_and_the_known_bad_entry_are_named() -> None:
    soak = Event("soak", AT, {"hosts": ["mx1", "mx2"], "proof": "short", "seconds": 7200.0, "why": "0 of 20"})
    summary = build([*events(Outcome.UNPROVEN), soak], "/var/log/x/known-bad.6.1.0-56.yaml")
    said = list(terminal(summary))
    assert said[2:4] == [
        "  soak mx1, mx2: short after 2 h 0 min: 0 of 20",
        "review and add to the list of known-bad kernels: /var/log/x/known-bad.6.1.0-56.yaml",
    ]
    assert "- mx1, mx2: short after 2 h 0 min: 0 of 20\n" in markdown(summary)
    assert "`/var/log/x/known-bad.6.1.0-56.yaml`" in markdown(summary)

