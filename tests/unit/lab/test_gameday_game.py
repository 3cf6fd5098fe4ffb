"""How a game begins, is looked at and ends, without a lab: every part of the world is in memory."""

import json
import os
import pty
import re
import shlex
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lab import cli, demo
from lab.gameday import command, game, player, record
from lab.gameday import draw as drawing
from lab.gameday.draw import Breakage, Drawn
from lab.gameday.judge import FaultScore, Mails, Score
from lab.gameday.monitoring import FiredAlert
from lab.gameday.record import GameRecord, Typed
from lab.gameday.riddles import Riddle
from lab.shell import LabError
from lab.world.ledger import Ledger

ALERT = FiredAlert({"alertname": "MxDown", "instance": "mx2001.lab.test"}, {"summary": "down", "runbook": "x#mxdown"})
OTHER = FiredAlert({"alertname": "MxVerifyFailed", "instance": "mx1001.lab.test"}, {"summary": "bad"})
TICKET = FiredAlert({"alertname": "Ticket"}, {"summary": "please"})


class World:
    """What is done to the lab, in order; and how its faults stand."""

    def __init__(self, tmp_path):
        self.lab = SimpleNamespace(name="lab", state=tmp_path, outside=tmp_path)
        self.place = SimpleNamespace(lab=self.lab, infra="infra", operator="operator", management=())
        self.done, self.well, self.contained, self.whole, self.taken = [], set(), set(), True, True
        self.alerts = [ALERT]

    def undo(self, goal, fault):
        self.done.append(f"undo {fault.name}")


@pytest.fixture
def world(monkeypatch, tmp_path):
    world = World(tmp_path)
    done = world.done.append
    monkeypatch.setattr(game.play, "is_whole", lambda _place: world.whole)
    monkeypatch.setattr(game.catalogue, "broken", lambda _lab: [])
    monkeypatch.setattr(game.catalogue, "target", lambda _place, mx, kernel: SimpleNamespace(mx=mx, kernel=kernel))
    monkeypatch.setattr(game.catalogue, "apply", lambda goal, fault: done(f"break {fault.name} {goal.mx.name}"))
    monkeypatch.setattr(game.catalogue, "undo", world.undo)
    monkeypatch.setattr(game.catalogue, "undo_all", lambda _place: done("undo all") or [])
    monkeypatch.setattr(game, "_start_mail", lambda _place, rate: done(f"mail {rate}"))
    monkeypatch.setattr(game, "_stop_mail", lambda _place: done("no mail"))
    monkeypatch.setattr(game, "ssh", lambda *_, **__: SimpleNamespace(stdout="", returncode=0))
    monkeypatch.setattr(game.demo, "other_kernel", lambda _place, mx: f"other of {mx.name}")
    monkeypatch.setattr(game.lifecycle, "revive", lambda _place, _mx: None)
    monkeypatch.setattr(game.campaign_judge, "look", lambda _place, _mx: SimpleNamespace(claimed=False))
    monkeypatch.setattr(game, "verified", lambda _place, _log: "metrics")
    monkeypatch.setattr(game.monitoring, "fired", lambda metrics, _now: world.alerts if metrics == "metrics" else [])

    def post(_station, alerts, over=False):
        done(f"{'end' if over else 'post'} {' '.join(one.name for one in alerts)}")
        return world.taken

    monkeypatch.setattr(game.monitoring, "post", post)
    monkeypatch.setattr(game, "is_contained", lambda goal: goal.mx.name in world.contained)
    monkeypatch.setattr(game, "is_out", lambda _place, mx: mx.name in world.contained)
    monkeypatch.setattr(game.mail, "deliver_all", lambda _place: None)
    monkeypatch.setattr(game, "_ANSWERS_S", 0.1)
    monkeypatch.setattr(game, "_LOOK_S", 0.05)
    return world


def begun(world, *faults, level=1, herring=""):
    breakages = tuple(Breakage(name, mx) for name, mx in faults)
    return game.begin(world.place, Drawn(1, level, breakages, herring), lambda _text: None)


def looks(world, monkeypatch):
    monkeypatch.setattr(Riddle, "is_well", lambda self, _goal: self.fault in world.well)


