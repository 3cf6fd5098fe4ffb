"""A fleet in memory for the loop of a roll: hosts, faults, other people, etcd; and what must never be so."""

import dataclasses
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mxlib.base.errors import SlotError, SlotTakenError
from mxlib.model.outcome import Outcome
from mxlib.protocols.operator import Share
from mxlib.roll.protocols import HostEnd
from mxlib.roll.run import Limits, Roll
from mxlib.roll.soak import SoakState
from mxlib.roll.state import Blocker, RollGoal, Seen, Stand

OLD, NEW = "6.1.0-55", "6.1.0-56"


class DiedError(BaseException):
    """The roll was killed, or its management host lost power: nothing of its own runs any more."""


class Clock:
    def __init__(self, start: datetime):
        self.start, self.seconds = start, 0.0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Quiet:
    def line(self, text: str) -> None:
        pass

    def live(self, text: str, share: Share | None = None) -> None:
        pass

    def busy(self, text: str, share: Share | None = None) -> None:
        pass


@dataclass
class Mx:
    """One host: what runs on it and who has it out."""

    name: str
    site: str
    kernel: str = OLD
    installed: set = field(default_factory=lambda: {OLD, NEW})
    out_by: str = ""
    target: str = ""
    verified: bool = True
    silent: bool = False
    unwell: str = ""
    reboots: int = 0


class World:
    """The fleet, etcd, the clock; the rules are checked after every change."""

    def __init__(self, hosts, clock, min_in_service, rng=None):
        self.mxs = {one.name: one for one in hosts}
        self.clock = clock
        self.min_in_service, self.max_out = min_in_service, 1
        self.rng = rng or random.Random(0)
        self.etcd = True
        self.holder = ""
        self.alive = False
        self.roll_alive = False
        self.memory: dict = {}
        self.writes, self.lost_writes = 0, range(0)
        self.alerts = ""
        self.left_out = ""
        self.fate = {}
        self.taken = []
        self.fewest = len(hosts)

    def serving(self):
        return [one for one in self.mxs.values() if not one.out_by and not one.silent and not one.unwell]

    def check(self):
        for one in self.mxs.values():
            assert one.out_by or one.verified, f"{one.name} serves unverified"


class Fleet:
    """What one process sees of the world."""

    def __init__(self, world, kernel=NEW, soak=SoakState.PASSED, die=None):
        self.world, self.kernel, self.proof, self.die = world, kernel, soak, die or (lambda what: None)

    def look(self):
        return tuple(self.seen(one) for one in self.world.mxs.values())

    def seen(self, one):
        base = Seen(one.name, one.site, 10, Stand.TODO, kernel=one.kernel, unwell=one.unwell, expected_s=900.0)
        if one.silent:
            return dataclasses.replace(base, stand=Stand.UNKNOWN, why="does not answer")
        if one.out_by:
            stand = Stand.LEFTOVER if one.out_by == "roll" else Stand.FOREIGN
            return dataclasses.replace(base, stand=stand, why=f"taken out by {one.out_by}", target=one.target)
        if one.kernel == self.kernel:
            return dataclasses.replace(base, stand=Stand.THERE)
        if self.kernel not in one.installed:
            return dataclasses.replace(base, stand=Stand.SKIPPED, why=f"{self.kernel} is not installed")
        return base

    def at_work(self):
        if not self.world.etcd:
            raise SlotError("etcd does not answer")
        return "somebody's run is alive" if self.world.alive else ""

    def blockers(self):
        left = self.world.left_out
        other = (Blocker(self.world.alerts),) if self.world.alerts else ()
        return (*other, Blocker(f"MxLeftOut fires on {left}", left)) if left else other

    def reboot(self, host, *, resume):
        """The real session refuses where the slot is held for another host, and leaves the host out when it dies."""
        world, one = self.world, self.world.mxs[host]
        world.taken.append((host, resume))
        if world.holder not in ("", host) or not world.etcd:
            return HostEnd(host, Outcome.REFUSED, "the slot of the service is held for another host")
        if not resume:
            assert not one.out_by, "what others took out is touched"
            others = [other for other in world.serving() if other is not one]
            assert len(others) >= world.min_in_service, "fewer than allowed"
            assert len(world.mxs) - len(others) <= world.max_out, "more out or unwell than allowed"
            assert [other for other in others if other.site == one.site], "a site loses its last MX"
        self.die("before")
        world.holder, one.out_by, one.verified = host, "roll", False
        one.target = one.target if resume and one.target else self.kernel
        world.fewest = min(world.fewest, len(world.serving()))
        self.die("out")
        world.clock.sleep(world.rng.uniform(300, 900))
        one.reboots += 1
        outcome = world.fate.get(host, Outcome.DONE)
        if callable(outcome):
            outcome = outcome()
        one.kernel = one.target if outcome is Outcome.DONE else one.kernel
        self.die("booted")
        if outcome in (Outcome.DONE, Outcome.FELL_BACK, Outcome.UNDONE):
            one.verified, one.out_by, world.holder = True, "", ""
        world.check()
        self.die("after")
        return HostEnd(host, outcome, "as fate has it", "", 600.0, one.target)

    def soak(self, hosts, limit_s):
        self.world.clock.sleep(600.0)
        if limit_s is not None and limit_s < 600.0:
            return SoakState.WAIT, "not enough yet"
        return (self.proof() if callable(self.proof) else self.proof), "as fate has it"


class Memory:
    def __init__(self, world):
        self.world = world

    def failed(self, kernel):
        if not self.world.etcd:
            raise SlotError("etcd does not answer")
        return dict(self.world.memory.get(kernel, {}))

    def remember(self, kernel, failed):
        self.world.writes += 1
        if not self.world.etcd or self.world.writes in self.world.lost_writes:
            raise SlotError("etcd does not answer")
        self.world.memory[kernel] = dict(failed)


class Slot:
    def __init__(self, world):
        self.world = world

    def take(self):
        if not self.world.etcd:
            raise SlotError("etcd does not answer")
        if self.world.roll_alive:
            raise SlotTakenError("a roll is under way")
        self.world.roll_alive = True
        return 1

    def mine(self):
        return self.world.etcd

    def release(self):
        self.world.roll_alive = False


class Lines:
    def __init__(self):
        self.lines = []

    def write(self, event, **values):
        self.lines.append((event, values))


def roll(world, *, goal=None, windows=(), fleet=None, wanted=None, journal=None, again=False) -> Roll:
    """A run of a roll on that world."""
    return Roll(
        fleet or Fleet(world),
        Memory(world),
        Slot(world),
        goal or RollGoal(NEW, min_in_service=world.min_in_service),
        Limits(windows, soak_s=600.0, slack=1.0),
        wanted=wanted or list(world.mxs),
        again=again,
        run="r1",
        journal=journal or Lines(),
        clock=world.clock,
        operator=Quiet(),
    )


def small(count=4, **values) -> World:
    """Some hosts on two sites."""
    hosts = [Mx(f"mx{number}", "one" if number % 2 else "two") for number in range(count)]
    return World(hosts, Clock(datetime(2026, 1, 5, 22, 0, tzinfo=UTC)), min_in_service=1, **values)
