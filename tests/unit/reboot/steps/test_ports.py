"""Closed ports over a reload of the firewall: the scripts, run for real beside stand-ins of systemctl and nft."""

import os
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.config.load import parse
from mxlib.facts.depool import HOLD, RELOAD_DROP_IN, RULES, UNIT_FILE, gate
from mxlib.model.on_host import PUT
from mxlib.model.record import Judgement
from mxlib.model.state import Step
from mxlib.mta.exim import names as exim
from mxlib.mta.find import find
from mxlib.reboot.steps import ports
from tests.unit.support.records import RECORD
from tests.unit.support.site import TEN_LINES
from tests.unit.support.step_world import World, refused, state

DEBIAN = "/usr/sbin/nft -f /etc/nftables.conf"
SHOWN = "{ path=/usr/sbin/nft ; argv[]=%s ; ignore_errors=no ; start_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"


class Machine:
    """A folder that stands for /, with a systemctl that shows one unit's reload."""

    def __init__(self, folder: Path) -> None:
        self.root, self.programs = folder / "root", folder / "programs"
        for path in (RULES, UNIT_FILE, gate(exim.UNIT)):
            self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.programs.mkdir()
        for name in ("nft", "systemctl"):
            self.program(name, "")

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def program(self, name: str, body: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.programs / name).chmod(0o755)

    def reloads_by(self, *commands: str) -> None:
        shown = "\n".join(SHOWN % command for command in commands)
        self.program("systemctl", f"[ \"$1\" != show ] || cat <<'END'\n{shown}\nEND" if shown else "")

    def sh(self, script: str) -> None:
        for folder in ("/etc/systemd", "/var/lib/mx-cookbooks"):
            script = script.replace(folder, f"{self.root}{folder}")
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-c", f"set -eu\n{PUT}{script}"], check=True, env=environment, capture_output=True)

    def close(self, *units: str) -> None:
        units = units or (exim.UNIT,)
        for link in ("multi-user.target.wants", *(f"{one}.requires" for one in units)):
            self.at(f"/etc/systemd/system/{link}").mkdir(exist_ok=True)
        self.sh(ports.close_script((25,), "a test", (61000, 61015), units))

    def text(self, path: str) -> str:
        return self.at(path).read_text().replace(str(self.root), "")

    @property
    def reload(self) -> str:
        drop_in = self.at(RELOAD_DROP_IN)
        return drop_in.read_text().replace(str(self.root), "") if drop_in.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_debians_reload_loads_both_in_one_transaction(machine: Machine) -> None:
    machine.reloads_by(DEBIAN)
    machine.close()
    command = '/usr/sbin/nft \'include "/etc/nftables.conf"; include "/var/lib/mx-cookbooks/depool*.nft"\''
    assert machine.reload == f"[Service]\nExecReload=\nExecReload={command}\n"
    assert Path(RULES).match("/var/lib/mx-cookbooks/depool*.nft")


def test_closed_the_host_stays_closed_over_a_reboot_and_no_unit_of_the_mta_starts_before(machine: Machine) -> None:
    units = (exim.UNIT, "exim4-base.timer")
    machine.close(*units)
    assert machine.text(RULES) == ports.rules((25,), "a test", (61000, 61015))
    for one in units:
        assert machine.text(gate(one)) == f"[Unit]\nAssertPathExists=!{HOLD}\n"
    unit = machine.text(UNIT_FILE).splitlines()
    for line in (
        f"ConditionPathExists={RULES}",
        "After=nftables.service ferm.service",
        "Before=exim4.service exim4-base.timer",
        f"ExecStart=/usr/sbin/nft -f {RULES}",
        f"ExecReload=/usr/sbin/nft -f {RULES}",
        "WantedBy=multi-user.target",
        "RequiredBy=exim4.service exim4-base.timer",
    ):
        assert unit.count(line) == 1
    assert "@" not in "".join(unit)


