"""The campaign's own parts: what is drawn, what an operator is asked to type, what counts as wrong, the page."""

import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lab import journals, lifecycle
from lab.campaign import before, campaign, disturbances, judge, mail, play, services
from lab.campaign.disturbances import DISTURBANCES
from lab.campaign.judge import Observation
from lab.campaign.operator import next_words
from lab.campaign.page import page
from lab.campaign.scenario import AHEAD, NAMES, STEPS, Scenario, TimedDisturbance, draw
from lab.campaign.scene import NotDoneError, Scene
from lab.cli import main
from lab.faults import catalogue
from lab.place import REPOSITORY, Lab, exchanger
from lab.shell import LabError
from lab.stations.box import Box
from lab.world import worlds
from lab.world.behaviour import FILE_NAME, BehaviourFile
from mxlib.model.state import Step

SCENARIO = Scenario(1, 1, "mx2001", 0, "guest", 0, (TimedDisturbance("kill", "claim", 0.0, 30.0),))
BEFORE = Observation(True, "6.1.0-55", "b0", False)
DONE = replace(BEFORE, kernel="6.1.0-56", boot="b1")


def test_the_same_seed_makes_the_same_choices():
    assert draw(7, 3) == draw(7, 3)
    assert len({draw(7, number) for number in range(1, 30)}) == 29


def test_every_disturbance_exchanger_level_and_step_is_drawn():
    runs = [draw(1, number) for number in range(1, 400)]
    moments = [one for run in runs for one in run.moments]
    assert {one.name for one in moments} == set(NAMES)
    assert set(NAMES) >= set(catalogue.FAULTS)
    assert {one.step for one in moments} == {"", AHEAD, *STEPS}
    assert {(run.mx, run.level, run.host) for run in runs} >= {("mx1001", "cold", 1), ("mx2001", "guest", 0)}
    assert all(DISTURBANCES[one.name].lasts / 3 <= one.lasts + 0.1 for one in moments if one.step != AHEAD)
    assert {len(run.moments) for run in runs} == {1, 2, 3}


def test_some_cold_starts_boot_the_running_kernel_and_nothing_else_does():
    drawn = [draw(5, number) for number in range(300)]
    cold = [one for one in drawn if one.level == "cold" and AHEAD not in {moment.step for moment in one.moments}]
    again = [one for one in drawn if one.same_kernel]
    assert 0.15 < len(again) / len(cold) < 0.35
    assert set(again) <= set(cold)
    assert all(one.as_json()["same_kernel"] for one in again)


def test_a_draw_can_be_narrowed():
    run = draw(1, 1, ("kill",), "close ports")
    assert [(one.name, one.step, one.after) for one in run.moments] == [("kill", "close ports", 0.0)]


def _pairs(numbers, only=()):
    runs = [draw(5, number, only, deal=True) for number in numbers]
    assert {len(run.moments) for run in runs} == {1}
    return [(run.moments[0].name, run.moments[0].step) for run in runs]


def test_what_is_dealt_meets_every_disturbance_every_step_and_in_the_end_every_pair():
    assert {name for name, _ in _pairs(range(1, len(NAMES) + 1))} == set(NAMES)
    assert {step for _, step in _pairs(range(1, len(STEPS) + len(before.BEFORE) + 1))} == {AHEAD, *STEPS}
    pairs = set(_pairs(range(1, len(NAMES) * len(STEPS) + 1)))
    every = {(name, step) for name in DISTURBANCES for step in STEPS}
    assert pairs == every | {(name, AHEAD) for name in before.BEFORE}
    # decks whose sizes have a common divisor would begin again together too early
    four = ("kill", "term", "stop", "clock")
    assert len(set(_pairs(range(1, 4 * len(STEPS) + 1), four))) == 4 * len(STEPS)


def test_what_is_dealt_is_the_seeds_and_in_no_order_that_is_written_down():
    first = [draw(seed, 1, deal=True).moments[0] for seed in range(1, 20)]
    assert len({one.name for one in first}) > 5
    assert len({one.step for one in first}) > 5
    assert draw(5, 9, deal=True) == draw(5, 9, deal=True)
    assert draw(5, 9, step="drain", deal=True).moments[0].step == "drain"
    assert draw(5, 9, deal=True) != draw(5, 9)


def test_what_only_a_cold_start_does_is_met_in_one():
    runs = [draw(5, number, deal=dealt) for number in range(1, 2 * len(STEPS) + 1) for dealt in (True, False)]
    cold = [run for run in runs if {one.step for one in run.moments} & {"power on", "await boot again"}]
    assert {run.level for run in cold} == {"cold"}
    assert {draw(5, number, step="power on").level for number in range(1, 9)} == {"cold"}
    assert {draw(5, number, step="drain").level for number in range(1, 9)} == {"cold", "guest"}


