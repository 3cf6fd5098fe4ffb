"""Out of service and back: Puppet, as real scripts beside stand-ins of the site's; the slot, an adoption, the pool."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import MovedError, SilenceError, SlotError
from mxlib.model.goal import Goal
from mxlib.model.on_host import Basis, Kept
from mxlib.model.record import Judgement
from mxlib.mta.standing import PUPPET
from mxlib.reboot.steps import service
from mxlib.reboot.world import Progress, RebootWorld
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import World, state


class Machine:
    """A place where the site's commands keep a lock with a reason, as Wikimedia's do."""

    def __init__(self, folder: Path) -> None:
        self.lock, self.folder = folder / "lock", folder
        self.library = folder / "puppet-common.sh"
        self.library.write_text(f"PUPPET_DISABLEDLOCK={self.lock}\n")
        self.program("disable-puppet", f'[ -e {self.lock} ] || printf %s "$1" >{self.lock}')
        keep = f'echo "Puppet stays disabled: $(cat {self.lock})"; exit 0'
        self.program("enable-puppet", f'[ "$(cat {self.lock})" = "$1" ] || {{ {keep}; }}\nrm {self.lock}')
        self.program("sync", f"echo synced >>{folder}/synced")

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / name).chmod(0o755)

    def act(self, script: str, timeout: float) -> None:
        del timeout
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        text = f"set -eu\n{script.replace(PUPPET, str(self.library))}"
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise ValueError(done.stdout)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


STATE: Any = SimpleNamespace(record=RECORD)


def test_disabled_it_is_enabled_again_by_the_same_reason(machine: Any) -> None:
    service.puppet_off(machine, STATE)
    assert machine.lock.read_text() == service.puppet_reason(RECORD)
    service.puppet_on(machine, STATE)
    assert not machine.lock.exists()


def test_the_lock_is_on_the_disk_before_the_next_step(machine: Any) -> None:
    service.puppet_off(machine, STATE)
    assert (machine.folder / "synced").read_text() == "synced\n"


@pytest.mark.parametrize("reason", ["somebody else's", ""])
def test_a_lock_that_stays_is_no_success_and_its_reason_is_reported(machine: Any, reason: str) -> None:
    machine.lock.write_text(reason)
    with pytest.raises(ValueError, match=f"stays disabled: {reason}"):
        service.puppet_on(machine, STATE)
    assert machine.lock.read_text() == reason


@pytest.mark.parametrize("library", [None, "# names no lock\n"])
def test_where_nobody_knows_the_lock_puppet_is_not_called_enabled(machine: Any, library: str | None) -> None:
    service.puppet_off(machine, STATE)
    if library is None:
        machine.library.unlink()
    else:
        machine.library.write_text(library)
    with pytest.raises(ValueError, match=r"^$"):
        service.puppet_on(machine, STATE)


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


def test_an_abort_is_written_down_with_the_adoption_and_stays_on_resume() -> None:
    world: Any = World(Goal(adopt=True, back=True))
    service.adopt(world, state())
    aborted = world.sent[0][1]
    assert (len(world.sent), aborted.undoing, aborted.token) == (1, "aborted by op@cumin2002", 9)
    resumed: Any = World(Goal(adopt=True))
    service.adopt(resumed, state(aborted))
    assert resumed.sent[0][1].undoing == "aborted by op@cumin2002"


def test_a_resumed_run_undoes_only_what_was_to_be_undone_and_judges_the_present_boot_again() -> None:
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


class Silencer:
    """Alertmanager, or none that can be asked."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down
        self.ended: list[str] = []

    def add(self, minutes: int) -> tuple[str, ...]:
        if self.down:
            raise SilenceError("Alertmanager cannot be asked")
        return (f"silence of {minutes} min",)

    def remove(self, silence: str) -> None:
        self.ended.append(silence)
        if self.down:
            raise SilenceError("Alertmanager cannot be asked")


@pytest.mark.parametrize(
    ("down", "silences", "note"),
    [
        (False, ("s1", "silence of 10 min"), "alerts silenced for 10 min, prolonged while this run lives"),
        (True, (service.NO_SILENCE,), "NOT silenced, expect alerts: Alertmanager cannot be asked"),
    ],
)
def test_a_silence_that_cannot_be_set_is_noted_and_stops_nothing(
    down: bool, silences: tuple[str, ...], note: str
) -> None:
    world: Any = World()
    world.site.downtime.minutes, world.adapters.silencer = 10, Silencer(down=down)
    assert note in service.silence(world, state()).note
    assert world.sent[0][1].silences == silences


@pytest.mark.parametrize(
    ("down", "note"),
    [
        (False, "alerts are heard again"),
        (True, "silence s1 was not ended and expires by itself: Alertmanager cannot be asked"),
    ],
)
def test_every_silence_that_was_set_is_ended_and_no_other(down: bool, note: str) -> None:
    world: Any = World()
    world.adapters.silencer = Silencer(down=down)
    done = service.unsilence(world, state(replace(RECORD, silences=(service.NO_SILENCE, "s1"))))
    assert (world.adapters.silencer.ended, done.note) == (["s1"], note)
    assert world.sent[0][1].silences == ()


def test_to_turn_back_is_written_down_with_its_reason() -> None:
    world: Any = World()
    world.progress.turning = "drain: 200 messages left"
    assert service.turn_back(world, state()).note == "turning back: drain: 200 messages left"
    assert world.sent[0][1].undoing == "drain: 200 messages left"
    world.progress.turning = ""
    service.turn_back(world, state())
    assert world.sent[1][1].undoing == "turned back"


@pytest.mark.parametrize("lost", [False, True])
def test_the_record_goes_before_the_slot_and_a_slot_that_stays_is_reported(lost: bool) -> None:
    world: Any = World()
    world.progress.record = RECORD

    def release() -> None:
        assert world.progress.record is None, "nobody finds the slot free and the host taken"
        if lost:
            raise SlotError("etcd does not answer")

    world.adapters.slot.release = release
    done = service.release(world, state())
    ((script, record),) = world.sent
    assert "rm -f run.json ledger ledger-untraced\nsync ." in script
    assert record is None
    assert ("was not given up: etcd does not answer" in done.note) is lost


def test_the_reason_of_puppet_has_no_quotes_of_its_own() -> None:
    record = replace(RECORD, why='the "new" kernel')
    assert service.puppet_reason(record) == "mx-cookbooks run run-1: the 'new' kernel"


def test_the_pool_gets_back_what_it_had_and_loses_all_of_it() -> None:
    written: list[Any] = []
    world: Any = World()
    world.adapters.pool.write = written.append
    record = replace(RECORD, prior=replace(RECORD.prior, pool={"smtp": "yes", "submission": "inactive"}))
    service.pool_out(world, state(record))
    service.pool_in(world, state(record))
    assert written == [{"smtp": "no", "submission": "no"}, {"smtp": "yes", "submission": "inactive"}]
