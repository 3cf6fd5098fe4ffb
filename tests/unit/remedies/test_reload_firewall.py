"""The firewall loaded again, and taken back where that was not proven."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.base.verdict import Status
from mxlib.facts import depool
from mxlib.model.state import Ports
from mxlib.remedies import reload_firewall
from mxlib.remedies.bounds import Order
from tests import pid1
from tests.unit.support.healthy import POLICY
from tests.unit.support.remedy_host import SITE

NFTABLES = replace(SITE, verify=replace(POLICY, required_units=("nftables.service",)))


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
        self._program(
            "systemd-run",
            f'shift 3; touch {folder}/made/$1; timer={self.timers}/$1.timer; after=$2\n'
            'while [ $# -gt 1 ]; do shift; done; echo "$after $1" >"$timer"',
        )
        (folder / "made").mkdir()
        self._program(
            "systemctl",
            f"""cd {folder}
case "$*" in
reload*) grep -q slow {self.conf} || exec nft -f {self.conf}
echo ' 71 nftables.service reload running' >job; touch slow; exec sleep 5 >/dev/null ;;
list-jobs*nftables.service) [ ! -e job ] || cat job ;;
cancel*) [ "$2" = 71 ] && rm job ;;
show*ActiveState*nftables.service) if [ -e slow ]; then echo reloading; else echo active; fi ;;
kill*KILL*nftables.service) rm slow ;;
list-units*) cd {self.timers}; ls | sed 's/$/ loaded active waiting x/' ;;
stop*) rm -f {self.timers}/$2 ;;
-q*is-active*undo*) exit 3 ;;
esac""",
        )

    def _program(self, name: str, body: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n:\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, script: str, limit: float | None = None) -> str:
        """Run it, for so long; return what it says, and its exit code where that is another than 0."""
        for place, here in ((reload_firewall._DIRECTORY, "run"), ("/etc/nftables.conf", "nftables.conf")):
            script = script.replace(place, str(self.folder / here))
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        words = ["sh", "-eu", "-c", script]
        if limit is not None:
            words = ["timeout", "-s", "KILL", str(limit), *words]
        done = subprocess.run(words, env={**os.environ, "PATH": path}, check=False, stdout=subprocess.PIPE, text=True)
        return f"{done.stdout}{done.returncode or ''}"

    def reload(self, rules: str, limit: float | None = None) -> str:
        self.conf.write_text(rules + "\n")
        return self.run(reload_firewall.script(NFTABLES), limit)

    def time_passes(self) -> None:
        """The timers that are still armed fire."""
        for timer in self.timers.iterdir():
            command = timer.read_text().split(" ", 1)[1]
            timer.unlink()
            self.run(command)

    @property
    def armed(self) -> list[tuple[str, str]]:
        """Each timer, and after how many seconds it fires."""
        return [(one.stem, one.read_text().split()[0].partition("=")[2]) for one in self.timers.iterdir()]

    @property
    def pending(self) -> bool:
        """Whether systemd would still load what it was asked to."""
        return (self.folder / "job").exists() or (self.folder / "slow").exists()


def test_a_reload_that_was_not_proven_does_not_come_back_over_a_later_one_that_was(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("broken")
    host.reload("mended")
    assert host.armed == [("mx-firewall-undo-4-loaded", "120")]
    assert host.run(reload_firewall._CONFIRM) == ""
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


def test_a_reload_that_does_not_end_is_ended_before_it_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_firewall, "_RELOAD_S", 0.5)
    host = Nftables(tmp_path)
    said = host.reload("slow and broken")
    assert said.splitlines() == [
        "nftables.service: its reload had no end within 0.5 s", "what was loaded before is loaded again", "1",
    ]  # fmt: skip
    assert (host.loaded.read_text().split(), host.pending, host.armed) == (["good"], False, [])


def test_a_reload_whose_script_was_cut_off_is_ended_and_taken_back_by_the_host(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("slow and broken", limit=2)
    assert (host.pending, host.armed) == (True, [("mx-firewall-undo-1-loading", f"{reload_firewall._LOADING_S}")])
    host.time_passes()
    assert (host.loaded.read_text().split(), host.pending) == (["good"], False)


def test_a_proof_that_comes_too_late_is_refused(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    assert host.reload("better") == "reload of nftables.service\n"
    host.time_passes()
    assert "proven too late" in host.run(reload_firewall._CONFIRM)
    assert host.loaded.read_text().split() == ["good"]


def test_a_timer_that_fires_while_the_reload_is_kept_takes_nothing_back(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("better")
    (timer,) = host.timers.iterdir()
    command = timer.read_text()
    assert host.run(reload_firewall._CONFIRM) == ""
    timer.write_text(command)
    host.time_passes()
    assert host.loaded.read_text().split() == ["better"]
    host.run(f"sh {reload_firewall._DIRECTORY}/undo")
    assert host.loaded.read_text().split() == ["good"], "by hand"


BEFORE = f"{reload_firewall._DIRECTORY}/ruleset"
SLOW = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecReload=/bin/sh -c 'sleep 5; nft -f /etc/nftables.conf'
"""
PLAYED = """
printf 'flush ruleset\\ntable inet %s {}\\n' before >/etc/nftables.conf
nft -f /etc/nftables.conf
systemctl start nftables
sed -i s/before/after/ /etc/nftables.conf
( set -eu
@RELOAD@
)
sleep 6
nft list tables
systemctl list-units --plain --no-legend 'mx-firewall-undo-*'
systemctl show -p ActiveState --value nftables
"""