def test_it_breaks_then_alerts_are_raised_then_the_clock_runs(world):
    found = begun(world, ("dead-spamd", "mx2001"))
    assert world.done == ["mail 0.3", "break dead-spamd mx2001", "post MxDown"]
    assert found.began > 0
    assert found.kernels == {"dead-spamd": "other of mx2001"}
    assert record.load(world.lab) == found
    assert "MxDown: down" in (record.folder(world.lab) / "alerts").read_text()


def test_what_a_power_cut_has_left_is_no_part_of_a_game(world, monkeypatch):
    asked = []
    monkeypatch.setattr(
        game, "ssh", lambda _p, mx, script, **_: asked.append((mx.name, script)) or SimpleNamespace(stdout="")
    )
    begun(world, ("dead-spamd", "mx2001"))
    for name, script in asked[:2]:
        assert "systemctl reset-failed; timeout 30 systemctl start generate_vrts_aliases.service" in script, name
        assert "rm -f /var/spool/exim4/db/retry*" in script


def test_a_ticket_is_no_alert_of_alertmanager(world):
    found = begun(world, ("console-busy", "mx1001"))
    assert [one.name for one in found.alerts] == ["MxDown", "Ticket"]
    assert "post MxDown" in world.done


def test_a_third_level_has_a_red_herring_and_more_mail(world, monkeypatch):
    world.alerts.append(OTHER)
    asked = []
    said = SimpleNamespace(stdout="", returncode=0)
    monkeypatch.setattr(game, "ssh", lambda _p, mx, script, **_: asked.append((mx.name, script)) or said)
    begun(world, ("etcd-down", "mx1001"), ("no-ferm", "mx2001"), level=3, herring="mx1001")
    assert world.done[0] == "mail 1.0"
    (herring,) = [one for one in asked if "disable-puppet" in one[1]]
    assert herring[0] == "mx1001"
    game.restore(world.place, record.load(world.lab))
    record.end(world.lab)
    said.returncode = 255
    with pytest.raises(LabError, match="mx1001: Puppet could not be disabled"):
        begun(world, ("etcd-down", "mx1001"), ("no-ferm", "mx2001"), level=3, herring="mx1001")


def test_where_alertmanager_is_down_nobody_is_paged_and_that_is_said(world):
    said = []
    world.taken = False
    drawn = Drawn(1, 1, (Breakage("alertmanager-down", "mx1001"),))
    game.begin(world.place, drawn, said.append)
    assert any("nobody is paged" in line for line in said)


@pytest.mark.parametrize("why", ["under way", "not whole", "broken"])
def test_a_game_is_refused_before_anything_is_broken(world, monkeypatch, why):
    if why == "under way":
        record.begin(world.lab, GameRecord(Drawn(1, 1, ()), {}, ""))
    elif why == "broken":
        monkeypatch.setattr(game.catalogue, "broken", lambda _lab: [{"fault": "x"}])
    world.whole = why != "not whole"
    with pytest.raises(LabError, match="under way" if why == "under way" else "not whole"):
        begun(world, ("dead-spamd", "mx2001"))
    assert world.done == []


def test_a_game_that_cannot_begin_leaves_the_lab_as_it_was(world, monkeypatch):
    def apply(_goal, _fault):
        raise LabError("no effect here")

    monkeypatch.setattr(game.catalogue, "apply", apply)
    with pytest.raises(LabError, match="no effect here"):
        begun(world, ("dead-spamd", "mx2001"))
    assert "undo all" in world.done
    assert not record.is_under_way(world.lab)


@pytest.mark.parametrize("standing", [[], [FiredAlert({"alertname": "x", "severity": "task"}, {"summary": "x"})]])
def test_a_fault_for_which_no_alert_fires_is_no_game(world, monkeypatch, standing):
    monkeypatch.setattr(game.monitoring, "fired", lambda *_: standing)
    with pytest.raises(LabError, match=r"no alert fires for 1 of 1 faults: .*verification\.log"):
        begun(world, ("dead-spamd", "mx2001"))
    assert "undo all" in world.done
    assert not record.is_under_way(world.lab)
    assert begun(world, ("console-busy", "mx2001")).alerts, "a ticket is enough"


