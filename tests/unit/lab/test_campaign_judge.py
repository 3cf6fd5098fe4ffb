"""What a run of the campaign may leave, and how the commands around it may end."""

import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.campaign import judge, mail, play
from lab.campaign.judge import CampaignResult
from lab.campaign.scenario import draw
from lab.campaign.scene import Scene
from lab.place import EXCHANGERS
from lab.shell import LabError
from mxlib.facts.depool import RELOAD_DROP_IN, RULES, UNIT_FILE, gate, links
from mxlib.facts.hole import DIRECTORY
from mxlib.nic.forecast import PIN

MAY_STAY = ("token", "lock", "proven-kernels", "run.json.old", "reboot-seconds", "aliases/seen")


def _put(root: Path, path: str) -> str:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("x\n")
    return path


def _said(root: Path, tmp_path: Path) -> list[str]:
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("nft", "systemctl", "dpkg-query"):
        if not (tools / name).exists():
            (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    script = judge._LEFT
    for place in ("/var/", "/etc/", "/run/", "/opt/", "/boot/"):
        script = script.replace(f" {place}", f" {root}{place}")
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=env)
    assert said.stderr == ""
    return said.stdout.replace(str(root), "").split()


def test_all_that_keeps_a_host_out_of_service_is_found_where_it_lies(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in MAY_STAY:
        _put(root, f"/var/lib/mx-cookbooks/{name}")
    _put(root, "/etc/systemd/system/exim4.service.d/site.conf")
    assert _said(root, tmp_path) == ["end"]
    paths = (gate("exim4.service"), RELOAD_DROP_IN, UNIT_FILE, *links("exim4.service"), f"{DIRECTORY}/1.hole")
    paths += ("/etc/default/grub.d/zz-mx-cookbooks-trial.cfg", PIN.format(name="ens5"))
    for path in (*paths, "/etc/systemd/system/generate_vrts_aliases.service.d/90-mx-start-timeout.conf"):
        _put(root, path)
        assert _said(root, tmp_path) == [path, "end"]
        (root / path.lstrip("/")).unlink()
    (root / "run/mx-drain-7").mkdir(parents=True)
    _put(root, "/etc/network/interfaces")
    _put(root, "/boot/grub/grubenv")
    assert _said(root, tmp_path) == ["/run/mx-drain-7", "end"]
    (root / "run/mx-drain-7").rmdir()
    _put(root, RULES)
    assert _said(root, tmp_path) == ["depool.nft", "end"]


def test_what_is_set_or_held_for_the_next_boot_is_left(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert _said(root, tmp_path) == ["end"]
    listed = "hold:linux-image-6\\nhold:linux-image-5\\ninstall:dpkg\\n"
    (tmp_path / "tools/dpkg-query").write_text(f"#!/bin/sh\nprintf '{listed}'\n")
    for path, text, left in (
        ("/var/lib/mx-cookbooks/held-kernel", "linux-image-6", "hold:linux-image-5"),
        ("/boot/grub/grubenv", "saved_entry=a\nnext_entry=b\n", "next_entry=b"),
        ("/etc/network/interfaces", "# mx-cookbooks twin begin", "/etc/network/interfaces"),
    ):
        _put(root, path)
        (root / path.lstrip("/")).write_text(text)
        assert left in _said(root, tmp_path)
    assert "hold:linux-image-6" not in _said(root, tmp_path)


@pytest.mark.parametrize("code", [99, 97, 2, -signal.SIGKILL, 137])
def test_a_command_that_was_typed_ends_as_a_cookbook_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    for words, wrong in (("cookbook sre.mail.reboot-mx x --resume", True), ("gnt-instance start x", False)):
        verdict, scene = _typed(monkeypatch, tmp_path, words, code)
        assert (verdict.typed, bool(judge.unexpected(scene.ended))) == ([words], wrong)
    assert judge.unexpected([("a", 0), ("b", 10), ("c", 14), ("d", 30), ("e", 1)]) == []


def test_a_command_that_was_typed_and_hangs_is_wrong_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = iter((False, True))
    monkeypatch.setattr(play, "is_whole", lambda _place: next(whole))

    def hangs(*_args: object) -> None:
        raise LabError("no end after 1200 s")

    monkeypatch.setattr(play.demo, "type_in", hangs)
    verdict = CampaignResult(draw(1, 1), 20)
    scene = Scene(None, EXCHANGERS[1], "", None, None, None)  # type: ignore[arg-type]
    play._make_whole(scene, verdict, "next: cookbook a", tmp_path)
    assert verdict.wrong == ["cookbook a: no end after 1200 s"]


def test_what_a_slow_exchanger_has_not_tried_is_left_to_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_args: object, **_options: object) -> None:
        raise LabError("no end after 120 s")

    monkeypatch.setattr(mail, "ssh", slow)
    monkeypatch.setattr(mail, "account", lambda *_args: "{}")
    monkeypatch.setattr(judge, "mails", lambda account, _excused: ({"account": account}, []))
    assert judge.settle(None, "") == ({"account": "{}"}, [])  # type: ignore[arg-type]
    monkeypatch.setattr(mail, "account", slow)
    assert judge.settle(None, "") == ({}, ["the outside ledger says no account: no end after 120 s"])  # type: ignore[arg-type]


def _typed(monkeypatch: pytest.MonkeyPatch, folder: Path, words: str, code: int) -> tuple[CampaignResult, Scene]:
    whole = iter((False, True))
    monkeypatch.setattr(play, "is_whole", lambda _place: next(whole))
    monkeypatch.setattr(play, "next_words", lambda _said: words.split())
    monkeypatch.setattr(play.demo, "type_in", lambda *_args: (code, "Traceback"))
    scene = Scene(None, EXCHANGERS[1], "", None, None, None)  # type: ignore[arg-type]
    verdict = CampaignResult(draw(1, 1), 20)
    assert play._make_whole(scene, verdict, "", folder) == "Traceback"
    return verdict, scene


def test_silences_are_told_apart_and_who_does_not_say_what_is_left_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = [
        {"id": "s1", "comment": "campaign", "status": {"state": "active"}},
        {"id": "s2", "comment": "old", "status": {"state": "expired"}},
    ]
    answer = SimpleNamespace(stdout=json.dumps(listing))
    place = SimpleNamespace(infra=SimpleNamespace(run=lambda _words: answer))
    monkeypatch.setattr(judge.infra, "etcd_get", lambda _box, _key: None)
    said = {EXCHANGERS[0].name: "end\n", EXCHANGERS[1].name: "ssh: No route to host\n"}
    monkeypatch.setattr(judge, "ssh", lambda _place, mx, _script: SimpleNamespace(stdout=said[mx.name]))
    clock = iter(range(0, 900, 30))
    monkeypatch.setattr(judge, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _s: None))
    assert judge.leftovers(place) == [  # type: ignore[arg-type]
        f"what is left is not known: {EXCHANGERS[1].name} says 'ssh: No route to host'",
        "a silence is left: s1, campaign",
    ]
    said[EXCHANGERS[1].name] = "mx-depool.service end\n"

    def busy(_box: object, _key: str) -> None:
        monkeypatch.setattr(judge.infra, "etcd_get", lambda _box, _key: None)
        raise LabError("busy")

    monkeypatch.setattr(judge.infra, "etcd_get", busy)
    assert judge.leftovers(place) == [  # type: ignore[arg-type]
        f"left on {EXCHANGERS[1].name}: mx-depool.service",
        "a silence is left: s1, campaign",
    ]
