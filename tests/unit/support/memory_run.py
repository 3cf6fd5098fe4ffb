"""A whole run over an MX in memory: answers get lost, the world moves between look and act, processes die."""

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

from mxlib.adapters.conftool import PoolIfReadable
from mxlib.adapters.without_slot import WithoutSlot
from mxlib.base.errors import HostUnreachableError, LockedError, MovedError, ParseError, PoolError
from mxlib.config.load import parse
from mxlib.model.goal import Goal
from mxlib.model.on_host import Basis
from mxlib.model.state import Pool, State, Step
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Done, Options
from mxlib.reboot import reading, rehearsal
from mxlib.reboot import run as run_module
from mxlib.reboot import world as world_module
from mxlib.reboot.progress import Progress
from mxlib.reboot.run import Run
from mxlib.reboot.steps import await_boot
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import Adapters, RebootWorld
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_mx import HOST, NEW, DiedError, MemoryMx, Process, UnsafeError
from tests.unit.support.site import TEN_LINES

SITE = parse(TEN_LINES, "test")
# These look at the host themselves, or ask somebody else than the host.
UNFENCED = {Step.SLOT, Step.AWAIT, Step.POWER_ON, Step.POWER_CYCLE, Step.MEND}
NOTING = {Step.SILENCE, Step.DRAIN, Step.REPAIR, Step.PROVE_OUT, Step.SOAK, Step.UNSILENCE}
"""These only note in the record what they have found or done: the next act on the host writes it.

But a proof that failed is written at once.
"""
LOOKING = {Step.DRAIN, Step.REPAIR, Step.PROVE_OUT, Step.SOAK}
"""Of these, those that read the host."""
# Between the acts of these another operator may take over; the others are one act, under the host's lock.
SEVERAL = {
    Step.PREVENT, Step.HOLD, Step.FOUND_BOOT, Step.PROVE_IN, Step.SETTLE,
}  # fmt: skip
ELSEWHERE = {Step.POOL_OUT, Step.POOL_IN}
"""These act on etcd, with no lock of the host."""
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


class NoSlot(WithoutSlot):
    """In its place where the operator vouches for it."""

    def __init__(self, process, chance=None):
        super().__init__(self.newest)
        self.process, self.calls, self.chance = process, [], chance

    def newest(self):
        mx = self.process.mx
        if mx.unreachable:
            raise HostUnreachableError("no session")
        return mx.newest()

    @property
    def token(self):
        if not self.process.token and not self.process.mx.unreachable:
            # drawn, as the real one does, but by the story's own dice
            self.process.token = self.newest() + 1 + (self.chance.randrange(1000) if self.chance else 0)
        return self.process.token

    def release(self):
        self.calls.append("release")

    def leave(self):
        self.calls.append("leave")