def test_a_fault_without_an_alert_of_its_own_is_no_game_beside_one_that_has(world):
    with pytest.raises(LabError, match=r"no alert fires for 1 of 2 faults: .*verification\.log"):
        begun(world, ("dead-spamd", "mx2001"), ("disk-full", "mx1001"), level=2)
    assert "undo all" in world.done


def test_what_is_mended_or_contained_is_noted_when_it_is_first_seen(world, monkeypatch):
    world.alerts.append(OTHER)
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"), ("disk-full", "mx1001"))
    game.look(world.place, found)
    assert not found.mended
    assert not found.contained
    world.well, world.contained = {"dead-spamd"}, {"mx1001"}
    game.look(world.place, found)
    first = dict(found.mended), dict(found.contained)
    assert (set(first[0]), set(first[1])) == ({"dead-spamd"}, {"disk-full"})
    game.look(world.place, found)
    assert (found.mended, found.contained) == first
    assert record.load(world.lab).mended == found.mended


def test_what_is_an_owners_is_mended_once_it_is_named_and_not_before(world):
    found = begun(world, ("etcd-down", "mx2001"))
    record.note(world.lab, "gameday named mx2001 etcd", 0)
    game.look(world.place, found)
    assert not found.mended
    record.note(world.lab, "gameday named etcd 'it is down'", 0)
    record.note(world.lab, "gameday named etcd 'etcd is down'", 0)
    game.look(world.place, found)
    assert set(found.mended) == {"etcd-down"}
    assert world.done[-1] == "undo etcd-down"
    game.look(world.place, found)
    assert world.done.count("undo etcd-down") == 1


def test_an_exchanger_that_is_out_for_a_fault_elsewhere_is_noted_once(world, monkeypatch):
    world.alerts.append(OTHER)
    looks(world, monkeypatch)
    found = begun(world, ("provider-down", "mx2001"), ("disk-full", "mx1001"))
    world.contained = {"mx1001", "mx2001"}
    game.look(world.place, found)
    game.look(world.place, found)
    assert found.needless == ["mx2001"], "the provider is no exchanger, and mx1001 is at fault itself"
    assert record.load(world.lab).needless == ["mx2001"]


def test_at_its_end_alerts_end_faults_go_and_what_is_claimed_is_returned(world, monkeypatch):
    found = begun(world, ("console-busy", "mx1001"))
    world.done.clear()
    monkeypatch.setattr(
        game.campaign_judge, "look", lambda _place, mx: SimpleNamespace(claimed=mx.name == "mx2001")
    )
    monkeypatch.setattr(game, "_cookbook", lambda _place, *words: world.done.append(" ".join(words)))
    game.restore(world.place, found)
    assert world.done == [
        "no mail", "undo all", "end MxDown",
        "sre.mail.reboot-mx mx2001.lab.test --abort --reason the game has ended",
    ]  # fmt: skip


def test_what_the_player_opened_is_closed_and_what_was_prepared_is_settled(world, monkeypatch):
    found = begun(world, ("second-disk", "mx2001"))
    world.done.clear()

    def ssh(_place, mx, script, **_):
        left = {"mx1001": "holes", "mx2001": "start-timeout"}[mx.name]
        said = "something" if left in script else ""
        return SimpleNamespace(stdout=said)

    monkeypatch.setattr(game, "ssh", ssh)
    monkeypatch.setattr(game, "_cookbook", lambda _place, *words: world.done.append(" ".join(words)))
    game.restore(world.place, found)
    assert world.done == [
        "no mail", "sre.mail.repair-nic mx2001.lab.test --settle", "undo all", "end MxDown",
        "sre.mail.remedy-mx mx1001.lab.test close-hole",
        "sre.mail.refresh-aliases mx2001.lab.test --unpin-timeout",
    ]  # fmt: skip


def test_a_second_name_that_was_not_settled_is_unknown_once_the_rest_is_whole(world, monkeypatch):
    found = begun(world, ("second-disk", "mx2001"))
    monkeypatch.setattr(game, "_cookbook", lambda _place, *words: 15 if "--settle" in words else 0)
    with pytest.raises(LabError, match="mx2001: UNKNOWN whether"):
        game.restore(world.place, found)
    assert "undo all" in world.done


