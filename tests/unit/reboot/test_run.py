"""The loop: what it does with failures, signals, silence and a dry run. The steps act on the MX in memory."""

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    FencedError,
    HostUnreachableError,
    InterruptedRunError,
    ParseError,
    PoolError,
)
from mxlib.config.load import parse
from mxlib.model.outcome import Outcome
from mxlib.model.state import Step
from mxlib.protocols.world import Done, Options
from mxlib.reboot import reading
from mxlib.reboot import run as run_module
from mxlib.reboot.run import Run
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import Adapters, Progress, RebootWorld
from tests.unit.reboot.test_plan import ABORT, FORWARD, RESUME, died_with_the_machine_off, in_service
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_mx import NEW, OLD, Fate, MemoryMx, Process
from tests.unit.support.site import TEN_LINES

SITE = parse(TEN_LINES, "test")




class MemorySlot:
    def __init__(self, process):
        self.process = process

    @property
    def token(self):
        return self.process.token

    def state(self):
        return self.process.state().slot

    def describe(self):
        return ""

    def release(self):
        self.process.finish()

    def leave(self):
        self.process.finish()


class MemoryPool:
    def __init__(self, mx):
        self.mx = mx

    def read(self):
        if not self.mx.etcd:
            raise PoolError("etcd")
        return {"smtp": "yes" if self.mx.pooled else "no"}

    def command(self, values):
        return [f"set {dict(values)}"]


class MemoryJournal:
    def __init__(self):
        self.events = []

    def write(self, event, **values):
        self.events.append((event, values))


class World:
    """A run over an MX in memory; ``before`` may raise when a step begins."""

    def __init__(self, monkeypatch, goal=FORWARD, mx=None, session="one"):
        self.mx = mx or MemoryMx()
        self.process = Process(self.mx, goal, session)
        self.before = {}
        self.tell, self.journal, self.rested = Tell(), MemoryJournal(), []
        clock = FakeClock()
        options = Options("why", "who", 50, 900.0)
        self.slot = MemorySlot(self.process)
        self.world = RebootWorld(
            site=SITE, target=SimpleNamespace(name="mx2001.lab.test"), peers=(), clock=clock, operator=self.tell,
            options=options, run="run-1", progress=Progress(goal),
            adapters=Adapters(self.slot, MemoryPool(self.mx), silencer=None, verifier=None, rescue=None),
        )  # fmt: skip
        monkeypatch.setattr(RebootWorld, "remember", lambda _world, record: self.remember(record))
        self.run = Run(self.world, self.journal, resting=lambda: self.rested.append(1))
        self.run._run_guard = self.guard
        taken = {step: replace(action, apply=self.action(step)) for step, action in ACTIONS.items()}
        monkeypatch.setattr(run_module, "ACTIONS", taken)
        monkeypatch.setattr(reading, "read_standing", self.standing)

    def remember(self, record):
        self.mx.record = self.world.progress.record = record

    def guard(self, *, rehearsing=False):
        self.world.progress.guard = self.mx.fate.guard

    def standing(self, _host, _mta):
        view = self.mx.view()
        if view is None:
            raise HostUnreachableError("no session")
        return SimpleNamespace(view=view, depool=SimpleNamespace(record=self.mx.record))

    def action(self, step):
        def act(world, _state):
            progress = world.progress
            for error in self.before.get(step, []) and [self.before[step].pop(0)]:
                raise error
            self.process.goal, self.process.waited = progress.goal, progress.waited
            for _effect in self.process.effects(step):
                self.mx.check()
            # a record that nobody could read or has written is not known
            if progress.record is not None or self.mx.view() is not None:
                progress.record = self.mx.record
            progress.waited, progress.reordered = self.process.waited, self.process.reordered
            return Done(step.value)

        return act

    def execute(self):
        result = self.run.execute()
        self.mx.check()
        return result


@pytest.fixture
def world(monkeypatch):
    return lambda *args, **options: World(monkeypatch, *args, **options)


def test_the_plain_path(world):
    found = world()
    result = found.execute()
    assert (result.outcome, result.why, result.record) == (Outcome.DONE, f"{NEW.release} runs, in service", None)
    assert in_service(found.mx)
    assert found.mx.lease == ""
    assert [name for name, _ in found.journal.events].count("done") == 23
    assert found.journal.events[-1][0] == "end"


@pytest.mark.parametrize(
    "step", [Step.SILENCE, Step.PUPPET_OFF, Step.POOL_OUT, Step.CLOSE, Step.DRAIN, Step.HOLD, Step.LEDGER, Step.ENTRIES]
)
def test_a_step_that_fails_before_the_reboot_is_undone(world, step):
    found = world()
    found.before[step] = [CommandFailedError("disk full")]
    result = found.execute()
    assert result.outcome is Outcome.UNDONE
    assert "disk full" in result.why
    assert in_service(found.mx)
    assert (found.mx.reboots, found.mx.saved, found.mx.kernel) == (0, OLD.entry, OLD.release)


@pytest.mark.parametrize("step", [Step.PROVE_OUT, Step.START, Step.PROVE_IN, Step.KEEP])
def test_a_step_that_fails_after_the_reboot_leaves_the_host_out(world, step):
    found = world()
    found.before[step] = [CommandFailedError("broken")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded, found.mx.persisted, found.mx.pooled) == (
        Outcome.LEFT_OUT,
        True,
        True,
        False,
    )
    assert result.record is not None
    assert found.mx.lease == ""


