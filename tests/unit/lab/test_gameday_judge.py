"""A game on disk, and how it is judged: what was named and mended and when, the first right command, the mails."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lab.gameday import judge, record
from lab.gameday.draw import Breakage, Drawn
from lab.gameday.judge import Mails, Score, page_of
from lab.gameday.monitoring import FiredAlert
from lab.gameday.record import GameRecord, Typed
from lab.gameday.runbook import read
from lab.shell import LabError

BEGAN = 1000.0
HOST = "mx2001.lab.test"
ALERT = FiredAlert(
    {"alertname": "MxVerifyFailed", "severity": "page", "instance": HOST},
    {"summary": "s", "runbook": "https://x/runbook.html#mxverifyfailed"},
)
GAME = GameRecord(
    Drawn(1, 2, (Breakage("dead-spamd", "mx2001"), Breakage("provider-4xx", "mx1001"))),
    {"dead-spamd": "6.1", "provider-4xx": "6.1"}, "2026-01-01T00:00:00+00:00", BEGAN, [ALERT],
)  # fmt: skip
MAIL = Mails(sent=1)


@pytest.fixture
def lab(tmp_path):
    found = SimpleNamespace(name="lab", state=tmp_path)
    record.begin(found, GAME)
    return found


def judged(entries, game=GAME, mails=MAIL):
    return judge.judge(game, entries, read(), mails)


def test_a_game_is_read_as_it_was_written(lab):
    assert record.load(lab) == GAME
    assert json.loads((record.folder(lab) / "game.json").read_text())["began"] == BEGAN


def test_no_game_is_under_way_once_it_has_ended(lab):
    assert record.is_under_way(lab)
    record.end(lab)
    assert not record.is_under_way(lab)
    with pytest.raises(LabError, match="lab lab: no game is under way"):
        record.load(lab)


def test_a_new_game_begins_with_nothing_typed(lab):
    record.note(lab, "ls", 0)
    record.begin(lab, GAME)
    assert record.typed(lab) == []


def test_what_the_shell_wrote_is_read_and_torn_lines_are_not(lab):
    lines = ["14\t    7  1005 cookbook  sre.mail.verify-mx", "more of it", "0\t   8  1009 ls", "x\t 9  1010 no"]
    (record.folder(lab) / "typed").write_text("\n".join(lines) + "\n")
    record.note(lab, "gameday named mx2001\n'a b'", 0, 1012.5)
    assert record.typed(lab) == [
        Typed(1005.0, 14, "cookbook  sre.mail.verify-mx"), Typed(1009.0, 0, "ls"),
        Typed(1012.5, 0, "gameday named mx2001 'a b'"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("gameday named mx2001 'the disk' is full", [(1.0, "mx2001", "the disk is full")]),
        ("gameday named mx2001.lab.test it's full", [(1.0, "mx2001", "it's full")]),
        ("gameday named mx2001", []),
        ("echo gameday named mx2001 x", []),
    ],
)
def test_what_is_named_is_read_from_what_was_typed(command, named):
    assert record.names([Typed(1.0, 0, command)]) == named


def test_a_game_is_whole_when_each_fault_is_mended_or_contained():
    assert not GAME.is_whole()
    assert not replace(GAME, mended={"dead-spamd": 1.0}).is_whole()
    assert replace(GAME, mended={"dead-spamd": 1.0}, contained={"provider-4xx": 2.0}).is_whole()


def test_each_fault_has_its_times_since_the_clock_began():
    entries = [
        Typed(1010.0, 0, "gameday named mx1001 'spamd is dead'"),
        Typed(1020.0, 0, "gameday named mx2001 'spamd is dead'"),
        Typed(1030.0, 0, "gameday named mx2001 'spamd, I said'"),
    ]
    game = replace(GAME, mended={"dead-spamd": 1061.0}, contained={"provider-4xx": 999.0})
    spamd, provider = judged(entries, game).findings
    assert (spamd.where, spamd.named, spamd.mended, spamd.contained, spamd.good) == ("mx2001", 20.0, 61.0, None, True)
    assert (provider.where, provider.named, provider.contained, provider.good) == ("provider", None, 0.0, False)
    assert judged(entries, game).wrong_names == 1


def test_named_alone_or_mended_alone_is_not_good():
    one = judge.FaultScore("f", "mx2001", 1.0, 2.0, None)
    assert one.good
    assert replace(one, mended=None, contained=3.0).good
    assert not replace(one, named=None).good
    assert not replace(one, mended=None).good


@pytest.mark.parametrize(
    ("command", "right"),
    [
        (f"cookbook sre.mail.verify-mx {HOST} --only units", True),
        ("cookbook sre.mail.verify-mx mx2001", True),
        ("cookbook sre.mail.verify-mx", True),
        ("cookbook sre.mail.status", True),
        (f"cookbook -d sre.mail.depool-mx {HOST}", True),
        ("cookbook sre.mail.verify-mx mx1001.lab.test", False),
        (f"cookbook sre.mail.drain-queue {HOST}", False),
        ("ssh mx2001.lab.test 'systemctl restart", False),
        (f"cookbook sre.mail.remedy-mx --suggest {HOST}", True),
        (f"cookbook sre.mail.remedy-mx {HOST} reload-firewall", False),
    ],
)
def test_the_first_right_command_is_one_of_the_alerts_section_on_its_host(command, right):
    entries = [Typed(1001.0, 0, "ls"), Typed(1007.0, 0, command)]
    assert judged(entries).first_right == (7.0 if right else None)


@pytest.mark.parametrize(
    ("command", "right"),
    [
        (f"cookbook sre.mail.reboot-mx {HOST} --status", True),
        (f"cookbook sre.mail.reboot-mx {HOST} --resume", True),
        (f"cookbook sre.mail.reboot-mx {HOST} --kernel newest", False),
        (f"cookbook sre.mail.reboot-mx {HOST} --kernel=newest", False),
        (f"cookbook sre.mail.reboot-mx {HOST} --abort", False),
        (f"cookbook -d sre.mail.reboot-mx {HOST} --resume", True),
    ],
)
def test_a_reboot_is_not_right_where_the_runbook_looks(command, right):
    down = FiredAlert(dict(ALERT.labels), {"summary": "s", "runbook": "https://x/runbook.html#mxdown"})
    assert (judged([Typed(1007.0, 0, command)], replace(GAME, alerts=[down])).first_right is not None) is right


def test_what_the_runbook_tries_dry_is_not_right_in_earnest():
    cold = FiredAlert(dict(ALERT.labels), {"summary": "s", "runbook": "https://x/runbook.html#before-a-cold-start"})
    dry = f"cookbook -d sre.mail.reboot-mx {HOST} --kernel newest --level cold"
    for command, right in ((dry, True), (dry.replace(" -d", ""), False), (dry.replace(" --level cold", ""), False)):
        score = judged([Typed(1007.0, 0, command)], replace(GAME, alerts=[cold]))
        assert (score.first_right is not None) is right, command


def test_what_the_runbook_types_has_no_action_that_the_judge_does_not_know():
    spoken = {word for section in read().values() for word in re.findall(r"(?<= )--[a-z]+[a-z-]*", section.text)}
    how = {"--accept", "--canary", "--only", "--verbose", "--window", "--no-probes", "--over-budget", "--max-residual"}
    assert spoken - how - {"--unit", "--lines", "--type", "--metrics"} <= judge._ACTIONS


def test_hints_are_counted_and_words_of_the_game_are_no_commands():
    entries = [Typed(1001.0, 0, "gameday hint"), Typed(1002.0, 0, "ls"), Typed(1003.0, 0, "gameday hint ")]
    score = judged(entries)
    assert (score.hints, score.commands) == (2, 1)


def test_what_the_runbook_would_have_typed_is_filled_in():
    commands = judged([]).runbook
    assert commands[:2] == (f"cookbook sre.mail.verify-mx {HOST}", f"cookbook sre.mail.remedy-mx {HOST} --suggest")
    assert f"cookbook sre.mail.depool-mx {HOST} -r 'at fault'" in commands, "where the section leads to"


def test_mails_are_counted_and_the_late_ones_by_when_their_last_copy_came():
    def at(second):
        return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.5+00:00"

    counts = {**dict.fromkeys(judge._COUNTED, 0), "sent": 3, "missing": 1, "bounced": 2}
    sent = [{"id": name, "time": at(when), "waited": 0.0} for name, when in (("a", 0), ("b", 0), ("b", 100))]
    inbox = [
        {"event": "arrival", "lab_id": "a", "time": at(60)}, {"event": "arrival", "lab_id": "b", "time": at(5)},
        {"event": "arrival", "lab_id": "b", "time": at(90)}, {"event": "arrival", "lab_id": "other", "time": at(900)},
        {"event": "reply-unseen", "time": at(1), "arrival": "1"},
    ]  # fmt: skip
    assert judge.mails(counts, sent, inbox) == Mails(sent=3, missing=1, bounced=2, delayed=1, longest=90.0)
    assert judge.mails(counts, [], []) == Mails(sent=3, missing=1, bounced=2)
    sent[0]["waited"] = 45.0
    assert judge.mails(counts, sent, inbox).longest == 105.0, "what an exchanger did not take at once was delayed, too"


def test_a_lost_mail_is_not_good_however_all_else_went():
    game = replace(GAME, drawn=replace(GAME.drawn, breakages=GAME.drawn.breakages[:1]), mended={"dead-spamd": 1005.0})
    entries = [Typed(1001.0, 0, "gameday named mx2001 spamd")]
    assert judged(entries, game, Mails(sent=9, bounced=3, refused=2, delayed=4, longest=80.0)).good
    for lost in ("missing", "in_spool", "altered"):
        assert not judged(entries, game, Mails(sent=9, **{lost: 1})).good, lost
    assert judged(entries, game, Mails(sent=9)).as_json()["good"] is True


def test_a_game_without_mail_shows_nothing_and_is_not_good():
    game = replace(GAME, drawn=replace(GAME.drawn, breakages=GAME.drawn.breakages[:1]), mended={"dead-spamd": 1005.0})
    score = judged([Typed(1001.0, 0, "gameday named mx2001 spamd")], game, Mails())
    assert not score.good
    assert "no exchanger took a mail" in page_of(score, {"dead-spamd": "S"})


def test_a_sound_exchanger_that_was_taken_out_is_not_good():
    game = replace(GAME, drawn=replace(GAME.drawn, breakages=GAME.drawn.breakages[:1]), mended={"dead-spamd": 1005.0})
    entries = [Typed(1001.0, 0, "gameday named mx2001 spamd")]
    assert judged(entries, game, Mails(sent=9)).good
    score = judged(entries, replace(game, needless=["mx1001"]), Mails(sent=9))
    assert not score.good
    assert "taken out of service with nothing wrong on it: mx1001" in page_of(score, {"dead-spamd": "S"})


def test_a_red_herring_that_was_not_left_alone_is_not_good():
    game = replace(GAME, drawn=replace(GAME.drawn, breakages=GAME.drawn.breakages[:1]), mended={"dead-spamd": 1005.0})
    score = judged([Typed(1001.0, 0, "gameday named mx2001 spamd")], replace(game, herring_touched="mx1001: it is not"))
    assert not score.good
    assert "to be left alone: mx1001: it is not" in page_of(score, {"dead-spamd": "S"})


def test_the_verdict_is_printed_with_every_number():
    findings = (
        judge.FaultScore("dead-spamd", "mx2001", 20.4, 61.0, None),
        judge.FaultScore("disk-full", "mx1001", 3.0, None, 125.0),
        judge.FaultScore("etcd-down", "etcd", None, None, None),
    )  # fmt: skip
    score = Score(findings, 9.6, 2, 1, 7, Mails(40, 1, 5, 6, 7, 2, 8, 9, 3, 88.8), ("cookbook a",))
    text = page_of(score, {"dead-spamd": "S", "disk-full": "D", "etcd-down": "E"})
    assert text.splitlines() == [
        "mx2001: dead-spamd: named after 20 s, mended after 1 min 01 s", "    S",
        "mx1001: disk-full: named after 3 s, not mended, but out of service after 2 min 05 s", "    D",
        "etcd: etcd-down: NOT named, NOT mended", "    E",
        "first right command: after 10 s; 7 commands, 2 wrong names, 1 hints",
        "mails: 40 sent, 1 missing, 5 in spool, 6 altered, 7 duplicates, 2 bounced, 8 refused, 9 unsent, "
        "3 took longer than 60 s (at most 89 s)",
        "the runbook would have typed:", "    cookbook a", "NOT well played",
    ]  # fmt: skip
    good = Score(findings[:1], None, 0, 0, 0, MAIL)
    assert "first right command: never" in page_of(good, {"dead-spamd": "S"})
    assert page_of(good, {"dead-spamd": "S"}).endswith("well played\n")
