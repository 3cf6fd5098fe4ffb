"""Out of service and back: Puppet, as real scripts beside stand-ins of the site's; the slot, an adoption, the pool."""

import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import MovedError, SilenceError, SlotError, StepError
from mxlib.model.goal import Goal
from mxlib.model.on_host import Basis, Kept
from mxlib.model.record import Judgement
from mxlib.model.state import Pool, Puppet, Slot, State, Step
from mxlib.mta.standing import PUPPET
from mxlib.reboot.progress import Progress
from mxlib.reboot.steps import panic, service
from mxlib.reboot.world import RebootWorld
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import World, refused, state


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
        assert timeout == 60, "seconds: Puppet may wait for a run that is under way"
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
    assert service.puppet_off(machine, STATE).note == "Puppet is disabled"
    assert machine.lock.read_text() == service.puppet_reason(RECORD)
    assert service.puppet_on(machine, STATE).note == "Puppet is enabled"
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
    done = service.take_slot(world, state())
    assert said in done.note
    assert done.evidence == {"token": token}
    assert (taken, progress.blind) == ([newest], kept is None)


def test_an_abort_is_written_down_with_the_adoption_and_stays_on_resume() -> None:
    world: Any = World(Goal(adopt=True, back=True))
    service.adopt(world, state())
    aborted = world.sent[0][1]
    assert (len(world.sent), aborted.undoing, aborted.token) == (1, "aborted by op@cumin2002", 9)
    resumed: Any = World(Goal(adopt=True))
    service.adopt(resumed, state(aborted))
    assert resumed.sent[0][1].undoing == "aborted by op@cumin2002"


BLAMED = replace(RECORD, target=RECORD.fallback, judged={})
"""Of a run with no other kernel left to return to: the present boot's blame is judged again on resume."""


@pytest.mark.parametrize(
    ("judged_boot", "again"),
    [("b1", "; what did not pass is judged again"), ("b0", "")],
)
def test_a_resumed_run_undoes_only_what_was_to_be_undone_and_judges_the_present_boot_again(
    judged_boot: str, again: str
) -> None:
    world: Any = World(Goal(adopt=True))
    found = BLAMED.with_judgement(judged_boot, held=Judgement.BLAMED)
    done = service.adopt(world, state(found))
    assert world.sent == [("", replace(found, token=9, who="op@cumin2002", judged={} if again else found.judged))]
    assert done.note == f"run run-1 of op@cumin1001 is ours now{again}"


def test_a_run_whose_host_does_not_answer_is_adopted_with_its_judgements() -> None:
    world: Any = World(Goal(adopt=True))
    found = BLAMED.with_judgement("b1", held=Judgement.BLAMED)
    service.adopt(world, SimpleNamespace(record=found, host=None))  # type: ignore[arg-type]
    assert world.sent[0][1].judged == found.judged


@pytest.mark.parametrize(
    ("minutes", "fails", "silences", "asked", "said"),
    [
        (10, (), ("s1", "none"), [("prolong", "s1", 10)], []),
        (0, (), ("s1", "none"), [], []),
        (10, ("prolong",), ("set again", "none"), [("prolong", "s1", 10), ("add", 10)], []),
        (
            10,
            ("prolong", "add"),
            ("s1", "none"),
            [("prolong", "s1", 10), ("add", 10)],
            ["NOT silenced, expect alerts: no answer"],
        ),
    ],
)
def test_the_silences_of_a_run_that_is_adopted_are_prolonged_or_set_again(
    minutes: int, fails: tuple[str, ...], silences: tuple[str, ...], asked: list[Any], said: list[str]
) -> None:
    calls: list[Any] = []

    def call(name: str, *given: Any) -> tuple[str, ...]:
        calls.append((name, *given))
        if name in fails:
            raise SilenceError("no answer")
        return ("set again",)

    world: Any = World(Goal(adopt=True))
    world.site.downtime.minutes = minutes
    world.adapters.silencer = SimpleNamespace(prolong=partial(call, "prolong"), add=partial(call, "add"))
    service.adopt(world, state(replace(RECORD, silences=("s1", service.NO_SILENCE))))
    assert (world.sent[0][1].silences, calls, world.operator.lines) == (silences, asked, said)


def test_a_thread_beside_the_run_prolongs_each_silence_that_was_set() -> None:
    calls: list[Any] = []
    silencer: Any = SimpleNamespace(prolong=lambda *given: calls.append(given))
    world: Any = World()
    world.site.downtime.minutes = 10
    service.prolong(world, silencer)
    assert calls == []
    world.progress.record = replace(RECORD, silences=("s1", service.NO_SILENCE, "s2"))
    service.prolong(world, silencer)
    assert calls == [("s1", 10), ("s2", 10)]