def test_a_step_that_fails_at_the_very_end_leaves_the_host_in_service(world):
    found = world()
    found.before[Step.PUPPET_ON] = [CommandFailedError("no")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert result.why.startswith("in service, but not finished")


def test_what_fails_before_the_claim_changes_nothing(world):
    found = world()
    found.before[Step.CLAIM] = [CommandFailedError("read-only file system")]
    result = found.execute()
    assert (result.outcome, found.mx.holder_token) == (Outcome.REFUSED, 0)


def test_a_host_that_falls_silent_for_a_moment_is_waited_for(world):
    found = world()
    found.before[Step.CLOSE] = [HostUnreachableError("timed out")]
    assert found.execute().outcome is Outcome.DONE


def test_another_operator_who_took_over_ends_the_run_at_once(world):
    found = world()
    found.before[Step.DRAIN] = [FencedError("token 12 is newer")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded) == (Outcome.INTERRUPTED, True)


def test_a_signal_before_the_reboot_undoes(world):
    found = world()
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert "undone, back in service as found" in result.why
    assert in_service(found.mx)
    assert found.rested == [1]


def test_a_signal_after_the_reboot_stops(world):
    found = world()
    found.before[Step.PROVE_OUT] = [InterruptedRunError("SIGHUP")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded, found.mx.running) == (Outcome.INTERRUPTED, True, False)
    assert result.record.boots


def test_a_signal_before_the_claim_changes_nothing(world):
    found = world()
    found.before[Step.CLAIM] = [InterruptedRunError("SIGINT")]
    result = found.execute()
    assert (result.outcome, result.why, found.mx.holder_token) == (Outcome.INTERRUPTED, "nothing was changed", 0)


def test_another_operator_goes_on_where_a_signal_stopped(world):
    first = world()
    first.before[Step.START] = [InterruptedRunError("SIGTERM")]
    first.execute()
    result = world(RESUME, mx=first.mx, session="two").execute()
    assert (result.outcome, first.mx.kernel) == (Outcome.DONE, NEW.release)
    assert in_service(first.mx)


def test_another_operator_undoes(world):
    first = world()
    first.before[Step.ENTRIES] = [FencedError("gone")]
    first.execute()
    result = world(ABORT, mx=first.mx, session="two").execute()
    assert (result.outcome, first.mx.reboots) == (Outcome.UNDONE, 0)
    assert in_service(first.mx)


def test_etcd_lost_before_the_reboot_turns_back_as_far_as_it_goes(world):
    found = world()
    found.process.do_drain = lambda mx, state: iter([setattr(mx, "etcd", False)])
    result = found.execute()
    assert (result.outcome, found.mx.reboots) == (Outcome.LEFT_OUT, 0)
    assert (found.mx.loaded, found.mx.running) == (False, True)
    assert "pool state cannot be read" in result.why


def test_a_record_that_cannot_be_read_decides_nothing(world, monkeypatch):
    found = world()

    def damaged(_host, _mta):
        raise ParseError("damaged")

    monkeypatch.setattr(reading, "read_standing", damaged)
    result = found.execute()
    assert (result.outcome, found.mx.loaded) == (Outcome.UNKNOWN, False)
    assert "damaged" in result.why


def test_a_host_that_cannot_be_read_any_more_is_left_where_it_is(world, monkeypatch):
    found = world()

    def dead(_host, _mta):
        raise ParseError("Failed to connect to bus")

    def lose_the_bus(mx, state):
        monkeypatch.setattr(reading, "read_standing", dead)
        return iter([None])

    found.process.do_drain = lose_the_bus
    result = found.execute()
    assert (result.outcome, found.mx.reboots) == (Outcome.INTERRUPTED, 0)
    assert "Failed to connect to bus" in result.why


def test_a_step_without_effect_ends_the_run(world):
    found = world()
    found.process.do_close = lambda mx, state: iter([None])
    result = found.execute()
    assert result.outcome is Outcome.UNDONE
    assert "has no effect" in result.why


def test_the_slot_of_a_silent_host_is_not_given_up_by_who_could_not_start_its_machine(world):
    mx = died_with_the_machine_off()
    found = world(RESUME, mx=mx, session="two")
    found.before[Step.POWER_ON] = [CommandFailedError("no such node")]
    kept = []
    found.slot.leave = lambda: kept.append("left")
    found.slot.release = lambda: kept.append("released")
    result = found.execute()
    assert (result.outcome, result.record, kept) == (Outcome.LEFT_OUT, None, ["left"])
    assert "no such node" in result.why


def test_the_wait_for_a_boot_may_be_repeated(world):
    found = world(mx=MemoryMx(Fate(boots=["silent"])))
    assert found.execute().outcome is Outcome.LEFT_OUT


def test_a_dry_run_shows_every_action_and_takes_none(world, monkeypatch):
    found = world()
    before = dataclasses.replace(found.mx)

    def claimed(world, _facts):
        process = Process(MemoryMx(), world.progress.goal, "dry")
        for _effect in process.effects(Step.CLAIM):
            """The claim of another world."""
        return process.mx.record

    monkeypatch.setattr(run_module.guard, "first_record", claimed)
    monkeypatch.setattr(run_module.guard, "read_facts", lambda _host, _sources: None)
    result = found.run.rehearse()
    assert result.outcome is Outcome.DONE
    shown = [line.split(" ", 1)[1] for line in found.tell.lines if line.startswith("would")]
    assert shown[:3] == ["slot", "claim", "silence"]
    assert f"reboot into {NEW.release}" in shown
    assert shown[-1] == "release"
    assert found.mx == before


def test_a_dry_run_stops_where_the_guard_does(world):
    found = world(mx=MemoryMx(Fate(guard=False)))
    assert found.run.rehearse().outcome is Outcome.REFUSED
