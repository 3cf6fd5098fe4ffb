"""What a campaign has started does not outlive it, and a cookbook that stood still is seen to end."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import lifecycle
from lab.campaign import campaign, mail, page, play, secrecy, watch
from lab.campaign.disturbances import DISTURBANCES, Disturbance
from lab.campaign.judge import CampaignResult
from lab.campaign.scenario import Scenario, TimedDisturbance
from lab.campaign.scene import NotDoneError, Scene
from lab.place import Lab, exchanger
from lab.shell import LabError, wait_for
from lab.stations.box import Box, tied

# As nsenter does: a child of its own, and it stops itself when that is stopped.
NSENTER = """
import os, signal, sys
child = os.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]):
    os.kill(os.getpid(), signal.SIGSTOP)
    os.kill(child, signal.SIGCONT)
"""
# Its parent; what it is given is started, and it waits.
PARENT = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"


def entered(*words):
    return [sys.executable, "-c", NSENTER, "env", *words]


def state(pid):
    """Return the kernel's letter for the state of a process; Z also for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(pid):
    wait_for("a child", lambda: bool(children(pid)), deadline=10, every=0.02)
    return children(pid)[0]


def test_what_is_tied_ends_with_its_parent_however_that_ends():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *tied(entered("sleep", "60"))])
    outer = only_child(parent.pid)
    program = only_child(outer)
    name = Path(f"/proc/{program}/comm")
    wait_for("the program", lambda: name.read_text() == "sleep\n", deadline=10, every=0.02)
    parent.kill()
    parent.wait()
    wait_for("the end of both", lambda: state(outer) == state(program) == "Z", deadline=10, every=0.02)


@pytest.mark.parametrize("last", [signal.SIGCONT, signal.SIGKILL])
def test_the_end_of_a_program_that_was_stopped_is_seen(last):
    child = subprocess.Popen(entered("sleep", "2" if last == signal.SIGCONT else "60"))
    program = only_child(child.pid)
    lifecycle.send_signal(child, signal.SIGSTOP)
    wait_for("both to stand still", lambda: state(child.pid) == state(program) == "T", deadline=10, every=0.02)
    lifecycle.send_signal(child, last)
    assert child.wait(timeout=10) == 0


def _happens(scene, name):
    moment = TimedDisturbance(name, "", 0.0, 0.0)
    verdict = CampaignResult(Scenario(1, 1, "mx2001", 0, "guest", 0, (moment,)), 0)
    scene.stopped.clear()
    play._happen(scene, moment, "", verdict)
    return verdict.happened, verdict.wrong


def test_a_signal_that_nobody_got_did_not_happen(monkeypatch):
    monkeypatch.setattr(play.journals, "taken", lambda *_: [])
    scene = _scene(("true",))
    scene.child.wait()
    for name in ("kill", "hangup", "stop", "etcd-down"):
        assert _happens(scene, name) == ([], [])
    assert "kill did not happen: the cookbook does not run any more" in scene.said
    with pytest.raises(NotDoneError, match="the cookbook does not run"):
        scene.signal(signal.SIGKILL)


def test_a_signal_reaches_a_cookbook_that_is_just_beginning(monkeypatch):
    monkeypatch.setattr(play.journals, "taken", lambda *_: [])
    late = f"import os, time; time.sleep(0.5); os.execvp({sys.executable!r}, {entered('sleep', '60')!r})"
    scene = Scene(None, None, "", None, None, subprocess.Popen([sys.executable, "-c", late]))
    assert _happens(scene, "kill") == (["kill"], [])
    assert scene.child.wait(timeout=10) == 0


@pytest.mark.parametrize("name", ["power-cut", "node-power-cut", "management-power-cut"])
def test_a_power_that_was_off_was_not_cut(name):
    off = Box(Lab("nowhere"), "ganeti01", None)
    with pytest.raises(NotDoneError, match="ganeti01 is off"):
        DISTURBANCES[name].begin(SimpleNamespace(host=off, place=SimpleNamespace(node=off), mx=exchanger("mx2001")))