class Expiring:
    """Alertmanager, in which the first silence has expired."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.meanwhile = lambda: None

    def prolong(self, silence: str, _minutes: int) -> None:
        self.calls.append(("prolong", silence))
        if silence == "s1":
            raise SilenceError("silence s1 is expired")

    def add(self, minutes: int) -> tuple[str, ...]:
        self.calls.append(("add", str(minutes)))
        self.meanwhile()
        return ("s9",)

    def remove(self, silence: str) -> None:
        self.calls.append(("remove", silence))


def expired() -> tuple[Any, Expiring]:
    world: Any = World()
    world.site.downtime.minutes, world.progress.record = 10, replace(RECORD, silences=("s1",))
    return world, Expiring()


def test_a_silence_that_has_expired_while_the_run_lives_is_set_again_once_and_ended_with_it() -> None:
    """As where Alertmanager was away for a while, or the run was stopped by Ctrl-Z."""
    world, silencer = expired()
    for _ in range(2):
        service.prolong(world, silencer)
    assert silencer.calls == [("prolong", "s1"), ("add", "10"), ("prolong", "s1"), ("prolong", "s9")]
    silencer.calls.clear()
    world.adapters.silencer = silencer
    service.unsilence(world, state(world.progress.record))
    assert silencer.calls == [("remove", "s1"), ("remove", "s9")]


def test_no_silence_is_left_behind_by_a_thread_that_is_late() -> None:
    world, silencer = expired()
    silencer.meanwhile = lambda: setattr(world.progress, "record", replace(RECORD, silences=()))
    service.prolong(world, silencer)
    assert silencer.calls[1:] == [("add", "10"), ("remove", "s9")]


def test_silences_are_ended_once_the_thread_does_not_prolong_them_any_more() -> None:
    world, silencer = expired()
    world.adapters.silencer, order = silencer, []
    world.note = lambda record: order.append(record.silences)
    silencer.remove = lambda silence: order.append(silence)  # type: ignore[method-assign]
    service.unsilence(world, state(world.progress.record))
    assert order == [(), "s1"]


@pytest.mark.parametrize("write", [service.pool_in, service.pool_out])
def test_the_pool_gets_and_loses_a_host_only_as_it_was_when_that_was_decided(write: Any) -> None:
    """It may be another one's by now, as after a machine that was paused: etcd does not refuse an old order."""
    world: Any = World()
    write(world, state())
    assert world.done == ["looked", "pool"]
    world.moved, world.done = True, []
    with pytest.raises(MovedError):
        write(world, state())
    assert world.done == ["looked"]


def test_the_pool_loses_a_host_only_while_enough_others_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World()
    monkeypatch.setattr(service, "ask_before_out", partial(refused, Step.POOL_OUT))
    with pytest.raises(StepError, match="not enough others"):
        service.pool_out(world, state())
    assert world.done == []


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
    done = service.silence(world, state())
    assert note in done.note
    assert done.evidence == ({} if down else {"silence": "silence of 10 min"})
    assert [one.silences for one in world.noted] == [silences]
    assert world.sent == [], "the next act writes it"


@pytest.mark.parametrize(
    ("down", "note"),
    [
        (False, "alerts are heard again"),
        (
            True,
            "silence s1 was not ended and expires by itself: Alertmanager cannot be asked; "
            "silence s2 was not ended and expires by itself: Alertmanager cannot be asked",
        ),
    ],
)
def test_every_silence_that_was_set_is_ended_and_no_other(down: bool, note: str) -> None:
    world: Any = World()
    world.adapters.silencer = Silencer(down=down)
    done = service.unsilence(world, state(replace(RECORD, silences=(service.NO_SILENCE, "s1", "s2"))))
    assert (world.adapters.silencer.ended, done.note) == (["s1", "s2"], note)
    assert [one.silences for one in world.noted] == [()]


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
    enabled = State(RECORD, view(puppet=Puppet.ON), Pool.IN, Slot.MINE)

    def release() -> None:
        assert world.progress.record is None, "nobody finds the slot free and the host taken"
        if lost:
            raise SlotError("etcd does not answer")

    world.adapters.slot.release = release
    done = service.release(world, enabled)
    ((script, record),) = world.sent
    assert script == (
        f"# remove the record of the run\n{panic.disarm_script()}"
        "cd /var/lib/mx-cookbooks\nrm -f run.json ledger ledger-untraced\nsync ."
    )
    assert record is None
    assert world.given == {"timeout": panic.UPDATE_S}, "seconds: GRUB's menu is written again"
    assert done.note == (
        "the host is free, but the slot of the service was not given up: etcd does not answer"
        if lost
        else "the host and the slot of the service are free"
    )


