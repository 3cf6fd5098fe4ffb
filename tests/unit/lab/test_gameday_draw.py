"""What a game is made of, and what is one's in it: every fault has its riddle, and a pair does not hide one another."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lab.faults.catalogue import FAULTS
from lab.gameday import draw as drawing
from lab.gameday import riddles
from lab.gameday.draw import Breakage, Drawn, draw
from lab.gameday.monitoring import FiredAlert
from lab.gameday.riddles import HOST, RIDDLES
from lab.gameday.runbook import read
from lab.place import exchanger
from lab.shell import LabError, wait_for
from mxlib.nic.cause import _BY_SCREEN, from_screen
from mxlib.nic.report import RepairReport
from mxlib.nic.screen import Screen, Waiting

MX2 = exchanger("mx2001")


def test_every_fault_of_the_catalogue_is_a_riddle_under_its_own_name():
    assert set(RIDDLES) == set(FAULTS)
    assert all(name == riddle.fault for name, riddle in RIDDLES.items())


def test_a_riddle_is_of_a_host_where_its_fault_is():
    for name, riddle in RIDDLES.items():
        assert (riddle.where == HOST) is FAULTS[name].of_host, name
        assert all(word == word.lower() for word in riddle.names), name


def test_the_same_seed_makes_the_same_choices_and_every_fault_is_drawn():
    assert draw(7, 3) == draw(7, 3)
    games = [draw(seed, level) for seed in range(400) for level in (1, 2, 3)]
    assert {one.fault for game in games for one in game.breakages} == set(FAULTS)
    assert {game.breakages[0].mx for game in games if game.level == 1} == {"mx1001", "mx2001"}
    assert {(game.level, len(game.breakages), bool(game.herring)) for game in games} == {
        (1, 1, False), (2, 2, False), (3, 2, True),
    }  # fmt: skip


def test_two_faults_are_of_two_kinds_and_on_two_hosts():
    for seed in range(300):
        one, other = draw(seed, 2).breakages
        assert one.mx != other.mx
        assert not one.riddle.kind or one.riddle.kind != other.riddle.kind


def test_a_draw_can_be_narrowed():
    assert draw(1, 1, ["etcd-down"]).breakages[0].where == "etcd"
    assert {one.fault for one in draw(1, 2, ["disk-full", "no-ferm"]).breakages} == {"disk-full", "no-ferm"}


@pytest.mark.parametrize(
    ("level", "only", "said"),
    [
        (4, [], "level 4: expected one of 1, 2, 3"),
        (1, ["etcd"], "unknown fault 'etcd'"),
        (2, ["kernel-panic", "kernel-hang"], "none among kernel-"),
    ],
)
def test_what_cannot_be_drawn_is_refused(level, only, said):
    with pytest.raises(LabError, match=said):
        draw(1, level, only)


def fired(name, mx, check="", severity="page"):
    labels = {"alertname": name, "instance": f"{mx}.lab.test", "check": check, "severity": severity}
    return FiredAlert(labels, {"summary": "s"})


UNITS, UNREAD = fired("MxVerifyFailed", "mx2001", "units"), fired("MxVerifyUnknown", "mx1001", "nic")
UNREAD_2 = fired("MxVerifyUnknown", "mx2001", "nic")
PUPPET = fired("MxVerifyNotice", "mx1001", "puppet")


@pytest.mark.parametrize(
    ("faults", "alerts", "silent"),
    [
        (("no-ferm",), [UNITS], ()),
        (("no-ferm",), [fired("MxVerifyFailed", "mx1001", "units")], ("no-ferm",)),
        (("no-ferm",), [fired("MxVerifyFailed", "mx2001", "units", "task")], ("no-ferm",)),
        (("no-ferm", "disk-full"), [UNITS], ("disk-full",)),
        (("no-ferm", "disk-full"), [UNITS, PUPPET], ("disk-full",)),
        (("no-ferm", "rapi-down"), [UNITS, UNREAD, UNREAD_2], ()),
        (("no-ferm", "rapi-down"), [UNREAD, UNREAD_2], ("no-ferm",)),
        (("no-ferm", "rapi-down"), [UNITS], ("rapi-down",)),
        (("kernel-panic", "alertmanager-down"), [fired("MxDown", "mx2001"), UNREAD], ()),
        (("no-ferm", "console-busy"), [RIDDLES["console-busy"].asks(exchanger("mx1001"))], ("no-ferm",)),
        (("rapi-down", "console-busy"), [RIDDLES["console-busy"].asks(exchanger("mx1001"))], ("rapi-down",)),
        (("bad-kernel", "stale-hints"), [UNITS, fired("MxVerifyFailed", "mx1001", "units")], ()),
    ],
)  # fmt: skip
def test_each_fault_is_told_of_by_an_alert_or_a_ticket_of_its_own(faults, alerts, silent):
    breakages = tuple(Breakage(name, mx) for name, mx in zip(faults, ("mx2001", "mx1001"), strict=False))
    drawn = Drawn(1, 3, breakages, "mx1001")
    assert tuple(one.fault for one in drawing.unheard(drawn, alerts)) == silent


def test_a_fault_is_named_by_its_place_and_one_of_its_words():
    riddle = RIDDLES["disk-full"]
    assert riddle.is_named("mx2001", "No SPACE left", MX2)
    assert riddle.is_named("mx2001", "disk-full", MX2)
    assert not riddle.is_named("mx1001", "the disk", MX2)
    assert not riddle.is_named("mx2001", "the kernel", MX2)
    assert not RIDDLES["provider-4xx"].is_named("mx2001", "outbound-provider fails", MX2)
    assert RIDDLES["provider-4xx"].is_named("provider", "outbound-provider fails", MX2)


def named(said, place="mx2001"):
    return {name for name, riddle in RIDDLES.items() if riddle.is_named(place, said, MX2)}


@pytest.mark.parametrize(
    "said",
    [
        "Nothing was changed", "leave it at its login prompt", "/var: 10 % free", "a busybox",
        "alias generator vrts has no start timeout",
        "generate_vrts_aliases.service has no start timeout: it can hang for ever", "next: its kernel panicked",
        "root was typed at its login prompt, and no password was asked for within 60 s", "cookbook sre.mail.repair-nic",
    ],
)  # fmt: skip
def test_a_piece_of_a_word_or_of_advice_names_nothing(said):
    assert named(said) == set()


@pytest.mark.parametrize("waiting", _BY_SCREEN)
def test_what_a_console_shows_names_that_and_its_advice_nothing(waiting):
    shown = from_screen(Screen(waiting, "", ""), "mx2001.lab.test")
    ends = {Waiting.PANIC: {"kernel-panic"}, Waiting.SILENT: {"kernel-panic"}, Waiting.BOOTING: {"kernel-hang"}}
    said = RepairReport("mx2001.lab.test", diagnosis=shown)
    assert named(f"{said.state}; next: {said.next}") == ends.get(waiting, set())
    assert named(f"; next: {shown.advice}") == set()


@pytest.mark.parametrize("words", ["its disk is full", "no space left on the disk", "the disk is nearly full"])
def test_a_person_may_use_words_of_their_own(words):
    assert named(words) == {"disk-full"}
    assert named("the kernel hangs in its boot") == {"kernel-hang"}
    assert named("somebody changed root: another password") == {"console-password"}
    assert named("alertmanager is down", "alertmanager") == {"alertmanager-down"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_what_the_last_hint_says(fault):
    riddle = RIDDLES[fault]
    found = named(FAULTS[fault].summary, "mx2001" if riddle.where == HOST else riddle.where)
    alike = {"nic-renumber": {"second-disk"}, "second-disk": {"nic-renumber"}}
    assert fault in found
    others = {one for one in found - {fault} if not riddle.kind or RIDDLES[one].kind != riddle.kind}
    assert others <= alike.get(fault, set())


@pytest.mark.parametrize(
    ("place", "words", "fault"),
    [
        ("etcd", "does not answer", "etcd-down"), ("provider", "answers 450 to every recipient", "provider-4xx"),
        ("alertmanager", "is down", "alertmanager-down"), ("ganeti", "its API does not answer", "rapi-down"),
        ("mx2001", "/var is full", "disk-full"), ("mx2001", "ENOSPC on the spool", "disk-full"),
        ("mx2001", "kernel drops replies", "bad-kernel"), ("mx2001", "its new kernel does not boot", "kernel-panic"),
        ("mx2001", "no spamd is running", "dead-spamd"), ("mx2001", "there is no firewall", "no-ferm"),
        ("mx2001", "spamd does not start", "dead-spamd"), ("mx2001", "someone holds the console", "console-busy"),
        ("mx2001", "ferm is fine, but the kernel drops replies", "bad-kernel"),
        ("etcd", "not Ganeti, but etcd is not ok", "etcd-down"),
    ],
)  # fmt: skip
def test_the_truth_is_taken_in_any_words(place, words, fault):
    assert fault in named(words, place)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mx2001", "nothing wrong with ferm"), ("mx2001", "it is not the disk that is full"),
        ("mx2001", "spamd is not dead"),
        ("mx2001", "the firewall looks fine"), ("mx2001", "no kernel panic, no problem with spamd"),
        ("mx2001", "It isn't a panic. Its firewall is running"), ("provider", "nothing is wrong"), ("etcd", "is up"),
        ("etcd", "it's not etcd"), ("ganeti", "works fine"),
    ],
)  # fmt: skip
def test_a_denial_names_nothing(place, words):
    assert named(words, place) == set()


def test_a_ticket_asks_for_its_host_and_leads_to_a_section_of_the_runbook():
    page = read()
    tickets = [ticket for riddle in RIDDLES.values() if (ticket := riddle.asks(MX2))]
    assert len(tickets) == 2
    for one in tickets:
        assert "mx2001.lab.test" in one.annotations["summary"]
        assert "#" not in one.annotations["summary"]
        assert one.anchor in page
    assert RIDDLES["disk-full"].asks(MX2) is None


def test_well_is_what_its_script_says_on_the_host(monkeypatch):
    asked = []

    def on_host(script, timeout):
        asked.append(script)
        if answers:
            raise answers.pop()
        return ""

    monkeypatch.setattr("lab.faults.fault.worlds.of", lambda _lab, _mx: SimpleNamespace(firewall="ferm"))
    goal = SimpleNamespace(place=SimpleNamespace(lab=None), mx=MX2, kernel="6.1", on_host=on_host)
    answers = [LabError("exit code 3")]
    assert not RIDDLES["no-ferm"].is_well(goal)
    assert RIDDLES["no-ferm"].is_well(goal)
    assert asked == ["systemctl is-active -q ferm.service"] * 2


@pytest.mark.parametrize(
    ("claimed", "serving", "contained"),
    [(True, False, True), (True, True, False), (False, False, False), (None, False, False)],
)
def test_a_host_is_contained_where_a_run_has_it_out_of_service(monkeypatch, claimed, serving, contained):
    monkeypatch.setattr(riddles, "look", lambda _place, _mx: SimpleNamespace(claimed=claimed, serving=serving))
    assert riddles.is_contained(SimpleNamespace(place=None, mx=MX2)) is contained


def test_what_is_at_fault_is_the_host_or_a_service():
    assert Breakage("disk-full", "mx1001").where == "mx1001"
    assert Breakage("rapi-down", "mx1001").where == "ganeti"


def test_of_two_kinds_one_without_a_kind_goes_with_any(monkeypatch):
    monkeypatch.setattr(drawing, "RIDDLES", {name: replace(one, kind="") for name, one in RIDDLES.items()})
    assert len(draw(1, 2, ["kernel-panic", "kernel-hang"]).breakages) == 2


def test_a_reboot_is_ordered_by_a_session_that_ends_before_it(monkeypatch, tmp_path):
    done = tmp_path / "done"
    for name in ("grub-reboot", "sync", "systemctl", "sleep"):
        held = f"until [ -e {tmp_path}/ended ]; do /bin/sleep 0.05; done" if name == "systemctl" else ""
        (tmp_path / name).write_text(f"#!/bin/sh\n{held}\necho {name} $* >>{done}\n")
        (tmp_path / name).chmod(0o755)

    def on_host(script):
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(["sh", "-euc", script], env=path, stdout=subprocess.PIPE, check=True, timeout=3)

    monkeypatch.setattr(riddles.lifecycle, "image_facts", lambda *_: SimpleNamespace(grub_entry=lambda kernel: kernel))
    monkeypatch.setattr(riddles, "_stays_silent", lambda _target: (tmp_path / "ended").touch())
    place = SimpleNamespace(lab=None)
    riddles._boot_once(SimpleNamespace(place=place, mx=None, kernel="6.9", on_host=on_host))
    wait_for("the reboot", lambda: "reboot" in done.read_text().splitlines()[-1], deadline=10, every=0.05)
    assert done.read_text().splitlines()[:2] == ["grub-reboot 6.9", "sync"]
    assert done.read_text().splitlines()[-1] == "systemctl --no-block reboot"
