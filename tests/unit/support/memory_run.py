"""A whole run over an MX in memory: answers get lost, the world moves between look and act, processes die."""

from dataclasses import replace
from types import SimpleNamespace

from mxlib.base.errors import HostUnreachableError, MovedError, ParseError, PoolError
from mxlib.config.load import parse
from mxlib.model.goal import Goal
from mxlib.model.on_host import Basis
from mxlib.model.state import Pool, Step
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Done, Options
from mxlib.reboot import reading, rehearsal
from mxlib.reboot import run as run_module
from mxlib.reboot.run import Run
from mxlib.reboot.steps import await_boot
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import Adapters, Progress, RebootWorld
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_mx import HOST, NEW, DiedError, MemoryMx, Process
from tests.unit.support.site import TEN_LINES

SITE = parse(TEN_LINES, "test")
# These look at the host themselves, or ask somebody else than the host.
UNFENCED = {Step.SLOT, Step.AWAIT, Step.POWER_ON, Step.POWER_CYCLE, Step.MEND}
REAL = {Step.AWAIT: ACTIONS[Step.AWAIT].apply}
"""These are the steps themselves: what they decide on in the meantime is not known beforehand."""


class MxClock(FakeClock):
    """The clock of the world that the MX in memory is in."""

    def __init__(self, mx):
        super().__init__()
        self.mx = mx

    def now(self):
        return self.mx.now()


class MemorySlot:
    """The slot of the service, as the process in memory sees it."""

    def __init__(self, process):
        self.process, self.calls = process, []

    @property
    def token(self):
        return self.process.token

    def state(self):
        return self.process.state().slot

    def describe(self):
        return ""

    def release(self):
        self.calls.append("release")
        self.process.finish()

    def leave(self):
        self.calls.append("leave")
        self.process.leave()


class MemoryPool:
    """The pool state in front of the MX in memory."""

    def __init__(self, mx):
        self.mx = mx

    def read(self):
        if not self.mx.etcd:
            raise PoolError("etcd")
        if self.mx.pool_odd is not None:
            return {"smtp": "yes", "submission": "no"}
        return {"smtp": "yes" if self.mx.pooled else "no"}

    def command(self, values):
        return [f"set {dict(values)}"]


class MemoryMachine:
    """The machine of the MX in memory, from outside."""

    def __init__(self, mx):
        self.mx = mx

    def off(self):
        return self.mx.off

    def shown(self):
        return ()

    def stuck(self):
        return ""

    def attach(self):
        pass

    watch = unwatch = attach


class MemoryHost:
    """The MX in memory, as far as it is asked whether it answers."""

    name = HOST

    def __init__(self, mx):
        self.mx = mx

    def read(self, _script, *, timeout):
        self.mx.asked()
        if self.mx.unreachable:
            raise HostUnreachableError("no session")


class MemoryJournal:
    """A journal in memory."""

    def __init__(self):
        self.events = []

    def write(self, event, **values):
        self.events.append((event, values))

    def steps(self):
        return [values["step"] for name, values in self.events if name == "done"]