def test_a_machine_that_was_off_was_not_cut():
    ran = SimpleNamespace(returncode=1)
    node = SimpleNamespace(pid=1, run=lambda _words, check: ran)
    scene = SimpleNamespace(place=SimpleNamespace(node=node), mx=exchanger("mx2001"))
    with pytest.raises(NotDoneError, match="mx2001 is off"):
        DISTURBANCES["power-cut"].begin(scene)
    ran.returncode = 0
    DISTURBANCES["power-cut"].begin(scene)


def test_a_cookbook_stands_still_for_longer_than_its_lease():
    lease_s = 60
    assert DISTURBANCES["stop"].lasts / 3 > lease_s


def _scene(words):
    child = subprocess.Popen(tied(entered(*words)))
    return Scene(None, None, "", None, None, child)


def test_a_run_that_is_left_ends_its_disturbances_and_every_cookbook(monkeypatch):
    acts = []

    def begin(scene):
        acts.append("begun")
        other = subprocess.Popen(tied(entered("sleep", "60")))
        scene.others.append(other)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        other.wait()

    slow = Disturbance("slow", "", begin, lambda _scene: acts.append("ended"))
    monkeypatch.setattr(play, "DISTURBANCES", {**DISTURBANCES, "slow": slow})
    monkeypatch.setattr(play.journals, "taken", lambda *_: [])
    scene = _scene(("sleep", "60"))
    scenario = Scenario(1, 1, "mx2001", 0, "guest", 0, (TimedDisturbance("slow", "", 0.0, 60.0),))
    with pytest.raises(SystemExit) as left, campaign.until_ended():
        play._disturb(scene, scenario, "", CampaignResult(scenario, 0))
    assert left.value.code == 128 + signal.SIGTERM
    assert acts == ["begun", "ended"]
    assert [one.wait(timeout=10) for one in (scene.child, *scene.others)] == [-signal.SIGKILL] * 2