def test_closed_again_our_own_reload_stays(machine: Machine) -> None:
    machine.reloads_by(DEBIAN)
    machine.close()
    before = machine.reload
    machine.reloads_by(before.splitlines()[-1].removeprefix("ExecReload=").replace("'", ""))
    machine.close()
    assert machine.reload == before


@pytest.mark.parametrize(
    "commands",
    [
        (),
        ("/usr/local/sbin/load-firewall",),
        (DEBIAN, "/usr/local/bin/tell-somebody"),
        ("/usr/sbin/nft -f /etc/nftables.conf -D x=1",),
        ("/usr/sbin/nft -f /etc/%i.conf",),
        ("/usr/sbin/nft -c -f /etc/nftables.conf",),
    ],
)
def test_a_reload_of_the_sites_own_making_is_left_alone(machine: Machine, commands: tuple[str, ...]) -> None:
    machine.reloads_by(*commands)
    machine.close()
    assert machine.reload == ""
    assert machine.at(RULES).exists()


def test_opened_nothing_is_left_and_a_second_time_is_harmless(machine: Machine) -> None:
    machine.reloads_by(DEBIAN)
    machine.close()
    for _ in range(2):
        machine.sh(ports.open_script((exim.UNIT,)))
    for path in (HOLD, RULES, UNIT_FILE, gate(exim.UNIT), RELOAD_DROP_IN):
        assert not machine.at(path).exists()
    assert not machine.at(RELOAD_DROP_IN).parent.exists()


def test_every_unit_of_the_mta_is_let_go_with_its_folder(machine: Machine) -> None:
    units = (exim.UNIT, "exim4-base.timer")
    gates = [machine.at(gate(one)) for one in units]
    for path in gates:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    machine.sh(ports.open_script(units))
    assert [path.parent.exists() for path in gates] == [False, False]


# As systemd 252 and 257 were seen to do it: after the reload the unit without a file is still active, its stop ends the
# MTA too as long as a link requires it, and a stop of what is not in memory is exit code 5.
SYSTEMCTL = """\
memory=@/memory mta=@/mta unit=mx-depool.service
alone=
for word; do
  case $word in --job-mode=ignore-dependencies) alone=yes ;; esac
done
case " $* " in
*" enable "*) echo loaded >$memory; echo running >$mta ;;
*" daemon-reload "*) [ ! -e $memory ] || echo not-found >$memory ;;
*" stop "*)
  [ -e $memory ] || { echo "Failed to stop $unit: Unit $unit not loaded." >&2; exit 5; }
  [ "$(cat $memory)" = loaded ] || rm $memory
  [ -n "$alone" ] || echo stopped >$mta ;;
esac"""


def test_opened_nothing_stays_in_systemds_memory_and_the_mta_runs_on(machine: Machine) -> None:
    machine.program("systemctl", SYSTEMCTL.replace("@", str(machine.programs)))
    machine.close()
    assert (machine.programs / "memory").read_text() == "loaded\n"
    for _ in range(2):
        machine.sh(ports.open_script((exim.UNIT,)) + ports.FORGET_SCRIPT)
        assert not (machine.programs / "memory").exists()
        assert (machine.programs / "mta").read_text() == "running\n"


HEAD = (("table", ""), ("delete table", ""), ("table", " {"))
"""Loaded once more, the table is made, deleted and made again in one transaction."""


def test_the_rules_say_who_and_close_what_the_site_says():
    text = ports.rules(parse(TEN_LINES, "x").ports, "run 1: me\nnft flush ruleset", (61000, 61015))
    assert "dport { 25, 465, 587 }" in text
    assert text.splitlines()[0] == "# run 1: me nft flush ruleset"
    assert text.splitlines()[1:4] == [f"{one} inet mx_depool{end}" for one, end in HEAD]
    syn = "tcp dport { 25, 465, 587 } tcp flags & (fin | syn | rst | ack) == syn"
    chain = [line.strip() for line in text.partition("chain input {")[2].splitlines()]
    assert chain[-3:] == [f"{syn} counter reject with tcp reset", "}", "}"], "last, and nothing after it"
    assert f"tcp sport != 61000-61015 {syn} update @knocking4 {{ ip saddr counter }}" in chain
    assert f"tcp sport != 61000-61015 {syn} update @knocking6 {{ ip6 saddr counter }}" in chain


