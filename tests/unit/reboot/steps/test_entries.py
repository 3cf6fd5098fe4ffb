"""GRUB's entries: what was there before is written back in whatever form it had, and what is kept is held and noted."""

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
from mxlib.model.on_host import DIRECTORY, PUT
from mxlib.model.state import Pool, Slot, State, Step
from mxlib.reboot.steps import entries, panic
from tests.unit.support.fakes import FakeClock
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import ENTRIES, World, state

# grub-editenv FILE set NAME=VALUE | unset NAME | list, on a file of lines
EDITENV = """\
#!/bin/sh
case $2 in
list) cat "$BLOCK" ;;
set) grep -v "^${3%%=*}=" "$BLOCK" >"$BLOCK.new"; printf '%s\\n' "$3" >>"$BLOCK.new"; mv "$BLOCK.new" "$BLOCK" ;;
unset) grep -v "^$3=" "$BLOCK" >"$BLOCK.new"; mv "$BLOCK.new" "$BLOCK" ;;
esac
"""


class Machine:
    """A machine with an environment block of GRUB."""

    def __init__(self, folder: Path) -> None:
        self.block, self.folder = folder / "block", folder
        self.block.write_text("saved_entry=other\nnext_entry=once\n", encoding="utf-8")
        (folder / "grub-editenv").write_text(EDITENV, encoding="utf-8")
        (folder / "grub-editenv").chmod(0o755)

    def act(self, script: str, timeout: float) -> Any:
        del timeout
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "BLOCK": str(self.block)}
        text = script.replace(entries._ENVIRONMENT, str(self.block))
        argv = ["sh", "-euc", text]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True, env=environment)
        return SimpleNamespace(output=done.stdout)


@pytest.mark.parametrize(
    "before",
    [
        "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-43-amd64",
        "Erweiterte Optionen für Debian GNU/Linux>Debian GNU/Linux, mit Linux 6.1.0-43-amd64",
        "1>2",
        "0",
        'it\'s $(touch /tmp/x) `y` "quoted"',
        "gnulinux-advanced-/dev/mapper/vg-root>gnulinux-6.1.0-43-amd64-advanced-/dev/mapper/vg-root",
    ],
)
def test_any_name_is_written_back(tmp_path: Path, before: str) -> None:
    machine: Any = Machine(tmp_path)
    entries.set_entries(machine, before, "")
    assert machine.block.read_text(encoding="utf-8") == f"saved_entry={before}\n"


def test_a_name_that_would_be_two_lines_is_refused(tmp_path: Path) -> None:
    machine: Any = Machine(tmp_path)
    with pytest.raises(StepError, match="not the name of a boot entry"):
        entries.set_entries(machine, "0\nnext_entry=1", "")
    assert "saved_entry=other" in machine.block.read_text(encoding="utf-8")


def test_a_kept_kernel_is_noted_with_the_build_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[str] = []
    world: Any = SimpleNamespace(
        target=SimpleNamespace(name="mx2001"),
        clock=FakeClock(),
    )
    noted = lambda _world, _saved, _next, first, timeout: scripts.append(first) or ""  # noqa: E731
    monkeypatch.setattr(entries, "set_entries", noted)
    host = SimpleNamespace(kernel=RECORD.target.release, build="6.1.192-2")
    entries.keep(world, SimpleNamespace(record=RECORD, host=host))  # type: ignore[arg-type]
    (noted,) = [line for line in scripts[-1].splitlines() if '"release"' in line]
    assert f'"release": "{RECORD.target.release}"' in noted
    assert '"version": "6.1.192-2"' in noted
    for value in ("mx2001", RECORD.run, "2026-01-01T00:00:00+00:00"):
        assert f': "{value}"' in noted


def test_a_kernel_is_kept_in_one_act_whose_last_thing_is_the_entry() -> None:
    world: Any = World()
    note = entries.keep(world, state()).note
    ((script, _),) = world.sent
    assert "linux-image-6.1.0-56 hold" in script
    assert world.given == {"timeout": panic.UPDATE_S + 120.0 + entries._ENTRIES_S}
    assert script.index("--set-selections") < script.index("proven-kernels") < script.index("saved_entry")
    assert "NOT HELD" not in note