def test_a_game_is_judged_after_a_last_look_and_has_ended_then(world, monkeypatch):
    looks(world, monkeypatch)
    begun(world, ("dead-spamd", "mx2001"))
    record.note(world.lab, "gameday named mx2001 spamd", 0)
    monkeypatch.setattr(game, "_mails", lambda _place, _game: Mails(sent=5))
    world.well = {"dead-spamd"}
    score = game.done(world.place, lambda _text: None)
    assert score.good
    assert not record.is_under_way(world.lab)


@pytest.mark.parametrize(
    ("answer", "touched"),
    [
        (drawing.HERRING_REASON, ""), ("enabled", "is not: enabled"), ("another reason", "is not: another reason"),
        ("", "UNKNOWN whether Puppet is still disabled"),
    ],
)  # fmt: skip
def test_a_red_herring_is_to_be_as_it_was_when_the_clock_stops(world, monkeypatch, answer, touched):
    world.alerts.append(OTHER)
    looks(world, monkeypatch)
    begun(world, ("dead-spamd", "mx2001"), ("disk-full", "mx1001"), level=3, herring="mx1001")
    record.note(world.lab, "gameday named mx2001 spamd", 0)
    record.note(world.lab, "gameday named mx1001 disk-full", 0)
    world.well = {"dead-spamd", "disk-full"}
    monkeypatch.setattr(game, "_mails", lambda _place, _game: Mails(sent=5))
    monkeypatch.setattr(game, "ssh", lambda *_, **__: SimpleNamespace(stdout=f"{answer}\n", returncode=0))
    monkeypatch.setattr(game, "_cookbook", lambda *_: 0)
    score = game.done(world.place, lambda _text: None)
    assert score.good is not bool(touched)
    assert touched in score.herring_touched


@pytest.mark.parametrize("seen", ["well", "contained"])
@pytest.mark.parametrize("held", [True, False])
def test_what_was_seen_mended_or_out_of_service_counts_only_where_it_still_is(world, monkeypatch, seen, held):
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"))
    record.note(world.lab, "gameday named mx2001 spamd", 0)
    monkeypatch.setattr(game, "_mails", lambda _place, _game: Mails(sent=5))
    setattr(world, seen, {"dead-spamd", "mx2001"})
    game.look(world.place, found)
    first = {**found.mended, **found.contained}
    if not held:
        setattr(world, seen, set())
    (finding,) = game.done(world.place, lambda _text: None).findings
    assert finding.good is held
    if held:
        assert round(first["dead-spamd"] - found.began, 1) in (finding.mended, finding.contained)


def test_what_is_broken_again_and_out_of_service_at_the_end_is_out_of_service(world, monkeypatch):
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"))
    found.mended, world.contained = {"dead-spamd": found.began}, {"mx2001"}
    game._stop_clock(world.place, found)
    assert not found.mended
    assert found.contained


def test_a_host_that_boots_just_then_gets_its_time(world, monkeypatch):
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"))
    found.mended = {"dead-spamd": found.began}
    record.save(world.lab, found)
    states = iter([False, True, True])
    monkeypatch.setattr(Riddle, "is_well", lambda _self, _goal: next(states))
    game._stop_clock(world.place, found)
    assert found.mended


def test_a_second_end_counts_nothing_that_was_done_after_the_first(world, monkeypatch):
    looks(world, monkeypatch)
    begun(world, ("dead-spamd", "mx2001"))
    monkeypatch.setattr(game.catalogue, "undo_all", lambda _place: world.well.add("dead-spamd") or [])
    accounts = [LabError("no account"), Mails(sent=5)]

    def mails(_place, _game):
        found = accounts.pop(0)
        if isinstance(found, LabError):
            raise found
        return found

    monkeypatch.setattr(game, "_mails", mails)
    with pytest.raises(LabError, match="no account"):
        game.done(world.place, lambda _text: None)
    record.note(world.lab, "gameday named mx2001 spamd", 0, record.load(world.lab).stopped + 1)
    (finding,) = game.done(world.place, lambda _text: None).findings
    assert (finding.named, finding.mended) == (None, None)


def test_a_keeper_in_another_shell_leaves_a_game_that_has_stopped(world, monkeypatch):
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"))
    monkeypatch.setattr(game, "_mails", lambda _place, _game: Mails(sent=5))
    monkeypatch.setattr(game, "_look_for_harm", lambda *_: game.done(world.place, lambda _text: None))
    monkeypatch.setattr(game, "_stop_clock", lambda _place, ended: record.save(world.lab, replace(ended, stopped=1.0)))
    game.look(world.place, found)
    game.look(world.place, found)
    assert not record.is_under_way(world.lab)