def test_the_steps_are_those_of_a_run():
    assert {step.removesuffix(" again") for step in STEPS} <= {step.value for step in Step}


@pytest.mark.parametrize(
    ("step", "taken", "due"),
    [
        ("", [], True),
        ("guard", [], True),
        ("await boot", ["reboot"], False),
        ("await boot", ["reboot", "await boot"], True),
        ("await boot again", ["reboot", "await boot", "power on"], False),
        ("await boot again", ["reboot", "await boot", "power on", "await boot"], True),
    ],
)
def test_a_disturbance_is_due_after_its_step_and_the_second_boot_is_one_of_its_own(step, taken, due):
    assert TimedDisturbance("kill", step, 0.0, 1.0).due(taken) is due


@pytest.mark.parametrize(("only", "step", "names"), [(("kil",), "", "'kil'"), ((), "close port", "'close port'")])
def test_a_name_that_is_none_is_refused_with_those_there_are(only, step, names):
    with pytest.raises(LabError, match=f"{names}: expected one of "):
        draw(1, 1, only, step)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "04:31:10 mx2001.lab.test: refused, nothing changed: the host is in the hands of run 2; next: cookbook "
            "sre.mail.reboot-mx mx2001.lab.test --resume    # to undo instead: --abort\nReleased lock",
            "cookbook sre.mail.reboot-mx mx2001.lab.test --resume",
        ),
        (
            "04:31:10 next: cookbook a\n04:31:12 next: cookbook sre.mail.pool-mx mx1001.lab.test    "
            "# once the reason to keep it out is gone\nEND (FAIL)",
            "cookbook sre.mail.pool-mx mx1001.lab.test",
        ),
        (
            "x; next: gnt-instance start mx2001.lab.test    # its machine is off; on the cluster's master",
            "gnt-instance start mx2001.lab.test",
        ),
        (
            "04:32:17 for units: cookbook sre.mail.remedy-mx mx2001.lab.test restart-unit exim4.service   # inactive",
            "cookbook sre.mail.remedy-mx mx2001.lab.test restart-unit exim4.service",
        ),
        (
            "x: units, log; next: cookbook sre.mail.remedy-mx x restart-unit a.service    # and 1 more above",
            "cookbook sre.mail.remedy-mx x restart-unit a.service",
        ),
        (
            "x: its kernel panicked; next: Nothing was changed. A power cycle keeps the PCI slots: gnt-instance reboot "
            "--type=soft mx2001.lab.test (on the master). With a fallback it boots that one.",
            "gnt-instance reboot --type=soft mx2001.lab.test",
        ),
        ("04:31:10 next: look at the console of mx2001.lab.test, or start it", ""),
        ("END (PASS)", ""),
    ],
)
def test_the_operator_types_what_the_last_advice_says(said, words):
    assert " ".join(next_words(said)) == words


@pytest.mark.parametrize(
    ("code", "after", "true"),
    [
        (0, replace(BEFORE, kernel="6.1.0-56", boot="b1"), True),
        (0, BEFORE, False),
        (0, replace(BEFORE, kernel="6.1.0-56"), False),
        (0, replace(BEFORE, kernel="6.1.0-56", boot="b1", claimed=True), False),
        (0, replace(BEFORE, kernel="6.1.0-56", boot="b1", serving=False), False),
        (10, BEFORE, True),
        (10, replace(BEFORE, boot="b1"), False),
        (10, replace(BEFORE, serving=False), False),
        (11, BEFORE, True),
        (11, replace(BEFORE, claimed=True), False),
        (12, replace(BEFORE, boot="b1"), True),
        (12, replace(BEFORE, kernel="6.1.0-56"), False),
        (20, replace(BEFORE, serving=False, claimed=True), True),
        (20, replace(BEFORE, serving=False), False),
        (20, BEFORE, False),
        (22, BEFORE, False),
        (16, BEFORE, True),
        (16, replace(BEFORE, claimed=True), False),
        (15, BEFORE, True),
        (15, DONE, True),
        (15, replace(DONE, claimed=True), False),
        (15, replace(BEFORE, serving=False), False),
        (15, Observation(False), False),
        (15, Observation(True), True),
        (20, Observation(True), False),
        (20, Observation(False), True),
        (0, Observation(False), False),
        (0, Observation(True), False),
        (10, Observation(True), True),
        (10, Observation(False), False),
        (11, Observation(True), False),
        (12, Observation(True), False),
        (99, Observation(True), False),
        (2, BEFORE, False),
        (-9, BEFORE, False),
        (97, BEFORE, False),
    ],
)
def test_an_exit_code_is_held_against_what_was_found(code, after, true):
    assert bool(judge.untrue(code, "", ("rotate",), BEFORE, after, "6.1.0-56")) is not true


