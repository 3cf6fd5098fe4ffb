"""The firewall loaded again, and taken back where that was not proven."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.base.verdict import Status
from mxlib.model.state import Ports
from mxlib.remedies import reload_firewall
from mxlib.remedies.bounds import Order
from tests.unit.support.healthy import POLICY
from tests.unit.support.remedy_host import SITE


class Nftables:
    """A host's nftables and systemd, as far as a reload uses them: what is loaded, and which timers are armed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.timers = folder, folder / "timers"
        self.timers.mkdir()
        self.conf, self.loaded = folder / "nftables.conf", folder / "loaded"
        self.loaded.write_text("good")
        (folder / "bin").mkdir()
        loads = f'[ "$1" != -f ] || grep -v flush "$2" >{self.loaded}'
        self._program("nft", f'[ "$1" != list ] || cat {self.loaded}; {loads}')
        self._program("date", f"echo $(($(ls {folder}/made | wc -l) + 1))")
        self._program("systemd-run", f"shift 3; touch {self.timers}/$1.timer {folder}/made/$1")
        (folder / "made").mkdir()
        self._program(
            "systemctl",
            f"""case "$*" in
reload*) nft -f {self.conf} ;;
list-units*) cd {self.timers}; ls | sed 's/$/ loaded active waiting x/' ;;
stop*) rm -f {self.timers}/$2 ;;
-q*is-active*undo*) exit 3 ;;
esac""",
        )

    def _program(self, name: str, body: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n:\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, script: str) -> None:
        for place, here in ((reload_firewall._DIRECTORY, "run"), ("/etc/nftables.conf", "nftables.conf")):
            script = script.replace(place, str(self.folder / here))
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        subprocess.run(["sh", "-eu", "-c", script], env={**os.environ, "PATH": path}, check=True)

    def reload(self, rules: str) -> None:
        self.conf.write_text(rules + "\n")
        self.run(reload_firewall.script(replace(SITE, verify=replace(POLICY, required_units=("nftables.service",)))))

    def time_passes(self) -> None:
        """The timers that are still armed fire."""
        for timer in self.timers.iterdir():
            timer.unlink()
            self.run(f"sh {reload_firewall._DIRECTORY}/undo")


def test_a_reload_that_was_not_proven_does_not_come_back_over_a_later_one_that_was(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("broken")
    host.reload("mended")
    assert [one.name for one in host.timers.iterdir()] == ["mx-firewall-undo-2.timer"]
    host.run(reload_firewall._CONFIRM)
    host.time_passes()
    assert host.loaded.read_text().split() == ["mended"]


def test_of_two_reloads_that_were_not_proven_what_was_before_both_comes_back(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("broken")
    host.reload("broken, too")
    assert host.loaded.read_text().split() == ["broken,", "too"]
    host.time_passes()
    assert host.loaded.read_text().split() == ["good"]


def test_a_proven_reload_is_what_the_next_one_is_taken_back_to(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("better")
    host.run(reload_firewall._CONFIRM)
    host.reload("broken")
    host.time_passes()
    assert host.loaded.read_text().split() == ["better"]


class Wall:
    """A host whose firewall is loaded again; sessions share a connection that always passes, new ones may not."""

    name = "mx1001.example.org"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *greetings: bool, said: str = "::1 4321 10.0.0.2 2222") -> None:
        self.greetings, self.asked, self.said, self.acts = list(greetings), [], said, []
        monkeypatch.setattr(reload_firewall, "read_facts", lambda *_: SimpleNamespace(get=lambda _: self))
        self.ports = Ports.OPEN

    def ports_of(self, wanted: tuple[int, ...]) -> Ports:
        assert wanted == SITE.ports
        return self.ports

    def read(self, _script: str, *, timeout: float) -> Any:
        del timeout
        return SimpleNamespace(output=f"{self.said}\n")

    def act(self, script: str, _timeout: float) -> Any:
        self.acts.append(script)
        return SimpleNamespace(output="reload of nftables")

    def greets(self, address: str, port: int) -> bool:
        self.asked.append((address, port))
        return self.greetings.pop(0)

    def reload(self) -> str:
        bench: Any = SimpleNamespace(site=SITE, host=self, act=self.act, greets=self.greets)
        return reload_firewall.apply(bench, Order("reload-firewall"))


def test_a_reload_is_proven_by_new_connections_to_where_ssh_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch, True, True)
    assert "the mail ports are open, as before" in wall.reload()
    assert wall.asked == [("10.0.0.2", 2222)] * 2
    assert "\nsystemctl stop" in wall.acts[1], "the undoing has gone"


def test_a_reload_that_lets_nobody_new_in_is_left_to_the_undoing(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch, True, False)
    with pytest.raises(StepError, match=r"no new connection to 10\.0\.0\.2 port 2222 after it: .* within 120 s"):
        wall.reload()
    assert len(wall.acts) == 1


@pytest.mark.parametrize(
    ("greetings", "said", "why"),
    [
        ([False], "10.0.0.1 4321 10.0.0.2 22", "greets no new connection"),
        ([], "", "does not say where"),
        ([], "10.0.0.1 4321 10.0.0.2 ssh", "does not say where"),
    ],
)
def test_what_could_not_be_proven_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, greetings: list[bool], said: str, why: str
) -> None:
    wall = Wall(monkeypatch, *greetings, said=said)
    with pytest.raises(StepError, match=f"nothing was done: .*{why}"):
        wall.reload()
    assert wall.acts == []


@pytest.mark.parametrize(
    ("ports", "status"), [(Ports.OPEN, Status.OK), (Ports.CLOSED, Status.OK), (Ports.PARTLY, Status.FAILED)]
)
def test_ports_that_are_neither_open_nor_closed_after_a_reload_are_no_success(
    monkeypatch: pytest.MonkeyPatch, ports: Ports, status: Status
) -> None:
    found = SimpleNamespace(get=lambda _source: SimpleNamespace(ports_of=lambda _wanted: ports))
    monkeypatch.setattr(reload_firewall, "read_facts", lambda *_: found)
    monkeypatch.setattr(reload_firewall, "by_checks", lambda *_names: lambda _bench, _order: ())
    (verdict,) = reload_firewall.judge(SimpleNamespace(host=None, site=SITE), Order("reload-firewall"))  # type: ignore[arg-type]
    assert (verdict.check, verdict.status) == ("ports-stand", status)