def test_only_the_first_signal_counts_and_one_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reached = []

    def run():
        os.kill(os.getpid(), signal.SIGHUP)
        reached.append("after SIGHUP, as under nohup")
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("tidied up")

    try:
        with pytest.raises(SystemExit), campaign.until_ended():
            run()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert reached == ["after SIGHUP, as under nohup", "tidied up"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_senders_finish_at_the_end_of_a_run_and_are_killed_where_it_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(mail.outside, "program", lambda *_words: entered("sleep", "60"))
    asked = []
    monkeypatch.setattr(mail.lifecycle, "send_signal", lambda child, number: asked.append(number) or child.terminate())
    place = SimpleNamespace(lab=SimpleNamespace(logs=tmp_path, outside=tmp_path), world=None, infra=None)
    senders = []
    popen = subprocess.Popen
    monkeypatch.setattr(mail.subprocess, "Popen", lambda *a, **kw: senders.append(popen(*a, **kw)) or senders[-1])
    with mail.flowing(place) as wrong:
        pass
    assert wrong == []
    assert asked == [signal.SIGTERM] * len(senders)
    assert all(one.returncode is not None for one in senders)
    senders.clear()
    with pytest.raises(SystemExit), mail.flowing(place):
        raise SystemExit
    assert asked == [signal.SIGTERM] * len(senders), "not asked a second time"
    assert [one.wait(timeout=10) for one in senders] == [-signal.SIGKILL] * len(senders)


def test_senders_that_ended_before_they_were_asked_or_not_at_all_are_wrong(monkeypatch, tmp_path):
    place = SimpleNamespace(lab=SimpleNamespace(logs=tmp_path, outside=tmp_path), world=None, infra=None)
    monkeypatch.setattr(mail, "_END_S", 0.2)
    monkeypatch.setattr(mail.lifecycle, "send_signal", lambda _child, _number: None)
    monkeypatch.setattr(mail.outside, "program", lambda *_words: entered("false"))
    children = []
    popen = subprocess.Popen
    monkeypatch.setattr(mail.subprocess, "Popen", lambda *a, **kw: children.append(popen(*a, **kw)) or children[-1])
    with mail.flowing(place) as wrong:
        wait_for("their end", lambda: all(state(one.pid) == "Z" for one in children), deadline=10)
    assert len(wrong) == 4
    assert "a sender of mail had ended, exit code" in wrong[0]
    monkeypatch.setattr(mail.outside, "program", lambda *_words: entered("sleep", "60"))
    with mail.flowing(place) as wrong:
        pass
    assert [one.partition(" within")[0] for one in wrong] == ["a sender of mail did not end"]


def test_a_program_that_is_given_a_secret_is_named(monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    boxes = [SimpleNamespace(pid=pid) for pid in (gone.pid, os.getpid())]  # the power of the first was just cut
    here = SimpleNamespace(management=boxes, node=SimpleNamespace(pid=None))
    assert secrecy.arguing(here) == set()
    talking = subprocess.Popen(["/bin/sh", "-c", "read answer", secrecy.SECRETS[0]], stdin=subprocess.PIPE)
    try:
        stop, found = threading.Event(), set()
        monkeypatch.setattr(watch, "_ARGUMENTS_S", 0.0)
        monkeypatch.setattr(stop, "wait", lambda _seconds: bool(found))
        watch._look_at_arguments(here, stop, found)
        assert found == {"sh"}
    finally:
        talking.communicate(b"\n")


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([LabError("gone")] * 3, 1),
        ([False] * 6, 1),
        ([None] * 6, 0),
        ([LabError("busy"), LabError("busy"), True, LabError("busy"), LabError("busy"), True], 0),
    ],
)
def test_who_watches_the_service_says_once_that_he_could_not_or_that_none_served(monkeypatch, looks, said):
    """One look that fails is no fault of the service."""
    stop = threading.Event()
    left = list(looks)

    def serves(_place, _mx):
        found = left.pop(0)
        if not left:
            stop.set()
        if isinstance(found, LabError):
            raise found
        return found

    monkeypatch.setattr(watch.demo, "is_serving", serves)
    monkeypatch.setattr(watch, "_LOOK_S", 0.0)
    wrong = []
    watch._watch(None, stop, wrong)
    assert len(wrong) == said


def test_a_thread_that_dies_makes_the_run_bad(monkeypatch):
    def broken(*_args):
        raise ValueError("no journal")

    monkeypatch.setattr(play.journals, "taken", broken)
    monkeypatch.setattr(play, "_POLL_S", 0.01)
    scene = _scene(("true",))
    scenario = Scenario(1, 1, "mx2001", 0, "guest", 0, (TimedDisturbance("kill", "drain", 0.0, 0.0),))
    verdict = CampaignResult(scenario, 0)
    play._disturb(scene, scenario, "", verdict)
    assert verdict.wrong == ["kill came to an end by an error: ValueError('no journal')"]
    monkeypatch.setattr(watch, "_watch", broken)
    monkeypatch.setattr(secrecy, "arguing", broken)
    monkeypatch.setattr(watch, "_ARGUMENTS_S", 0.0)
    with watch.watched(None) as seen:
        wait_for("both to end", lambda: len(seen[2]) == 2, deadline=10, every=0.02)
    assert sorted(one.partition(" came")[0] for one in seen[2]) == ["the look at arguments", "the watch of the service"]


def test_a_station_that_just_went_hides_no_arguments_of_others():
    gone = subprocess.Popen(["true"])
    gone.wait()
    here = SimpleNamespace(management=[SimpleNamespace(pid=gone.pid)], node=SimpleNamespace(pid=os.getpid()))
    assert secrecy.arguing(here) == set()