RESUME = "next: cookbook sre.mail.reboot-mx mx2001.lab.test --resume    # to undo instead: --abort"


@pytest.mark.parametrize(
    ("words", "after", "true"),
    [
        ("nothing was changed", BEFORE, True),
        ("nothing was changed", replace(BEFORE, boot="b1"), False),
        ("stopped by SIGHUP; undone, back in service as found", replace(BEFORE, boot="b1"), True),
        ("stopped by SIGHUP; undone, back in service as found", replace(BEFORE, serving=False), False),
        (f"stopped by SIGTERM; in service, but not finished; {RESUME}", replace(BEFORE, claimed=True), True),
        (f"stopped by SIGTERM; in service, but not finished; {RESUME}", BEFORE, False),
        ("stopped by SIGTERM; in service, but not finished", replace(BEFORE, claimed=True), False),
        (f"x; the host is out of service, safe; {RESUME}", replace(BEFORE, serving=False, claimed=True), True),
        (f"x; the host is out of service, safe; {RESUME}", replace(BEFORE, claimed=True), False),
        (f"x; mail ports open, MTA serving; {RESUME}", replace(BEFORE, serving=False, claimed=True), False),
        ("no run holds the host", replace(BEFORE, claimed=True), False),
        ("stopped by SIGTERM; the host does not answer", Observation(False), True),
        (f"x; the host is out of service, safe; {RESUME}", Observation(True), False),
        (f"x; mail ports open, MTA serving; {RESUME}", Observation(False), False),
        ("nothing was changed", Observation(False), False),
        ("nothing was changed", Observation(True), True),
        (f"in service, but not finished; {RESUME}", Observation(True), True),
        ("no run holds the host", Observation(False), True),
        ("some words that nobody knows", BEFORE, False),
        ("the slot of the service was not given up: etcd is silent", BEFORE, True),
        (f"some words that nobody knows; {RESUME}", replace(BEFORE, claimed=True), True),
    ],
)
def test_the_last_line_of_an_interrupted_run_is_held_against_what_was_found(words, after, true):
    said = f"04:31:10 drain: done\n04:31:12 mx2001.lab.test: interrupted: {words}\nEND (FAIL)\n"
    assert bool(judge.untrue(30, said, ("hangup",), BEFORE, after, "6.1.0-56")) is not true


def test_an_interrupted_run_has_a_last_line():
    assert "no line says" in judge.untrue(30, "Traceback\n", ("hangup",), BEFORE, BEFORE, "6.1.0-56")


@pytest.mark.parametrize(("name", "code"), [("kill", -9), ("management-power-cut", -9), ("term", -15), ("hangup", 97)])
def test_a_cookbook_that_was_ended_need_not_have_an_exit_code_of_its_own(name, code):
    assert judge.untrue(code, "", (name,), BEFORE, BEFORE, "6.1.0-56") == ""


@pytest.mark.parametrize(("code", "refused"), [(10, True), (16, True), (0, False), (30, False)])
def test_another_operator_who_changed_nothing_excuses_nothing(monkeypatch, code, refused):
    monkeypatch.setattr(disturbances.demo, "cookbook", lambda *_: ["env", "sh", "-c", f"exit {code}"])
    scene = Scene(None, exchanger("mx2001"), "", None, None, None)
    DISTURBANCES["another-resume"].begin(scene)
    assert scene.ended == [("another operator's --resume", code)]
    assert scene.refused == (["another-resume"] if refused else [])


def test_what_another_operator_did_is_not_held_against_an_exit_code():
    assert judge.untrue(20, "", ("another-resume",), BEFORE, BEFORE, "6.1.0-56") == ""
    assert judge.untrue(20, "", (), BEFORE, BEFORE, "6.1.0-56"), "it did not happen"
    assert judge.untrue(20, "", ("clock",), BEFORE, BEFORE, "6.1.0-56"), "a clock changes nothing of it"


@pytest.mark.parametrize(
    ("code", "found", "looks", "true"),
    [
        (0, [Observation(False), Observation(True), DONE], 3, True),
        (0, [BEFORE, DONE], 1, False),
        (0, [Observation(False)] * 3, 3, False),
        (20, [Observation(False)], 1, True),
        (20, [Observation(True)] * 3, 3, False),
    ],
)
def test_a_host_that_is_only_slow_is_looked_at_again_for_a_minute(monkeypatch, code, found, looks, true):
    seen = iter(found)
    monkeypatch.setattr(judge, "look", lambda _place, _mx: next(seen))
    monkeypatch.setattr(judge, "time", SimpleNamespace(monotonic=iter((0, 20, 40, 61)).__next__, sleep=lambda _s: None))
    wrong = judge.settled(None, None, lambda after: judge.untrue(code, "", (), BEFORE, after, "6.1.0-56"))
    assert bool(wrong) is not true
    assert len(found) - len(list(seen)) == looks


