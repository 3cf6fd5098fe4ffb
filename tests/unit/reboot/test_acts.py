"""What single steps owe to the transaction: one act, in the right order, on what was just seen."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError, MovedError
from mxlib.model.goal import Goal
from mxlib.model.on_host import DIRECTORY, PUT, Basis, Kept
from mxlib.model.record import Judgement, Record
from mxlib.model.state import Step, Waited
from mxlib.reboot.steps import boot, entries, queue, service
from mxlib.reboot.world import Progress, RebootWorld
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.records import RECORD

ENTRIES = "saved_entry=m>b\n"


class World:
    """Notes what is sent to the host and what is done elsewhere, in order."""

    def __init__(self, goal: Goal | None = None, *, said: str = ENTRIES, off: bool = True) -> None:
        self.sent: list[tuple[str, Record | None]] = []
        self.done: list[str] = []
        self.said, self.moved = said, False
        self.progress = Progress(goal or Goal(), waited=Waited.OFF)
        self.clock, self.operator = FakeClock(), Tell()
        self.options = SimpleNamespace(who="op@cumin2002")
        self.target = SimpleNamespace(name="mx2001.lab.test")
        self.site: Any = SimpleNamespace(downtime=SimpleNamespace(minutes=0))
        self.mta: Any = SimpleNamespace(
            can=SimpleNamespace(stop_spares=True), stop_script="stop", units=("exim4.service",)
        )
        self.adapters = SimpleNamespace(
            slot=SimpleNamespace(token=9),
            pool=SimpleNamespace(write=lambda _values: self.done.append("pool"), command=lambda _values: ["set"]),
            rescue=SimpleNamespace(off=lambda: off, power_on=lambda: self.done.append("power") or "started"),
        )

    def act(self, script: str, *, record: Record | None = None, **_given: object) -> SimpleNamespace:
        self.sent.append((script, record))
        return SimpleNamespace(output=self.said)

    def remember(self, record: Record) -> None:
        self.sent.append(("", record))

    def still(self) -> None:
        self.done.append("looked")
        if self.moved:
            raise MovedError("has booted")


def state(record: Record = RECORD, kernel: str = "6.1.0-56", boot_id: str = "b1") -> Any:
    return SimpleNamespace(record=record, host=SimpleNamespace(kernel=kernel, boot=boot_id, build=""))


@pytest.mark.parametrize(
    ("kept", "newest", "token", "said"),
    [
        (Kept(b"205\n"), 205, 206, "(token 206; the host has seen 205, etcd gives a lower one"),
        (Kept(b"205\n"), 205, 318, "(token 318)"),
        (Kept(), 0, 318, "(token 318)"),
        (None, 0, 318, "(token 318)"),
    ],
)
def test_the_slot_is_taken_with_what_the_host_has_seen(kept: Any, newest: int, token: int, said: str) -> None:
    taken: list[int] = []
    slot: Any = SimpleNamespace(take=lambda given: taken.append(given) or token)
    progress = Progress(Goal(), basis=None if kept is None else Basis("boot", kept))
    world: Any = RebootWorld(
        *[None] * 7,  # type: ignore[arg-type]
        adapters=SimpleNamespace(slot=slot),  # type: ignore[arg-type]
        progress=progress,
    )
    assert said in service.take_slot(world, state()).note
    assert (taken, progress.blind) == ([newest], kept is None)


def test_an_abort_is_written_down_with_the_adoption_and_stays_for_who_resumes() -> None:
    world: Any = World(Goal(adopt=True, back=True))
    service.adopt(world, state())
    aborted = world.sent[0][1]
    assert (len(world.sent), aborted.undoing, aborted.token) == (1, "aborted by op@cumin2002", 9)
    resumed: Any = World(Goal(adopt=True))
    service.adopt(resumed, state(aborted))
    assert resumed.sent[0][1].undoing == "aborted by op@cumin2002"


def test_who_resumes_undoes_only_what_was_to_be_undone_and_judges_the_present_boot_again() -> None:
    world: Any = World(Goal(adopt=True))
    service.adopt(world, state(RECORD.with_judgement("b1", held=Judgement.INCONCLUSIVE)))
    assert (world.sent[0][1].undoing, world.sent[0][1].judged) == ("", {})


def test_the_pool_gets_a_host_back_only_in_the_boot_that_was_judged() -> None:
    world: Any = World()
    service.pool_in(world, state())
    assert world.done == ["looked", "pool"]
    world.moved, world.done = True, []
    with pytest.raises(MovedError):
        service.pool_in(world, state())
    assert world.done == ["looked"]


@pytest.mark.parametrize(("off", "done"), [(True, ["power"]), (False, [])])
def test_power_is_looked_at_again_right_before_it_is_given(off: bool, done: list[str]) -> None:
    world: Any = World(off=off)
    boot.power_on(world, state())
    assert (world.done, world.progress.waited, world.progress.cures) == (
        done,
        Waited.NO,
        {Step.POWER_ON} if off else set(),
    )


def test_a_kernel_is_kept_in_one_act_whose_last_thing_is_the_entry() -> None:
    world: Any = World()
    note = entries.keep(world, state()).note
    ((script, _),) = world.sent
    assert script.index("apt-mark hold") < script.index("proven-kernels") < script.index("saved_entry")
    assert "NOT HELD" not in note


def test_a_kernel_that_could_not_be_held_serves_and_what_is_missing_is_said() -> None:
    world: Any = World(said=f"{entries.NOT_HELD}\n{ENTRIES}")
    assert "NOT HELD: run apt-mark hold linux-image-6.1.0-56" in entries.keep(world, state()).note


def test_once_the_mta_is_stopped_again_the_ledger_is_closed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue.runners, "stop", lambda _world: None)
    monkeypatch.setattr(queue, "_until", lambda *_: "at rest")
    world: Any = World()
    queue.hold(world, state(replace(RECORD, ledger="b1")))
    assert world.sent[0][1] == replace(RECORD, ledger="")


def test_an_order_is_counted_also_where_its_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the boot begins before the order is sent: what was waited for earlier says nothing any more."""
    world: Any = World(Goal())
    world.adapters.rescue.watch = lambda: None
    monkeypatch.setattr(boot, "read_standing", lambda *_: SimpleNamespace(view=SimpleNamespace(boot="b1")))
    monkeypatch.setattr(boot, "_point_of_no_return", lambda *_: None)

    def lost(_script: str, **given: Any) -> None:
        assert world.progress.waited is Waited.NO
        assert given["record"].boots[-1].before == "b1"
        raise CommandFailedError("lost")

    world.act = lost
    with pytest.raises(CommandFailedError):
        boot.reboot(world, state())


class Apt:
    """A dpkg that is locked for so many tries."""

    def __init__(self, folder: Path, locked: int) -> None:
        self.folder, self.state = folder, folder / "state"
        self.state.mkdir()
        (folder / "tries").write_text("")
        self.program("sleep", "")
        self.program(
            "apt-mark",
            f'[ "$1" = hold ] || exit 0\necho >>{folder}/tries\n[ "$(wc -l <{folder}/tries)" -gt {locked} ]',
        )

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / name).chmod(0o755)

    def run(self) -> tuple[int, str, bool]:
        script = f"set -eu\n{PUT}{entries.hold_script('6.1.0-56')}".replace(DIRECTORY, str(self.state))
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), (self.state / "held-kernel").exists()


@pytest.mark.parametrize(("locked", "said", "held"), [(0, "", True), (7, "", True), (999, entries.NOT_HELD, False)])
def test_a_locked_dpkg_is_waited_for_and_then_done_without(tmp_path: Path, locked: int, said: str, held: bool) -> None:
    assert Apt(tmp_path, locked).run() == (0, said, held)