@pytest.mark.skipif(bool(pid1.lacking()), reason=pid1.lacking() or "-")
@pytest.mark.skipif(not shutil.which("nft"), reason="needs nft")
def test_a_real_systemd_loads_nothing_after_it_was_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload_firewall, "_RELOAD_S", 1)
    script = PLAYED.replace("@RELOAD@", reload_firewall.script(NFTABLES))
    ended = pid1.run(Path("/"), script, units={"nftables.service": SLOW}, layer=True)
    assert ended.output.splitlines() == [
        "nftables.service: its reload had no end within 1 s",
        "what was loaded before is loaded again",
        "table inet before",
        "active",
    ]


CLOSED = """
set -eu
mkdir -p @FOLDER@ @DIRECTORY@
printf 'table @TABLE@ {}\n' >@RULES@
printf 'table inet site {}\n' >/etc/site.nft
nft -f /etc/site.nft
nft -f @RULES@
{ echo 'flush ruleset'; nft list ruleset; } >@DIRECTORY@/ruleset
@MEANWHILE@
{ echo unit=nftables.service; cat <<'END'
@UNDO@END
} >@DIRECTORY@/undo
sh @DIRECTORY@/undo
nft list tables
"""


@pytest.mark.skipif(bool(pid1.lacking()), reason=pid1.lacking() or "-")
@pytest.mark.skipif(not shutil.which("nft"), reason="needs nft")
@pytest.mark.parametrize(
    ("meanwhile", "ours"),
    [
        (f"rm {depool.RULES}; nft delete table {depool.TABLE}", False),  # a run has opened the ports
        (f"rm {depool.RULES}; {{ echo flush ruleset; cat /etc/site.nft; }} >{BEFORE}", False),  # never closed
        (f"nft delete table {depool.TABLE}", True),
        (f"{{ echo flush ruleset; cat /etc/site.nft; }} >{BEFORE}", True),  # a run has closed them
        (f"rm {depool.RULES}; echo nonsense >>{BEFORE}", False),
    ],
)
def test_what_is_taken_back_leaves_the_mail_ports_as_the_runs_have_them_now(meanwhile: str, ours: bool) -> None:
    words = {"FOLDER": str(Path(depool.RULES).parent), "DIRECTORY": reload_firewall._DIRECTORY, "RULES": depool.RULES,
             "TABLE": depool.TABLE, "MEANWHILE": meanwhile, "UNDO": reload_firewall._UNDO}  # fmt: skip
    script = CLOSED
    for word, value in words.items():
        script = script.replace(f"@{word}@", value)
    ended = pid1.run(Path("/"), script, units={"nftables.service": SLOW}, layer=True)
    broken = "nonsense" in meanwhile
    tables = [line for line in ended.output.splitlines() if line.startswith("table ")]
    assert tables == ["table inet site"] * (not broken) + [f"table {depool.TABLE}"] * ours, ended.output
    assert ended.code == int(broken), ended.output


def test_every_limit_is_longer_than_what_it_waits_for() -> None:
    script = reload_firewall.script(NFTABLES)
    trying, _, loading = script.partition("\narm loading ")
    waits, inner = (sum(map(int, re.findall(r"\btimeout (\d+)", part))) for part in (trying, loading))
    undoing = reload_firewall._BACK_S
    assert (waits, inner) == (60, 30 + 90)
    assert int(loading.split()[0]) >= inner + undoing
    assert waits + inner + undoing <= reload_firewall._LIMIT_S


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