def test_a_run_that_the_lab_could_not_play_is_kept_and_written_down(monkeypatch, tmp_path):
    scenario = Scenario(7, 1, "mx2001", 0, "guest", 0, (TimedDisturbance("kill", "", 0.0, 60.0),))
    place = SimpleNamespace(lab=SimpleNamespace(state=tmp_path))
    kept = []
    monkeypatch.setattr(campaign.play, "is_whole", lambda _place: True)
    monkeypatch.setattr(campaign.judge, "leftovers", lambda _place: [])
    monkeypatch.setattr(campaign, "_keep", lambda _place, folder: kept.append(folder))

    def play_it(*_args):
        raise LabError("mx2001 does not answer")

    monkeypatch.setattr(campaign.play, "play", play_it)
    with pytest.raises(LabError, match="mx2001 does not answer"):
        campaign._play_all(place, (scenario,), lambda _text: None, 60.0, mail.RATE)
    (run,) = campaign.results(place.lab)
    assert (run["code"], run["wrong"]) == (None, ["the lab could not play it: mx2001 does not answer"])
    assert len(kept) == 1
    assert "| nothing | None | 0 |  | never | the lab could not play it: mx2001 does not answer |" in page.page([run])


def test_runs_of_one_seed_and_number_are_all_kept_with_what_they_were_drawn_from(monkeypatch, tmp_path):
    place = SimpleNamespace(lab=SimpleNamespace(state=tmp_path), management=())
    monkeypatch.setattr(campaign.play, "is_whole", lambda _place: True)
    monkeypatch.setattr(campaign.judge, "leftovers", lambda _place: [])
    monkeypatch.setattr(campaign, "_keep", lambda _place, folder: (folder / "evidence").write_text("x"))
    monkeypatch.setattr(campaign, "_mend", lambda _place: None)

    def played(_place, scenario, _folder, _rate):
        happened = [one.name for one in scenario.moments]
        return CampaignResult(scenario, 0, wrong=["x"] if "kill" in happened else [], happened=happened)

    monkeypatch.setattr(campaign.play, "play", played)
    for only, more in ((("kill",), {"step": "close ports"}), (("rotate",), {"deal": True, "rate": 0.3})):
        campaign.campaign(place, (1,), 7, lambda _text: None, only=only, **more)
    campaign.campaign(place, (1,), 7, lambda _text: None)
    runs = campaign.results(place.lab)
    typed = ["--only kill --at 'close ports' --mail-rate 0.95", "--only rotate --deal --mail-rate 0.3"]
    typed.append("--mail-rate 0.95")
    assert [run["scenario"]["options"] for run in runs] == typed
    assert (tmp_path / "campaign" / "7-1" / "evidence").exists()
    assert f"| 7 | 1 {typed[0]} | " in page.page(runs)
    del runs[0]["scenario"]["options"]
    assert "| 7 | 1 | " in page.page(runs), "as runs of before are kept"


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([("kill", ())], 0),
        ([("kill", ()), ("", ())], 0),
        ([("", ())], 3),
        ([("kill", ("x",)), ("kill", ())], 1),
        ([], 3),
    ],
)
def test_a_run_in_which_nothing_happened_is_no_good_one(monkeypatch, tmp_path, runs, code):
    place, said = SimpleNamespace(lab=SimpleNamespace(state=tmp_path)), []
    monkeypatch.setattr(campaign.play, "is_whole", lambda _place: True)
    monkeypatch.setattr(campaign.judge, "leftovers", lambda _place: [])
    monkeypatch.setattr(campaign, "_keep", lambda _place, _folder: None)
    monkeypatch.setattr(campaign, "_mend", lambda _place: None)
    monkeypatch.setattr(campaign, "_commit", lambda: "0123456789ab-dirty")
    left = list(runs)

    def played(_place, scenario, _folder, _rate):
        name, wrong = left.pop(0)
        return CampaignResult(replace(scenario, kernel="6.1"), 0, wrong=list(wrong), happened=[name] if name else [])

    monkeypatch.setattr(campaign.play, "play", played)
    scenarios = [Scenario(7, n, "mx2001", 0, "guest", 0, (), "--deal --mail-rate 0.3") for n in range(len(runs))]
    assert campaign._play_all(place, scenarios, said.append, 60.0, mail.RATE) == code
    told = {("kill", ()): "good", ("kill", ("x",)): "bad; x", ("", ()): "not tried; nothing happened"}
    ends = [f"{n}: exit code 0, whole after 0 s: {told[run]}" for n, run in enumerate(runs)]
    assert [one for one in said if "exit code" in one] == ends
    options = "--runs 1 --deal --mail-rate 0.3 --kernel 6.1"
    wanted = [
        f"{tmp_path}/campaign/7-{n}; once more: lab/mxlab campaign --seed 7 --from {n} {options}"
        for n, run in enumerate(runs)
        if told[run] != "good"
    ]
    assert [one for one in said if "once more" in one] == wanted
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("campaign/*/result.json")]
    assert len(kept) == len(runs)
    assert all(one["commit"] == "0123456789ab-dirty" and one["world"] for one in kept)


