"""Faults that a run of the campaign begins with: when they are drawn, and how such a run has to end."""

from types import SimpleNamespace

import pytest

from lab.campaign import before, judge, mail, play
from lab.campaign.before import BEFORE
from lab.campaign.judge import CampaignResult
from lab.campaign.scenario import AHEAD, Scenario, TimedDisturbance, draw
from lab.faults import catalogue
from lab.place import exchanger
from lab.shell import LabError
from lab.world import worlds

OLD, NEW = "6.1.0-55", "6.1.0-56"


def _scenario(*names):
    moments = tuple(TimedDisturbance(name, AHEAD if name in BEFORE else "claim", 0.0, 0.0) for name in names)
    return Scenario(1, 1, "mx2001", 0, "guest", 0, moments)


@pytest.mark.parametrize(
    ("happened", "code", "said", "found", "wrong"),
    [
        (["kernel-panic"], 12, "", OLD, 0),
        (["kernel-panic"], 0, "", NEW, 2),
        (["kernel-panic"], 20, "", OLD, 1),
        (["kernel-panic", "kill"], -9, "", OLD, 0),
        (["kernel-hang", "kill"], -9, "", NEW, 1),
        (["bad-kernel", "kill"], -9, "", None, 1),
        (["bad-kernel"], 21, "", OLD, 0),
        (["nic-renumber"], 0, "", NEW, 0),
        (["nic-renumber"], 20, "", NEW, 1),
        (["console-busy"], 10, "console: somebody else holds its console", OLD, 0),
        (["console-busy"], 10, "others: 0 other MXs in service", OLD, 1),
        (["console-busy"], 0, "somebody else holds its console", NEW, 1),
        (["kill"], 0, "", NEW, 0),
        (["kernel-panic"], 10, "others: 0 other MXs in service", OLD, 0),
    ],
)
def test_a_run_ends_as_the_fault_before_it_demands(happened, code, said, found, wrong):
    assert len(before.wrong_end(happened, code, said, OLD, found)) == wrong


@pytest.mark.parametrize(
    ("happened", "code", "tried"),
    [
        (["kernel-panic"], 10, []),
        (["kernel-panic"], 12, ["kernel-panic"]),
        (["console-busy"], 10, ["console-busy"]),
        (["console-busy"], 16, []),
        (["clock"], 10, ["clock"]),
        (["kernel-panic", "clock"], 10, ["kernel-panic", "clock"]),
    ],
)
def test_a_run_that_is_refused_has_not_tried_the_kernel_it_never_booted(happened, code, tried):
    assert before.tried(happened, code) == tried


def test_what_is_drawn_ahead_is_one_fault_and_the_card_and_the_console_have_a_run_of_their_own():
    for number in range(1, 400):
        run = draw(1, number)
        ahead = [one.name for one in run.moments if one.step == AHEAD]
        assert ahead == [one.name for one in run.moments if one.name in BEFORE]
        assert len(ahead) <= 1
        if ahead and BEFORE[ahead[0]].alone:
            assert len(run.moments) == 1
        if {"nic-renumber", "second-disk"} & set(ahead):
            assert run.level == "cold"
    assert draw(1, 1, ("kernel-panic",), "drain").moments[0].step == AHEAD
    dealt = [draw(3, number, ("kernel-panic", "bad-kernel"), deal=True) for number in (1, 2, 3)]
    assert {run.moments[0].step for run in dealt} == {AHEAD}


def test_what_took_no_effect_did_not_happen_and_is_off_again(monkeypatch):
    acts = []

    def fails(_goal, fault):
        acts.append(f"on {fault.name}")
        raise LabError("no file names ens5")

    monkeypatch.setattr(catalogue, "target", lambda _place, _mx, kernel: kernel)
    monkeypatch.setattr(catalogue, "apply", fails)
    monkeypatch.setattr(catalogue, "undo", lambda _goal, fault: acts.append(f"off {fault.name}"))
    verdict, notes = CampaignResult(_scenario("nic-renumber"), 0), []
    assert play._put_on(None, exchanger("mx2001"), "6.1", verdict, notes) == []
    assert (verdict.happened, notes) == ([], ["nic-renumber did not happen: no file names ens5"])
    assert acts == ["on nic-renumber", "off nic-renumber"]
    monkeypatch.setattr(catalogue, "apply", lambda _goal, fault: acts.append(f"on {fault.name}"))
    verdict = CampaignResult(_scenario("nic-renumber", "kill"), 0)
    assert play._put_on(None, exchanger("mx2001"), "6.1", verdict, notes) == ["nic-renumber"], "what it begins with"
    assert verdict.happened == ["nic-renumber"]
    assert acts[2:] == ["on nic-renumber"]


def test_the_exchanger_is_whole_when_the_fault_is_off(monkeypatch):
    acts = []
    whole = iter((False, True))
    monkeypatch.setattr(catalogue, "target", lambda _place, _mx, kernel: kernel)
    monkeypatch.setattr(catalogue, "undo", lambda goal, fault: acts.append((goal, fault.name)))
    monkeypatch.setattr(play, "is_whole", lambda _place: next(whole))
    assert list(play._take_off(None, exchanger("mx2001"), "6.1", ["kernel-panic"])) == []
    assert acts == [("6.1", "kernel-panic")]
    assert list(whole) == []
    assert list(play._take_off(None, exchanger("mx2001"), "6.1", [])) == []

    def hangs(_goal, _fault):
        raise LabError("no answer")

    monkeypatch.setattr(catalogue, "undo", hangs)
    undone = list(play._take_off(None, exchanger("mx2001"), "6.1", ["kernel-panic"]))
    assert undone == ["the lab could not undo kernel-panic: no answer"]


def test_a_unit_whose_first_start_fails_runs_before_the_run_and_has_to_in_the_end(monkeypatch):
    scripts = []
    goal = SimpleNamespace(
        place=SimpleNamespace(lab=None), mx=None, kernel="", on_host=lambda script, timeout: scripts.append(script)
    )
    monkeypatch.setattr(catalogue, "target", lambda *_: goal)
    monkeypatch.setattr(catalogue, "apply", lambda _goal, fault: scripts.append(fault.name))
    monkeypatch.setattr(worlds, "of", lambda _lab, _mx: SimpleNamespace(firewall="nftables"))
    place, mx = SimpleNamespace(lab=None), exchanger("mx1001")
    before.put_on(place, mx, "", "no-ferm")
    assert scripts == ["no-ferm", "systemctl reset-failed nftables.service || true; systemctl start nftables.service"]
    for code, found in ((0, []), (3, ["nftables.service does not run in the end"])):
        monkeypatch.setattr(before.lifecycle, "ssh", lambda *_, code=code, **_kw: SimpleNamespace(returncode=code))
        assert before.still_down(place, mx, ["no-ferm"]) == found
    assert before.still_down(place, mx, ["kill"]) == []


def test_only_what_a_fault_does_to_mail_by_itself_is_excused(monkeypatch):
    account = (
        '{"sent": 9, "missing": ["a"], "in_spool": [], "bounced": ["b"], "duplicates": [], "altered": [], '
        '"unknown": [], "arrived_unsent": [], "refused": [], "unsent": []}'
    )
    monkeypatch.setattr(mail, "deliver_all", lambda _place: None)
    monkeypatch.setattr(mail, "account", lambda _place, _since: account)
    missing, bounced = "1 mails missing: ['a']", "1 mails bounced: ['b']"
    assert judge.settle(None, "")[1] == [missing, bounced]
    assert judge.settle(None, "", ("bounced",))[1] == [missing]