def test_mails_that_are_not_all_there_once_are_wrong():
    good = {"sent": 9, "recipients": 12, "arrived_once": 9, "missing": [], "in_spool": [], "bounced": [],
            "duplicates": [], "duplicates_explained": ["x"], "altered": [], "unknown": [], "arrived_unsent": [],
            "refused": [], "unsent": []}  # fmt: skip
    counts, wrong = judge.mails(json.dumps(good))
    assert (counts["sent"], counts["duplicates_explained"], wrong) == (9, 1, [])
    for name in ("missing", "in_spool", "bounced", "duplicates", "altered"):
        assert judge.mails(json.dumps({**good, name: ["id-7"]}))[1] == [f"1 mails {name.replace('_', ' ')}: ['id-7']"]
    assert "says no account" in judge.mails("Traceback")[1][0]
    assert judge.mails(json.dumps({**good, "sent": 0}))[1] == ["no mail was taken, so none could be lost"]


@pytest.mark.parametrize(
    ("runs", "lines", "wrong"),
    [
        (True, [("12:00:05", "outcome"), ("12:00:09", "watched")], []),
        (True, [("11:00:00", "outcome"), ("12:00:09", "watched")], ["has seen no connection"]),
        (True, [("12:00:09", "watched")], ["has seen no connection"]),
        (False, [("12:00:05", "outcome"), ("12:00:09", "watched")], ["does not run"]),
        (True, [("12:00:03", "start"), ("12:00:05", "outcome"), ("12:00:09", "watched")], ["nobody watched"]),
        (True, [("11:00:00", "start"), ("12:00:05", "outcome"), ("12:00:09", "watched")], []),
        (True, [("11:00:00", "start"), ("12:00:05", "outcome")], ["after 2026-01-01T12:00:00"]),
        (True, [("12:00:05", "outcome"), ("12:00:06", "lost"), ("12:00:09", "watched")], ["5 frames were lost"]),
        (True, [("11:59:00", "lost"), ("12:00:05", "outcome"), ("12:00:09", "watched")], []),
    ],
)
def test_a_wire_that_nobody_watches_proves_nothing(monkeypatch, tmp_path, runs, lines, wrong):
    def line(at, what):
        when = f"2026-01-01T{at}.000000+00:00"
        more = {"until": when, "frames_lost": 5 if what == "lost" else 0} if what in ("watched", "lost") else {}
        return {"time": when, ("outcome" if what == "outcome" else "event"): what, **more}

    written = [line(*one) for one in lines]
    (tmp_path / "wire.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    monkeypatch.setattr(journals, "accepted_unverified", lambda *_: [])
    monkeypatch.setattr(judge.jsonl, "now", lambda: "2026-01-01T12:00:08.000000+00:00")
    clock = iter(range(0, 900, 30))
    monkeypatch.setattr(judge, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _s: None))
    place = SimpleNamespace(lab=SimpleNamespace(outside=tmp_path), node=SimpleNamespace(serving=lambda _name: runs))
    found = judge.wire(place, (), "2026-01-01T12:00:00+00:00", exchanger("mx2001"))
    assert len(found) == len(wrong)
    assert all(words in said for words, said in zip(wrong, found, strict=True))


def test_only_what_happened_excuses_what_the_public_heard(monkeypatch, tmp_path):
    monkeypatch.setattr(journals, "accepted_unverified", lambda *_: [{"client": "198.51.100.1"}])
    monkeypatch.setattr(judge, "unobserved", lambda *_, cut: [] if cut else ["nobody watched"])
    for happened, wrong in (((), 2), (("logs-full",), 1), (("node-power-cut",), 1)):
        assert len(judge.wire(None, happened, "", exchanger("mx2001"))) == wrong