def test_who_gives_the_host_up_enables_puppet_first(machine: Any) -> None:
    """In one act: a Puppet that stays disabled leaves the record, and so whoever comes next knows."""
    record = replace(RECORD, prior=replace(RECORD.prior, puppet_off=False))
    disabled = State(record, view(puppet=Puppet.OFF), Pool.IN, Slot.MINE)
    world: Any = World()
    world.adapters.slot.release = lambda: None
    done = service.release(world, disabled)
    assert done.note == "Puppet is enabled; the host and the slot of the service are free"
    assert world.given == {"timeout": panic.UPDATE_S + 60}
    ((script, _),) = world.sent
    (machine.folder / "run.json").touch()
    script = script.replace("/var/lib/mx-cookbooks", str(machine.folder)).replace(panic.disarm_script(), "")
    machine.lock.write_text("somebody else's")
    with pytest.raises(ValueError, match="stays disabled"):
        machine.act(script, timeout=60)
    assert (machine.folder / "run.json").exists()
    machine.lock.write_text(service.puppet_reason(record))
    machine.act(script, timeout=60)
    assert not machine.lock.exists()
    assert not (machine.folder / "run.json").exists()
    (action,) = (one for one in service.ACTIONS if one.step is Step.RELEASE)
    shown = "rm /var/lib/mx-cookbooks/run.json; give the slot up"
    assert action.preview(world, disabled) == ["enable-puppet REASON", shown]
    assert action.preview(world, replace(disabled, host=view(puppet=Puppet.ON))) == [shown]


def test_the_reason_of_puppet_has_no_quotes_of_its_own() -> None:
    record = replace(RECORD, why='the "new" kernel')
    assert service.puppet_reason(record) == "mx-cookbooks run run-1: the 'new' kernel"


def test_the_pool_gets_back_what_it_had_and_loses_all_of_it() -> None:
    written: list[Any] = []
    world: Any = World()
    world.adapters.pool.write = written.append
    record = replace(RECORD, prior=replace(RECORD.prior, pool={"smtp": "yes", "submission": "inactive"}))
    world.adapters.pool.command = lambda values: [f"set {name}={value}" for name, value in values.items()]
    assert service.pool_out(world, state(record)).note == "set smtp=no; set submission=no"
    assert service.pool_in(world, state(record)).note == "set smtp=yes; set submission=inactive"
    assert written == [{"smtp": "no", "submission": "no"}, {"smtp": "yes", "submission": "inactive"}]


# --- what a dry run makes of the steps


def rehearsed(step: Step, found: State, goal: Goal | None = None) -> State:
    (action,) = (one for one in service.ACTIONS if one.step is step)
    return action.rehearse(World(goal), found)  # type: ignore[arg-type]


FOUND = State(RECORD, view(), Pool.IN, Slot.FREE, token=7)


def test_a_rehearsal_takes_the_slot_with_a_greater_token() -> None:
    assert rehearsed(Step.SLOT, FOUND) == replace(FOUND, slot=Slot.MINE, token=8)


@pytest.mark.parametrize(
    ("before", "goal", "undoing"),
    [
        ("", Goal(adopt=True), ""),
        ("", Goal(adopt=True, back=True), "aborted"),
        ("too slow", Goal(adopt=True, back=True), "too slow"),
        ("too slow", Goal(adopt=True), "too slow"),
    ],
)
def test_a_rehearsal_adopts_as_the_step_does(before: str, goal: Goal, undoing: str) -> None:
    record = replace(BLAMED, undoing=before).with_judgement("b1", held=Judgement.BLAMED)
    found = replace(FOUND, record=record, token=9, host=view(boot="b1"))
    wanted = replace(record, token=9, undoing=undoing, judged={})
    assert rehearsed(Step.ADOPT, found, goal) == replace(found, record=wanted)
    silent = replace(found, host=None)
    assert rehearsed(Step.ADOPT, silent, goal).record == replace(wanted, judged=record.judged)


def test_a_rehearsal_sets_a_silence_beside_those_that_are_there_and_ends_all() -> None:
    silenced = rehearsed(Step.SILENCE, FOUND)
    assert silenced == replace(FOUND, record=replace(RECORD, silences=("s1", "silence")))
    assert rehearsed(Step.UNSILENCE, silenced).record == replace(RECORD, silences=())


def test_a_rehearsal_moves_the_pool_and_releases_with_the_outcome_of_the_goal() -> None:
    out = rehearsed(Step.POOL_OUT, FOUND)
    assert out == replace(FOUND, pool=Pool.OUT)
    assert rehearsed(Step.POOL_IN, out) == FOUND
    goal = Goal(back=True)
    assert rehearsed(Step.RELEASE, FOUND, goal) == replace(FOUND, record=None, released=goal.outcome(RECORD))