@pytest.mark.parametrize(("boot", "soak", "reloads"), [("b7", None, False), ("b7", "passed", True), ("b0", None, True)])
def test_opening_the_ports_is_shown_from_its_first_command_on(boot: str, soak: str | None, reloads: bool) -> None:
    """Systemd reads its units again at once where no soak follows, as in the boot before the run's."""
    record = RECORD.with_judgement(boot, soak=Judgement(soak)) if soak else RECORD
    world: Any = SimpleNamespace(mta=find("exim"))
    shown = ports._how_opened(world, state(record, boot_id=boot))
    assert shown[0].startswith("systemctl ")
    assert not [line for line in shown if line.startswith("#")]
    assert ("systemctl daemon-reload" in shown) is reloads


class OnHost(World):
    """A world that keeps with each script whether a look at the host comes with its answer."""

    def __init__(self) -> None:
        super().__init__(said="")
        self.mta = find("exim")
        self.site: Any = SimpleNamespace(
            ports=(25, 587), probes=SimpleNamespace(inbound=SimpleNamespace(source_ports=(61000, 61002)))
        )
        self.looks: list[object] = []

    def act(self, script: str, **given: Any) -> SimpleNamespace:
        self.looks.append(given.pop("look", True))
        assert given in ({}, {"record": None})
        return super().act(script)


def test_the_ports_of_the_site_are_closed_for_all_but_the_prober_and_the_file_says_who_did() -> None:
    world: Any = OnHost()
    world.progress.record = RECORD
    done = ports.close(world, state())
    who = "mx-cookbooks run run-1: op@cumin1001, now: because"
    ((script, _record),) = world.sent
    assert script == ports.close_script((25, 587), who, (61000, 61002), world.mta.units)
    assert (world.looks, done.note.split(" (")[0]) == ([True], "ports 25, 587 answer with a reset")


def test_nobody_closes_the_ports_of_a_host_without_a_record() -> None:
    world: Any = OnHost()
    with pytest.raises(AssertionError):
        ports.close(world, state())
    assert world.sent == []


def test_the_ports_are_closed_only_while_enough_others_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = OnHost()
    world.progress.record = RECORD
    monkeypatch.setattr(ports, "ask_before_out", partial(refused, Step.CLOSE))
    with pytest.raises(StepError, match="not enough others"):
        ports.close(world, state())
    assert world.sent == []


def test_the_ports_are_opened_for_every_unit_of_the_mta() -> None:
    world: Any = OnHost()
    assert ports.open_(world, state()).note == "the mail ports are open again"
    assert ports.open_script(world.mta.units).split("\n", 1)[1] in world.sent[0][0]


def test_the_prober_is_let_in_by_its_own_ports_alone_and_the_kernel_ends_that() -> None:
    world: Any = OnHost()
    ports.let_prober_in(world, 120)
    ports.shut_prober_out(world)
    let_in, shut_out = (script.splitlines()[1:] for script, _record in world.sent)
    elements = "{ 61000 timeout 120s, 61001 timeout 120s, 61002 timeout 120s }"
    flush = "nft flush set inet mx_depool prober"
    assert let_in == [flush, f"nft add element inet mx_depool prober '{elements}'"]
    assert shut_out == [flush]
    assert world.looks == [False, True], "sessions follow, then the next decision"


def test_a_plan_shows_the_ports_that_are_closed_and_the_unit_that_keeps_them_so() -> None:
    assert ports._commands(OnHost(), state()) == [  # type: ignore[arg-type]
        f"nft -f {RULES}   # new connections to 25,587: reset",
        "systemctl enable --now mx-depool.service",
    ]