@pytest.mark.parametrize(("accepted_at", "found"), [(3, 0), (5, 1), (7, 0)])
def test_what_the_public_heard_while_the_ports_were_closed_is_read_from_the_record(
    monkeypatch, tmp_path, accepted_at, found
):
    mx = exchanger("mx2001")
    monkeypatch.setattr(journals, "events", lambda *_: [
        {"at": "2026-01-01T12:00:04+00:00", "event": "done", "step": "close ports"},
        {"at": "2026-01-01T12:00:06+00:00", "event": "begin", "step": "open ports"},
    ])  # fmt: skip
    line = {"time": f"2026-01-01T12:00:0{accepted_at}.000000+00:00", "outcome": "accepted", "public": True, "port": 25}
    lines = [{**line, "mx": str(address)} for address in (mx.v4, exchanger("mx1001").v4)]
    (tmp_path / "wire.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    place = SimpleNamespace(lab=SimpleNamespace(outside=tmp_path))
    assert journals.accepted_unverified(place, "2026-01-01T12:00:00+00:00", mx) == lines[:found]


def test_ports_are_closed_from_the_end_of_the_step_to_the_beginning_of_the_next():
    def event(at, what, step):
        return {"at": at, "event": what, "step": step}

    events = [
        event("01", "done", "close ports"), event("02", "begin", "close ports"), event("03", "done", "close ports"),
        event("04", "begin", "open ports"), event("05", "done", "open ports"), event("06", "done", "close ports"),
    ]  # fmt: skip
    assert journals.closed_spans(events) == [("01", "04"), ("06", "")]
    assert journals.closed_spans(events[1:]) == [("03", "04"), ("06", "")]


def test_the_page_counts_runs_mails_and_where_it_went_wrong():
    run = {"scenario": SCENARIO.as_json(), "code": -9, "typed": ["cookbook a"], "seconds": 151.2, "steps": [],
           "happened": ["kill"], "wrong": [],
           "mails": {"sent": 40, "recipients": 60, "missing": 1, "balanced": False}}  # fmt: skip
    text = page([run, {**run, "wrong": ["1 mails missing: ['a|b']"], "seconds": 90.0}])
    assert "2 runs, 1 good, 1 bad, 0 in which nothing happened; 80 mails to 120 recipients, 2 missing" in text
    assert "in 2 runs: 121 s in the middle, 151 s at most" in text
    assert "| kill | 2, 1 WRONG, 121 s |" in text
    assert f"Not tried: {', '.join(name for name in NAMES if name != 'kill')}." in text
    assert "| 1 | 1 | mx2001 | guest | kill after claim | -9 | 1 | 40 | 90 s | 1 mails missing: ['a/b'] |" in text
    never = {**run, "wrong": ["after 8 commands the service is not whole"], "seconds": 900.0}
    unplayed = {**run, "code": None, "wrong": ["the lab could not play it"], "happened": [], "mails": {}}
    text = page([run, never, unplayed])
    assert "in 1 runs: 151 s in the middle, 151 s at most" in text, "no time of a run that was never whole"
    assert text.count("| never |") == 2


def test_what_did_not_happen_is_not_counted_as_tried():
    run = {"scenario": SCENARIO.as_json(), "code": 0, "typed": [], "seconds": 1.0, "steps": [], "happened": [],
           "mails": {}, "wrong": []}  # fmt: skip
    text = page([run])
    assert "| kill |" not in text
    assert "Not tried: kill, term, " in text
    assert "| mx2001 | guest | nothing | 0 | 0 |  | 1 s | not tried |" in text
    assert "1 runs, 0 good, 0 bad, 1 in which nothing happened" in text


def test_a_disturbance_the_exchanger_does_not_take_did_not_happen(monkeypatch):
    scene = SimpleNamespace(place=SimpleNamespace(lab=None), mx=exchanger("mx2001"), other=None)
    monkeypatch.setattr(worlds, "of", lambda _lab, _mx: SimpleNamespace(firewall="ferm"))
    for code, happens in ((0, True), (255, False)):
        done = SimpleNamespace(returncode=code, stdout="No route to host")
        monkeypatch.setattr(lifecycle, "ssh", lambda *_args, done=done, **_kw: done)
        if happens:
            DISTURBANCES["rotate"].begin(scene)
        else:
            with pytest.raises(NotDoneError, match="exit code 255: No route to host"):
                DISTURBANCES["rotate"].begin(scene)


def test_what_is_put_on_a_station_without_power_did_not_happen():
    off = Box(Lab("nowhere"), "cumin1001", None)
    scene = SimpleNamespace(host=off, place=SimpleNamespace(infra=off))
    for name in ("cut-etcd-answers", "logs-full"):
        for act in (DISTURBANCES[name].begin, DISTURBANCES[name].end):
            with pytest.raises(NotDoneError, match="cumin1001 is off"):
                act(scene)


@pytest.mark.parametrize(("fails", "undone"), [([LabError("booting")] * 2, True), ([LabError("gone")] * 9, False)])
def test_what_cannot_be_undone_in_a_boot_is_tried_again(monkeypatch, fails, undone):
    now = iter(range(0, 9 * 100, 100))
    monkeypatch.setattr(play.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(play.time, "sleep", lambda _seconds: None)

    def end(_scene):
        if fails:
            raise fails.pop()

    monkeypatch.setattr(play, "DISTURBANCES", {"disk-full": SimpleNamespace(end=end)})
    with nullcontext() if undone else pytest.raises(LabError, match="gone"):
        play._undo(SimpleNamespace(), "disk-full")
    assert len(fails) == (0 if undone else 4)


def test_a_clock_that_cannot_be_set_keeps_no_other_from_being_set_and_is_tried_again(monkeypatch):
    asked = []

    def silent(_place, mx, _script):
        asked.append(mx.name)
        raise LabError("no answer")

    monkeypatch.setattr(services, "ssh", silent)
    with pytest.raises(LabError, match="no answer") as failed:
        DISTURBANCES["clock"].end(SimpleNamespace(place=None))
    assert asked == ["mx1001", "mx2001"]
    assert not isinstance(failed.value, NotDoneError)


@pytest.mark.skipif(not shutil.which("perl"), reason="perl is not here")
@pytest.mark.parametrize("taken", [False, True])
def test_dpkg_is_at_work_only_where_its_lock_was_had(tmp_path, taken):
    lock, kept = tmp_path / "lock", tmp_path / "pid"
    script = disturbances._LOCK_DPKG.replace("/run/lab-dpkg.pid", str(kept))
    script = script.replace("/var/lib/dpkg/lock-frontend", str(lock))
    script = script.replace("sleep 1\n", "sleep 0.1\n") if taken else script
    with lock.open("w") as file:
        if taken:
            fcntl.lockf(file, fcntl.LOCK_EX)
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == ((1, "no lock\n") if taken else (0, ""))
        if not taken:
            with pytest.raises(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.kill(int(kept.read_text()), signal.SIGKILL)


def test_what_the_exchanger_answers_one_management_host_is_lost_and_the_other_ends_it(monkeypatch):
    asked = []

    def ssh(_place, mx, script, timeout, host):
        asked.append((mx.name, host.name, script))
        return SimpleNamespace(returncode=0, stdout="", timeout=timeout)

    monkeypatch.setattr(lifecycle, "ssh", ssh)
    monkeypatch.setattr(worlds, "of", lambda _lab, _mx: SimpleNamespace(firewall="ferm"))
    hosts = [SimpleNamespace(name=name) for name in ("cumin1001", "cumin2001")]
    scene = SimpleNamespace(place=SimpleNamespace(lab=None), mx=exchanger("mx2001"), host=hosts[1], other=hosts[0])
    DISTURBANCES["cut-exchanger-answers"].begin(scene)
    DISTURBANCES["cut-exchanger-answers"].end(scene)
    assert asked == [
        (
            "mx2001", "cumin1001",
            f"ip route {act} blackhole 192.0.2.41/32; ip -6 route {act} blackhole 2001:db8:77::41/128{rest}",
        )
        for act, rest in (("replace", ""), ("del", "; :"))
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["slow-network", "dpkg-lock", "cut-exchanger-answers"])
def test_what_a_slow_exchanger_did_not_end_is_tried_again(monkeypatch, name):
    hosts = [SimpleNamespace(name=name) for name in ("cumin1001", "cumin2001")]
    scene = SimpleNamespace(place=SimpleNamespace(lab=None), mx=exchanger("mx2001"), host=hosts[0], other=hosts[1])
    monkeypatch.setattr(worlds, "of", lambda _lab, _mx: SimpleNamespace(firewall="ferm"))
    answers = [255, 255, 0]
    monkeypatch.setattr(
        lifecycle, "ssh", lambda *_args, **_kw: SimpleNamespace(returncode=answers.pop(0), stdout="timed out")
    )
    monkeypatch.setattr(play.time, "sleep", lambda _seconds: None)
    play._undo(scene, name)
    assert answers == []


@pytest.mark.parametrize("name", ["disk-full", "rapi-down"])
def test_a_fault_that_its_host_does_not_take_did_not_happen(monkeypatch, name):
    def off(*_args):
        raise LabError("no route to host")

    monkeypatch.setattr(catalogue, "target", off)
    scene = SimpleNamespace(place=None, mx=exchanger("mx2001"), kernel="")
    with pytest.raises(NotDoneError, match="no route to host"):
        DISTURBANCES[name].begin(scene)
    with pytest.raises(LabError) as failed:
        DISTURBANCES[name].end(scene)
    assert not isinstance(failed.value, NotDoneError), "its end is tried again"


def test_what_could_not_be_ended_is_ended_when_the_service_is_whole(monkeypatch):
    fails = [LabError("off")]

    def end(_scene):
        if fails:
            raise fails.pop()

    monkeypatch.setattr(play, "DISTURBANCES", {"disk-full": SimpleNamespace(end=end)})
    scene = SimpleNamespace(unended=["disk-full"])
    assert list(play._end_late(scene)) == ["the lab could not undo disk-full: off"]
    assert list(play._end_late(scene)) == []


def test_two_powers_that_come_back_at_once_start_everything_once(monkeypatch):
    power = {"node": None, "host": None}

    class Station:
        def __init__(self, name):
            self.name = name

        @property
        def pid(self):
            return power[self.name]

    node, host = Station("node"), Station("host")
    scene = SimpleNamespace(host=host, place=SimpleNamespace(node=node, all=(node, host), lab=None))
    monkeypatch.setattr(lifecycle, "up", lambda _lab, _say: power.update(node=1, host=1) or ups.append("up"))
    monkeypatch.setattr(lifecycle, "start_stations", lambda _place: power.update(host=1) or ups.append("stations"))
    monkeypatch.setattr(services.management, "configure", lambda box: ups.append(box.name))
    for first, second, started in (
        ("node-power-cut", "management-power-cut", ["up"]),
        ("management-power-cut", "node-power-cut", ["up"]),
    ):
        ups = []
        power.update(node=None, host=None)
        DISTURBANCES[first].end(scene)
        DISTURBANCES[second].end(scene)
        assert ups == started
    ups = []
    power.update(node=1, host=None)
    DISTURBANCES["management-power-cut"].end(scene)
    assert ups == ["stations", "host"]


def test_after_a_bad_run_what_is_left_claimed_is_aborted(monkeypatch):
    claimed = {"mx1001.lab.test": False, "mx2001.lab.test": True}

    def aborted(words, **_options):
        assert words[1:] == ["--abort", "--reason", "left by a bad run of the campaign"]
        claimed[words[0]] = False

    monkeypatch.setattr(campaign.catalogue, "undo_all", lambda _place: [])
    monkeypatch.setattr(lifecycle, "up", lambda _lab, _say: None)
    monkeypatch.setattr(judge, "look", lambda _place, mx: Observation(True, claimed=claimed[mx.fqdn]))
    monkeypatch.setattr(campaign.demo, "cookbook", lambda _host, _name, *words: list(words))
    monkeypatch.setattr(campaign.subprocess, "run", aborted)
    monkeypatch.setattr(campaign.play, "is_whole", lambda _place: not any(claimed.values()))
    campaign._mend(SimpleNamespace(lab=None, operator=None))
    assert not any(claimed.values())


def test_journals_that_ended_before_and_events_of_before_are_left_out(tmp_path):
    folder = tmp_path / "log.upper" / journals.FOLDER
    folder.mkdir(parents=True)
    lines = [{"at": f"2026-01-01T00:00:0{second}.5+00:00", "event": "done", "step": str(second)} for second in (1, 7)]
    (folder / "mx2001.lab.test.a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "mx2001.lab.test.b.jsonl").write_text("no journal any more\n{")
    os.utime(folder / "mx2001.lab.test.a.jsonl")
    place = SimpleNamespace(management=(SimpleNamespace(folder=tmp_path),))
    assert journals.taken(place, exchanger("mx2001")) == ["1", "7"]
    assert journals.taken(place, exchanger("mx2001"), "2026-01-01T00:00:05+00:00") == ["7"]
    old = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    os.utime(folder / "mx2001.lab.test.a.jsonl", (old, old))
    assert journals.taken(place, exchanger("mx2001"), "2026-01-01T00:00:05+00:00") == []


def test_a_campaign_sends_each_test_mail_once_and_leaves_the_site_as_it_was(monkeypatch, tmp_path):
    source = REPOSITORY / "lab/data/management/spicerack/cookbooks/sre.mail.yaml"
    site = tmp_path / "sre.mail.yaml"
    site.write_text(source.read_text().replace("@", "_"))
    monkeypatch.setattr(campaign, "SITE", str(site))
    host = SimpleNamespace(sh=lambda script, **_: subprocess.run(["sh", "-c", script], check=True))

    def times():
        return {one["name"]: one.get("times", 2) for one in yaml.safe_load(site.read_text())["probes"]["outbound"]}

    before = times()
    with campaign.fewer_probes(SimpleNamespace(management=(host,))):
        assert set(times().values()) == {1}
    assert times() == before
    assert before["provider-v4"] == 2
    Path(f"{site}.whole").write_text(site.read_text())  # as a campaign leaves it that is killed now
    site.write_text("probes: {outbound: []}\n")
    with campaign.fewer_probes(SimpleNamespace(management=(host,))):
        assert set(times().values()) == {1}
    assert times() == before, "after a campaign that was killed as well"


def test_mail_arrives_at_the_rate_that_was_asked_for(monkeypatch, tmp_path):
    rates = []

    def program(_box, _name, *words):
        rates.append(float(words[words.index("--rate") + 1]))
        return ["true"]

    monkeypatch.setattr(mail.outside, "program", program)
    monkeypatch.setattr(mail, "tied", list)
    monkeypatch.setattr(lifecycle, "send_signal", lambda *_child_and_number: None)
    place = SimpleNamespace(lab=SimpleNamespace(logs=tmp_path, outside=tmp_path), world=None, infra=None)
    for asked, expected in ((), [0.68, 0.02, 0.05, 0.2]), ((0.19,), [0.136, 0.004, 0.01, 0.04]):
        rates.clear()
        with mail.flowing(place, *asked):
            pass
        assert rates == pytest.approx(expected)


def test_one_recipient_defers_while_the_mail_flows_and_no_longer(monkeypatch, tmp_path):
    monkeypatch.setattr(mail.outside, "program", lambda _box, _name, *words: ["echo", *words])
    monkeypatch.setattr(mail, "tied", list)
    monkeypatch.setattr(lifecycle, "send_signal", lambda *_child_and_number: None)
    place = SimpleNamespace(lab=SimpleNamespace(logs=tmp_path, outside=tmp_path), world=None, infra=None)

    def said(recipient):
        lists = BehaviourFile(tmp_path / FILE_NAME, lambda _text: None).of(mail.LATE_SERVER)
        return lists.at("rcpt", "v4", recipient=recipient)

    with mail.flowing(place):
        assert said(mail.LATE_ADDRESS) == "tempfail"
        assert said("list-probe@lists.test") == "accept", "the site's own test mails go there"
    assert f"--to {mail.LATE} --to {mail.LATE}," in (tmp_path / "campaign-senders.log").read_text()
    with pytest.raises(SystemExit), mail.flowing(place):
        raise SystemExit
    assert said(mail.LATE_ADDRESS) == "accept"


@pytest.mark.parametrize(
    ("words", "seconds", "numbers"),
    [
        ((), float("inf"), [1, 2, 3]),
        (("--runs", "2", "--from", "7"), float("inf"), [7, 8]),
        (("--for", "2h"), 7200.0, [1, 2, 3, 4, 5]),
        (("--for", "1.5m", "--runs", "1"), 90.0, [1]),
        (("--for", "120"), 7200.0, [1, 2, 3, 4, 5]),
        (("--for", "45s"), 45.0, [1, 2, 3, 4, 5]),
    ],
)
def test_a_campaign_lasts_as_long_as_it_is_told(monkeypatch, words, seconds, numbers):
    asked = []

    def played(_place, found, _seed, _say, **more):
        asked.append((more["seconds"], list(itertools.islice(found, 5))))
        return 3

    monkeypatch.setattr("lab.cli.running_stations", lambda _arguments: None)
    monkeypatch.setattr(campaign, "campaign", played)
    assert main(["campaign", *words]) == 3
    assert asked == [(seconds, numbers)]


@pytest.mark.parametrize("words", [("--for", "2d"), ("--for", "0"), ("--runs", "0")])
def test_a_campaign_without_a_run_is_refused(capsys, words):
    assert main(["campaign", *words]) == 1
    assert f"{' '.join(words)}: expected" in capsys.readouterr().err


def test_an_exchanger_that_runs_the_drawn_kernel_is_booted_into_the_other_one(monkeypatch):
    runs, typed = ["6.1.0-55"], []
    facts = SimpleNamespace(kernels=("6.1.0-55", "6.1.0-56"), grub_entry=lambda kernel: f"entry {kernel}")

    def ssh(_place, _mx, script):
        if script != "uname -r":
            typed.append(script)
            runs.append("6.1.0-56")
        return SimpleNamespace(stdout=f"{runs[-1]}\n")

    monkeypatch.setattr(lifecycle, "image_facts", lambda _lab, _mx: facts)
    monkeypatch.setattr(services, "ssh", ssh)
    monkeypatch.setattr(services.demo, "is_serving", lambda _place, _mx: True)
    place, mx = SimpleNamespace(lab=None), exchanger("mx2001")
    services.boot_before(place, mx, "6.1.0-56", same=False)
    assert typed == [], "it runs the other one already"
    services.boot_before(place, mx, "6.1.0-55", same=False)
    assert typed == ["grub-set-default 'entry 6.1.0-56'; sync; systemctl --no-block reboot"]
    services.boot_before(place, mx, "6.1.0-56", same=True)
    assert len(typed) == 1, "it runs that now"
    runs.append("6.1.0-55")
    services.boot_before(place, mx, "6.1.0-56", same=True)
    assert typed[1:] == typed[:1]
    with pytest.raises(LabError, match=r"no kernel '5\.10'"):
        services.boot_before(place, mx, "5.10", same=True)


def test_a_rate_that_no_mail_can_have_is_refused(capsys):
    for wrong in ("0", "-1", "nan", "21"):
        assert main(["campaign", "--mail-rate", wrong]) == 1
        assert f"--mail-rate {wrong}: expected mails a second, more than 0, at most 20" in capsys.readouterr().err