def test_the_commit_is_that_of_the_checkout_whoever_owns_it(monkeypatch, tmp_path):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setattr(campaign, "REPOSITORY", tmp_path)
    assert campaign._commit() is None, "no checkout: a release's archive"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=first"], check=True)
    made = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert subprocess.run([*git, "describe", "--always"], capture_output=True, check=False).returncode, "Git refuses"
    assert campaign._commit() == made[:12]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert campaign._commit() is None, "no Git"


def test_what_the_exchangers_say_is_kept_of_a_bad_run(monkeypatch, tmp_path):
    def silent(_place, mx, script, timeout):
        assert "exim4 -bp" in script
        if mx.name == "mx2001":
            raise LabError("no answer")
        return SimpleNamespace(stdout=f"{timeout:.0f}: the queue\n")

    monkeypatch.setattr(campaign.lifecycle, "ssh", silent)
    outside, folder = tmp_path / "outside", tmp_path / "run"
    (tmp_path / "logs").mkdir()
    for path in (outside, folder):
        path.mkdir()
    (outside / "spool.txt").write_text("id-1\n")
    lab = SimpleNamespace(state=tmp_path, outside=outside, logs=tmp_path / "logs")
    campaign._keep(SimpleNamespace(lab=lab, management=()), folder)
    assert (folder / "mx1001.log").read_text() == "120: the queue\n"
    assert (folder / "mx2001.log").read_text() == "no answer\n"
    assert (folder / "spool.txt").read_text() == "id-1\n"


def test_a_campaign_does_not_begin_on_what_another_has_left(monkeypatch, tmp_path):
    done = []
    place = SimpleNamespace(lab=SimpleNamespace(state=tmp_path))
    monkeypatch.setattr(campaign.play, "is_whole", lambda _place: bool(done))
    monkeypatch.setattr(campaign, "_mend", lambda _place: done.append("mended"))
    monkeypatch.setattr(campaign.judge, "leftovers", lambda _place: [])
    for _ in range(2):
        campaign._play_all(place, (), lambda _text: None, 1.0, mail.RATE)
    assert done == ["mended"]
    (tmp_path / "faults.json").write_text('[{"fault": "kernel-panic", "host": "mx2001", "kernel": "6.1"}]')
    monkeypatch.setattr(campaign.play, "play", lambda *_args: CampaignResult(scenario, 0))
    scenario = Scenario(7, 1, "mx2001", 0, "guest", 0, ())
    campaign._play_all(place, (scenario,), lambda _text: None, 1.0, mail.RATE)
    assert done == ["mended"] * 2, "what a run began with is on"
    monkeypatch.setattr(campaign.judge, "leftovers", lambda _place: ["left on mx2001: mx-depool.service"])
    with pytest.raises(LabError, match=r"before this is gone: left on mx2001: mx-depool\.service"):
        campaign._play_all(place, (), lambda _text: None, 1.0, mail.RATE)