class MemoryPool:
    """The pool state in front of the MX in memory."""

    def __init__(self, mx):
        self.mx = mx

    def read(self, _services=()):
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

    unwatch = attach


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
        baton: who else is at work at the same time; None: nobody.
    """

    def __init__(self, monkeypatch, goal=Goal(NEW.release), mx=None, session="one", die_after=None,  # noqa: B008
                 *, without_slot=None, baton=None):  # fmt: skip
        self.mx = mx or MemoryMx()
        self.process = Process(self.mx, goal, session)
        self.before, self.lost, self.moves, self.ticks = {}, {}, {}, {}
        self.die_after, self.effects, self.happened = die_after, 0, []
        self.tell, self.journal, self.rested = Tell(), MemoryJournal(), []
        self.baton, self.looked_at = baton, 0
        self.moved = False
        """Whether anything has happened since the last look."""
        self.process.without_slot = without_slot is not None
        self.slot = MemorySlot(self.process) if without_slot is None else NoSlot(self.process, without_slot)
        pool = MemoryPool(self.mx)
        if without_slot is not None:
            pool = PoolIfReadable(pool, self.tell.line)
        self.world = RebootWorld(
            site=SITE, target=MemoryHost(self.mx), peers=(), clock=MxClock(self.mx), operator=self.tell,
            options=Options("why", "who", 50, 900.0), run="run-1", progress=Progress(goal),
            adapters=Adapters(self.slot, pool, None, None, rescue=MemoryMachine(self.mx)),
        )  # fmt: skip
        if not self.mx.curable:
            self.world.progress.cures |= {Step.MEND, Step.POWER_CYCLE}
        self.run = Run(self.world, self.journal, resting=lambda: self.rested.append(1))
        self.world.target.owner = self
        for module in (run_module, rehearsal):
            monkeypatch.setattr(module, "run_guard", lambda world, *given, **options: self.of(world.target).guard())
        taken = {step: replace(action, apply=partial(self.apply, step)) for step, action in ACTIONS.items()}
        monkeypatch.setattr(run_module, "ACTIONS", taken)
        self.process.known = lambda _mx: self.world.progress.record
        self.process.note = self.note
        self.process.remember = lambda _mx, record: self.world.remember(record)
        self.process.seen_token = lambda _mx: None if self.world.progress.basis is None else self.world.newest
        for module in (reading, await_boot, world_module):
            monkeypatch.setattr(module, "read_standing", lambda host, _mta: self.of(host).standing(host, None))
        monkeypatch.setattr(
            RebootWorld, "act", lambda world, script, **given: self.of(world.target).act(script, **given)
        )

    def of(self, target):
        """The run that a target belongs to, of those that are under way side by side."""
        return getattr(target, "owner", self)

    def apply(self, step, world, state):
        """Take a step of whichever run it is."""
        return self.of(world.target).action(step)(world, state)

    def others_first(self):
        """Another operator may be quicker."""
        if self.baton is not None:
            self.baton.switch()

    def alone(self):
        """Whether nobody else has done anything since the last look."""
        return self.baton is None or self.baton.passed == self.looked_at

    def act(self, script, *, record=None, timeout=30.0, look=True):
        """What the loop itself writes: the record, and nothing else; a step that is a real one acts on a target."""
        self.fence()
        if record is not None:
            self.mx.record = record
        self.answered(look=look)
        if script:
            return self.world.target.act(script, timeout=timeout)
        return CommandResult("", 0, "", self.world.clock.now(), 0.1)

    def fence(self):
        """What stands before every act on the host."""
        self.others_first()
        basis = self.world._basis()
        if self.mx.lock not in ("", self.process.session):
            raise LockedError("another command is still at work there")
        if self.mx.unreachable:
            raise HostUnreachableError("no session")
        if basis != Basis(self.mx.boot_id, self.mx.kept()):
            raise MovedError("the host has booted, or its record was changed")
        if self.mx.newest() > self.process.token:
            raise UnsafeError("an act with an older token than the host has seen")
        self.mx.token = self.process.token
        if self.world.progress.unwritten is not None:
            self.mx.record, self.world.progress.unwritten = self.world.progress.record, None

    def note(self, mx, record):
        """Note a record; after an act, its answer is there by then."""
        self.world.progress.basis = self.world.progress.basis or Basis(mx.boot_id, mx.kept())
        self.world.note(record)

    def answered(self, *, look=True):
        """The end of an act that was answered, with where the host stands then."""
        self.world.progress.basis = Basis(self.mx.boot_id, self.mx.kept())
        if self.world.progress.unwritten is None:
            self.world.progress.record = self.mx.record
        self.world.looked(self.shown() if look and not self.mx.unreachable and not self.mx.damaged else None)

    def guard(self):
        self.others_first()
        self.world.progress.guard = self.mx.fate.guard

    def standing(self, _host, _mta):
        self.others_first()
        self.mx.asked()
        self.looked_at = 0 if self.baton is None else self.baton.passed
        view = self.mx.view()
        if view is None:
            raise HostUnreachableError("no session")
        if self.mx.damaged or self.mx.garbled:
            self.mx.garbled = max(0, self.mx.garbled - 1)
            raise ParseError("damaged" if self.mx.damaged else "no end within its time limit")
        return self.shown()

    def shown(self):
        """Where it stands, as a look finds it."""
        self.moved = False
        view, record, kept = self.mx.view(), self.mx.record, self.mx.kept()
        return SimpleNamespace(
            view=view,
            mta_unit="active" if self.mx.running else "inactive",
            listeners=int(self.mx.running),
            stopping=False,
            depool=SimpleNamespace(record=record, kept=kept, ports_of=lambda _ports: view.ports),
        )

    def action(self, step):
        def act(world, state):
            assert isinstance(state, State)
            progress = world.progress
            self.process.surprised = bool(self.moves.get(step)) or self.moved or not self.alone()
            for move in self.moves.get(step, []) and [self.moves[step].pop(0)]:
                self.happened.append((step.value, move))
                move(self.mx)
                self.moved = True  # also for the next step, where this one ends without a look
            for error in self.before.get(step, []) and [self.before[step].pop(0)]:
                raise error
            if step in REAL:
                return self.really(step, world, state)
            acts = step not in UNFENCED | NOTING | ELSEWHERE
            if acts:
                self.fence()
            elif step not in UNFENCED:
                self.others_first()
            if step in ELSEWHERE:
                world.still()
            if step in LOOKING and self.mx.unreachable:
                raise HostUnreachableError("no session")
            self.process.surprised |= not self.alone()
            self.process.goal, self.process.waited = progress.goal, progress.waited
            known = progress.record
            if acts:
                progress.basis = progress.look = None
            with self.locked(step):
                for _effect in self.process.effects(step):
                    self.mx.check()
                    boot, kept = self.mx.boot_id, self.mx.kept()
                    self.process.surprised |= self.tick() or not self.alone()
                    if self.mx.boot_id != boot and (acts or step in LOOKING):
                        raise HostUnreachableError("the machine is gone in mid-step, and the script with it")
                    if step in SEVERAL and self.mx.kept() != kept:
                        raise MovedError("its record was changed between two acts")
            progress.waited, progress.reordered = self.process.waited, self.process.reordered
            progress.lost, progress.blind = self.process.lost, self.process.blind
            progress.changed = self.process.changed
            progress.cures |= {Step(one) for one in self.process.cures}
            for error in self.lost.get(step, []) and [self.lost[step].pop(0)]:
                if acts:
                    progress.record, progress.basis = known, None
                raise error
            if acts:
                self.answered(look=step is not Step.REBOOT)
            elif step in LOOKING:
                world.looked(None if self.mx.unreachable or self.mx.damaged else self.shown())
            elif step in UNFENCED - {Step.SLOT}:
                world.looked(None)
            return Done(step.value)

        return act

    @contextmanager
    def locked(self, step):
        """What is one act is done under the host's lock."""
        if step in UNFENCED | NOTING | SEVERAL | ELSEWHERE:
            yield
            return
        self.mx.lock = self.process.session
        try:
            yield
        finally:
            self.mx.lock = ""

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
        self.moved |= bool(found)
        for what in found:
            self.happened.append((self.effects, what))
            what(self.mx)
        if self.die_after is not None and self.effects > self.die_after:
            self.process.leave()
            raise DiedError
        self.others_first()
        return bool(found)

    def execute(self):
        result = self.run.execute()
        self.mx.check()
        return result


def serves(mx):
    """Whether clients are served, whoever has a run there."""
    return not mx.loaded and mx.running and mx.pooled and mx.pool_odd is not Pool.PARTLY and not mx.unreachable