def test_a_kernel_that_could_not_be_held_serves_and_what_is_missing_is_said() -> None:
    world: Any = World(said=f"{entries.NOT_HELD}\n{ENTRIES}")
    assert "NOT HELD: run apt-mark hold linux-image-6.1.0-56" in entries.keep(world, state()).note


class Dpkg:
    """Debian's dpkg with a database of its own, which is locked for so many tries."""

    def __init__(self, folder: Path, locked: int = 0, **selections: str) -> None:
        self.folder, self.state, self.database = folder, folder / "state", folder / "database"
        for one in (self.state, self.database / "info", self.database / "updates"):
            one.mkdir(parents=True)
        packages = [
            f"Package: linux-image-{name.replace('_', '.')}\nStatus: {selection} ok installed\nVersion: 1\n"
            "Architecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a kernel\n"
            for name, selection in selections.items()
        ]
        (self.database / "status").write_text("\n".join(packages))
        (folder / "tries").write_text("")
        self.program("sleep", "")
        real = shutil.which("dpkg")
        counted = f'echo >>{folder}/tries\n[ "$(wc -l <{folder}/tries)" -gt {locked} ] || exit 2'
        self.program("dpkg", f'{counted}\nexec {real} --force-not-root "$@"')

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / name).chmod(0o755)

    def hold(self, release: str) -> str:
        """Run the script; return what it says."""
        script = f"set -eu\n{PUT}{entries.hold_script(release)}".replace(DIRECTORY, str(self.state))
        mine = {"PATH": f"{self.folder}:{os.environ['PATH']}", "DPKG_ADMINDIR": str(self.database)}
        argv = ["sh", "-c", script]
        return subprocess.run(
            argv, env={**os.environ, **mine}, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    def held(self) -> list[str]:
        """Return the kernels on hold, by dpkg's database."""
        return re.findall(r"Package: linux-image-(\S+)\nStatus: hold", (self.database / "status").read_text())

    def ours(self) -> str:
        """Return the package that a run has put on hold; empty: none."""
        path = self.state / "held-kernel"
        return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(("locked", "said", "held"), [(0, "", True), (7, "", True), (999, entries.NOT_HELD, False)])
def test_a_locked_dpkg_is_waited_for_and_then_done_without(tmp_path: Path, locked: int, said: str, held: bool) -> None:
    dpkg = Dpkg(tmp_path, locked, **{"6_1": "install"})
    assert dpkg.hold("6.1") == said
    assert (dpkg.held(), dpkg.ours()) == ((["6.1"], "linux-image-6.1") if held else ([], ""))


def test_the_kernel_that_an_earlier_run_held_is_let_go(tmp_path: Path) -> None:
    dpkg = Dpkg(tmp_path, **{"6_1": "install", "6_2": "install"})
    assert (dpkg.hold("6.1"), dpkg.held()) == ("", ["6.1"])
    assert (dpkg.hold("6.2"), dpkg.held(), dpkg.ours()) == ("", ["6.2"], "linux-image-6.2")
    before = (tmp_path / "tries").read_text()
    assert (dpkg.hold("6.2"), dpkg.held()) == ("", ["6.2"])
    assert (tmp_path / "tries").read_text() == before


def test_a_kernel_that_somebody_has_let_go_is_held_again(tmp_path: Path) -> None:
    dpkg = Dpkg(tmp_path, **{"6_1": "install"})
    (dpkg.state / "held-kernel").write_text("linux-image-6.1")
    assert (dpkg.hold("6.1"), dpkg.held(), dpkg.ours()) == ("", ["6.1"], "linux-image-6.1")


def test_what_an_operator_selected_stays(tmp_path: Path) -> None:
    dpkg = Dpkg(tmp_path, **{"6_1": "deinstall", "6_2": "install", "6_3": "hold"})
    (dpkg.state / "held-kernel").write_text("linux-image-6.1")
    assert (dpkg.hold("6.3"), dpkg.ours()) == ("", "linux-image-6.1")
    assert (dpkg.hold("6.2"), dpkg.held()) == ("", ["6.2", "6.3"])
    assert "Package: linux-image-6.1\nStatus: deinstall ok" in (dpkg.database / "status").read_text()


@pytest.mark.parametrize("selections", [{}, {"6_1": "deinstall"}])
def test_a_kernel_without_a_package_is_not_waited_for(tmp_path: Path, selections: dict[str, str]) -> None:
    dpkg = Dpkg(tmp_path, **selections)
    assert dpkg.hold("6.1") == entries.NO_PACKAGE
    assert (dpkg.held(), (tmp_path / "tries").read_text()) == ([], "")
    world: Any = World(said=f"{entries.NO_PACKAGE}\n{ENTRIES}")
    assert "not held, as no package linux-image-6.1.0-56 is installed" in entries.keep(world, state()).note


def test_both_boot_entries_are_shown():
    known = {"any": ("saved-1", "next-2")}
    world = SimpleNamespace(progress=SimpleNamespace(goal=SimpleNamespace(entries_for=known.__getitem__)))
    shown = entries._commands_for_entries(world, SimpleNamespace(record="any"))
    assert [line.split()[-1] for line in shown] == ["saved_entry=saved-1", "next_entry=next-2"]


@pytest.mark.parametrize("read", ["", "saved_entry=other\n", "saved_entry=m>a\nnext_entry=other\n"])
def test_entries_that_do_not_hold_are_an_error(read: str) -> None:
    world: Any = World(said=read)
    with pytest.raises(StepError, match="GRUB's environment does not hold what was written"):
        entries.set_entries(world, "m>a", "m>b")


@pytest.mark.parametrize(
    ("panics", "kernel", "armed"), [(20, "6.1.0-56", True), (0, "6.1.0-56", False), (20, "6.1.0-55", False)]
)
def test_only_a_kernel_on_trial_is_armed_against_a_panic(panics: int, kernel: str, armed: bool) -> None:
    trial = kernel == RECORD.target.release
    world: Any = World(said="saved_entry=m>a\nnext_entry=m>b\n" if trial else "saved_entry=m>a\n")
    world.site = SimpleNamespace(boot=SimpleNamespace(panic=panics))
    record = replace(RECORD, boots=(), undoing="" if trial else "turned back")
    done = entries.entries(world, state(record))
    ((script, _),) = world.sent
    assert (f"panic={panics}" in script) is armed
    assert script.startswith("# set the boot entries\n")
    assert world.given == {"timeout": entries._ENTRIES_S + (panic.UPDATE_S if armed else 0.0)}
    assert done.evidence == {"saved": "m>a", "next": "m>b" if trial else ""}
    assert done.note == ("GRUB boots 6.1.0-56 for one boot, then 6.1.0-55" if trial else "GRUB boots 6.1.0-55")


def test_the_entries_go_back_to_what_was_there_before_the_run() -> None:
    record = replace(RECORD, prior=replace(RECORD.prior, saved_entry="m>before"))
    world: Any = World(said="saved_entry=m>before\n")
    said = "GRUB's saved entry is as it was, and none is set for the next boot only"
    assert entries.entries_back(world, state(record)).note == said
    assert world.sent[0][0] == f"{panic.disarm_script()}{entries.entries_script('m>before', '')}"
    assert world.given == {"timeout": panic.UPDATE_S + entries._ENTRIES_S}


FOUND = State(RECORD, view(saved="m>a", next="m>b"), Pool.OUT, Slot.MINE)


@pytest.mark.parametrize(
    ("step", "kernel", "saved", "next_"),
    [
        (Step.ENTRIES, "6.1.0-55", "m>a", "m>b"),
        (Step.ENTRIES_BACK, "6.1.0-55", "m>before", ""),
        (Step.KEEP, "6.1.0-56", "m>b", ""),
        (Step.KEEP, "6.1.0-55", "m>a", ""),
        (Step.KEEP, "6.1.0-99", "", ""),
    ],
)
def test_a_rehearsal_sets_the_entries_as_the_step_does(step: Step, kernel: str, saved: str, next_: str) -> None:
    (action,) = (one for one in entries.ACTIONS if one.step is step)
    record = replace(RECORD, boots=(), judged={}, prior=replace(RECORD.prior, saved_entry="m>before"))
    found = replace(FOUND, record=record, host=view(kernel=kernel, saved="other", next="once"))
    world: Any = World()
    after = view(kernel=kernel, saved=saved, next=next_)
    assert action.rehearse(world, found) == replace(found, host=after)