class MemoryRun:
    """A run over an MX in memory.

    Attributes:
        before: by step, errors that are raised in its place, in turn.
        lost: by step, errors that are raised after it was done, in turn: its answer does not come.
        moves: by step, what happens to the MX between the look and the act, in turn.
        ticks: by number of an effect, what happens to the MX right after it.
        die_after: number of effects after which the process is killed; None: it lives.
    """

    def __init__(self, monkeypatch, goal=Goal(NEW.release), mx=None, session="one", die_after=None):  # noqa: B008
        self.mx = mx or MemoryMx()
        self.process = Process(self.mx, goal, session)
        self.before, self.lost, self.moves, self.ticks = {}, {}, {}, {}
        self.die_after, self.effects, self.happened = die_after, 0, []
        self.tell, self.journal, self.rested = Tell(), MemoryJournal(), []
        self.slot = MemorySlot(self.process)
        self.world = RebootWorld(
            site=SITE, target=MemoryHost(self.mx), peers=(), clock=MxClock(self.mx), operator=self.tell,
            options=Options("why", "who", 50, 900.0), run="run-1", progress=Progress(goal),
            adapters=Adapters(self.slot, MemoryPool(self.mx), None, None, rescue=MemoryMachine(self.mx)),
        )  # fmt: skip
        if not self.mx.curable:
            self.world.progress.cures |= {Step.MEND, Step.POWER_CYCLE}
        self.run = Run(self.world, self.journal, resting=lambda: self.rested.append(1))
        for module in (run_module, rehearsal):
            monkeypatch.setattr(module, "run_guard", self.guard)
        taken = {step: replace(action, apply=self.action(step)) for step, action in ACTIONS.items()}
        monkeypatch.setattr(run_module, "ACTIONS", taken)
        monkeypatch.setattr(reading, "read_standing", self.standing)
        monkeypatch.setattr(await_boot, "read_standing", self.standing)
        monkeypatch.setattr(RebootWorld, "act", lambda _world, script, **given: self.act(script, **given))

    def act(self, script, *, record=None, timeout=30.0, look=True):
        """What the loop itself writes: the record, and nothing else; a step that is a real one acts on a target."""
        del look
        self.fence()
        if record is not None:
            self.mx.record = record
        self.answered()
        if script:
            return self.world.target.act(script, timeout=timeout)
        return CommandResult("", 0, "", self.world.clock.now(), 0.1)

    def fence(self):
        """What stands before every act on the host."""
        basis = self.world._basis()
        if self.mx.unreachable:
            raise HostUnreachableError("no session")
        if basis != Basis(self.mx.boot_id, self.mx.kept()):
            raise MovedError("the host has booted, or its record was changed")
        self.mx.token = self.process.token

    def answered(self):
        self.world.progress.basis = Basis(self.mx.boot_id, self.mx.kept())
        self.world.progress.record = self.mx.record

    def guard(self, _world, _events, _reading, *, asks=True):
        self.world.progress.guard = self.mx.fate.guard

    def standing(self, _host, _mta):
        self.mx.asked()
        view = self.mx.view()
        if view is None:
            raise HostUnreachableError("no session")
        if self.mx.damaged or self.mx.garbled:
            self.mx.garbled = max(0, self.mx.garbled - 1)
            raise ParseError("damaged" if self.mx.damaged else "no end within its time limit")
        record, kept = self.mx.record, self.mx.kept()
        return SimpleNamespace(
            view=view,
            stopping=False,
            depool=SimpleNamespace(record=record, kept=kept, ports_of=lambda _ports: view.ports),
        )

    def action(self, step):
        def act(world, state):
            progress = world.progress
            self.process.surprised = bool(self.moves.get(step))
            for move in self.moves.get(step, []) and [self.moves[step].pop(0)]:
                self.happened.append((step.value, move))
                move(self.mx)
            for error in self.before.get(step, []) and [self.before[step].pop(0)]:
                raise error
            if step in REAL:
                return self.really(step, world, state)
            if step not in UNFENCED:
                self.fence()
            self.process.goal, self.process.waited = progress.goal, progress.waited
            known, progress.basis, progress.look = progress.record, None, None
            for _effect in self.process.effects(step):
                self.mx.check()
                boot = self.mx.boot_id
                self.process.surprised |= self.tick()
                if self.mx.boot_id != boot and step not in UNFENCED:
                    raise HostUnreachableError("the machine is gone in mid-step, and the script with it")
            progress.waited, progress.reordered = self.process.waited, self.process.reordered
            progress.lost, progress.blind = self.process.lost, self.process.blind
            progress.changed = self.process.changed
            progress.cures |= {Step(one) for one in self.process.cures}
            for error in self.lost.get(step, []) and [self.lost[step].pop(0)]:
                progress.record, progress.basis = known, None
                raise error
            # a record that nobody could read or has written is not known
            if progress.record is not None or self.mx.view() is not None:
                self.answered()
            return Done(step.value)

        return act

    def really(self, step, world, state):
        """Take the step itself."""
        self.tick()
        done = REAL[step](world, state)
        self.tick()
        for error in self.lost.get(step, []) and [self.lost[step].pop(0)]:
            raise error
        return done

    def tick(self):
        """One effect more: what happens after it (whether anything does), and whether the process outlives it."""
        self.effects += 1
        found = self.ticks.pop(self.effects, ())
        for what in found:
            self.happened.append((self.effects, what))
            what(self.mx)
        if self.die_after is not None and self.effects > self.die_after:
            self.mx.lease = ""
            raise DiedError
        return bool(found)

    def execute(self):
        result = self.run.execute()
        self.mx.check()
        return result


def serves(mx):
    """Whether clients are served, whoever has a run there."""
    return not mx.loaded and mx.running and mx.pooled and mx.pool_odd is not Pool.PARTLY and not mx.unreachable