def test_an_abandoned_game_says_what_it_was(world):
    begun(world, ("dead-spamd", "mx2001"))
    assert game.abandon(world.place).startswith("mx2001: the second mail daemon is dead")
    assert "undo all" in world.done
    assert not record.is_under_way(world.lab)


def test_a_game_without_an_account_of_its_mails_has_no_verdict(world, monkeypatch):
    monkeypatch.setattr(game.mail, "account", lambda _place, _since: "Traceback")
    with pytest.raises(LabError, match="no account"):
        game._mails(world.place, GameRecord(Drawn(1, 1, ()), {}, "2026-01-01T00:00:00+00:00"))


def test_the_mails_of_a_game_are_those_since_it_was_broken(world, monkeypatch):
    since = "2026-01-01T00:00:05+00:00"
    ledger = {**vars(Ledger()), "sent": 2, "recipients": 2, "bounced": ["b"]}
    monkeypatch.setattr(game.mail, "account", lambda _place, asked: json.dumps(ledger) if asked == since else "")
    times = (("a", "2026-01-01T00:00:04.5+00:00"), ("b", "2026-01-01T00:00:06.5+00:00"))
    sent = [{"id": name, "time": when, "accepted": 1, "waited": 0.5} for name, when in times]
    arrived = {"event": "arrival", "time": "2026-01-01T00:02:06.5+00:00"}
    (world.lab.outside / "sent.jsonl").write_text("".join(json.dumps(one) + "\n" for one in sent))
    (world.lab.outside / "inbox.jsonl").write_text(
        "".join(json.dumps({**arrived, "lab_id": one["id"]}) + "\n" for one in sent)
    )
    found = game._mails(world.place, GameRecord(Drawn(1, 1, ()), {}, since))
    assert found == Mails(sent=2, bounced=1, delayed=1, longest=120.5)


def test_hints_say_more_each_time():
    found = GameRecord(Drawn(1, 1, (Breakage("dead-spamd", "mx2001"),)), {}, "", alerts=[ALERT])
    told = player.hints(found.drawn.breakages, found)
    assert "mxdown" in told[0]
    assert "verify-mx" in told[1]
    assert told[2] == "at fault: mx2001"
    assert told[3].startswith("mx2001: the second mail daemon is dead")
    assert not any("dead" in line for line in told[:3])


def test_the_shell_keeps_what_is_typed_with_time_and_code(world):
    found = GameRecord(Drawn(1, 1, (Breakage("dead-spamd", "mx2001"),)), {}, "", alerts=[ALERT])
    record.begin(world.lab, found)
    rc = player.prepare(world.place, found)
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", str(rc), "-i"], stdin=theirs, stdout=theirs, stderr=theirs,
        env={"PATH": os.environ["PATH"], "HOME": str(rc.parent), "TERM": "dumb"}, start_new_session=True,
    )  # fmt: skip
    lines = ["echo hi", "false", "", "gameday hint", "gameday hint", "gameday named mx2001 'a b'", "gameday x"]
    lines.append("gameday done")
    os.write(ours, ("\n".join(lines) + "\n").encode())
    assert shell.wait(timeout=20) == player.ENDED
    said = os.read(ours, 100_000).decode()
    assert "MxDown: down" in said
    assert said.index("has a section for it: mxdown") < said.index("verify-mx judges every exchanger")
    entries = record.typed(world.lab)
    assert [(one.code, one.command) for one in entries] == [
        (0, "echo hi"), (1, "false"), (0, "gameday hint"), (0, "gameday hint"), (0, "gameday named mx2001 'a b'"),
        (2, "gameday x"),
    ]  # fmt: skip
    assert all(one.at > 1_000_000_000 for one in entries)
    assert record.names(entries) == [(entries[4].at, "mx2001", "a b")]


# --- the command


def mxlab(world, monkeypatch, *words):
    monkeypatch.setattr(command.programs, "running_stations", lambda _arguments: world.place)
    return cli.main(["gameday", *words])


def test_without_a_terminal_a_game_begins_and_says_how_to_go_on(world, monkeypatch, capsys):
    world.alerts.append(OTHER)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert mxlab(world, monkeypatch, "--seed", "3", "--only", "dead-spamd") == 0
    said = capsys.readouterr().out
    assert "seed 3, level 1" in said
    assert "MxDown: down" in said
    assert "spamd" not in said
    assert record.load(world.lab).drawn.seed == 3


def test_hints_and_names_from_outside_the_shell_are_kept(world, monkeypatch, capsys):
    looks(world, monkeypatch)
    begun(world, ("dead-spamd", "mx2001"))
    assert [mxlab(world, monkeypatch, "hint") for _ in range(5)] == [0] * 5
    assert capsys.readouterr().out.splitlines()[-1] == "that was all"
    assert mxlab(world, monkeypatch, "named", "mx2001", "spamd is", "dead") == 0
    assert record.names(record.typed(world.lab))[0][1:] == ("mx2001", "spamd is dead")
    assert mxlab(world, monkeypatch, "named", "mx2001") == 1
    assert mxlab(world, monkeypatch, "done", "x") == 1
    assert "'x'" in capsys.readouterr().err


@pytest.mark.parametrize(("mended", "code"), [(1.0, 0), (None, 1)])
def test_done_prints_the_verdict_and_returns_whether_all_is_well(world, monkeypatch, capsys, mended, code):
    begun(world, ("dead-spamd", "mx2001"))
    score = Score((FaultScore("dead-spamd", "mx2001", 1.0, mended, None),), 1.0, 0, 0, 1, Mails(sent=1))
    monkeypatch.setattr(command.game, "done", lambda _place, _say: score)
    assert mxlab(world, monkeypatch, "done") == code
    assert "mx2001: dead-spamd: named after 1 s" in capsys.readouterr().out
    assert (record.folder(world.lab) / "result.json").exists()


def test_what_the_script_types_is_run_where_it_belongs_and_kept(world, monkeypatch):
    looks(world, monkeypatch)
    found = begun(world, ("dead-spamd", "mx2001"))
    ran = []

    def run(words, **_):
        ran.append(words)
        return SimpleNamespace(returncode=14, stdout="said\n")

    monkeypatch.setattr(demo.management, "virtual_environment", lambda _host: "/venv")
    monkeypatch.setattr(demo.management, "command", lambda host, _venv, words: [host, *words])
    monkeypatch.setattr(demo, "tied", lambda words: ["tied", *words])
    monkeypatch.setattr(demo, "run_command", run)
    world.place.node = SimpleNamespace(inside=lambda words: ["node", *words])
    hands = command.LabHands(world.place, found)
    assert hands.type("cookbook sre.mail.verify-mx mx2001.lab.test && echo 'fine'") == (14, "said\n")
    hands.type("gnt-instance start mx2001.lab.test")
    hands.name("mx2001", "spamd: it's dead")
    assert ran == [
        ["tied", "operator", "/venv/bin/cookbook", "sre.mail.verify-mx", "mx2001.lab.test"],
        ["tied", "node", "gnt-instance", "start", "mx2001.lab.test"],
    ]  # fmt: skip
    entries = record.typed(world.lab)
    assert entries[0].code == 14
    assert record.names(entries)[0][1:] == ("mx2001", "spamd: it's dead")


def test_what_the_script_has_named_is_mended_by_its_owner_before_it_looks_again(world, monkeypatch):
    hands = command.LabHands(world.place, begun(world, ("etcd-down", "mx2001")))
    monkeypatch.setattr(demo, "type_in", lambda *_: world.done.append("looks") or (0, ""))
    hands.name("etcd", "it does not answer")
    assert "undo etcd-down" not in world.done
    hands.type("cookbook sre.mail.verify-mx")
    assert world.done[-2:] == ["undo etcd-down", "looks"]


def test_the_name_of_a_game_is_quoted_so_that_it_is_read_back():
    said = shlex.join(["gameday", "named", "mx2001", "it's \"dead\"; $x"])
    assert record.names([Typed(1.0, 0, said)]) == [(1.0, "mx2001", "it's \"dead\"; $x")]
    assert re.fullmatch(r"gameday named mx2001 .*", said)
