"""The planner over the MX in memory: what is wanted, how it goes from there, and where it leads."""

import pytest

from mxlib.model.goal import Goal
from mxlib.model.record import Judgement, Level
from mxlib.model.state import MtaState, Ports, Puppet, Step, View
from tests.unit.support.memory_mx import NEW, OLD, DiedError, Fate, MemoryMx, Process

FORWARD = Goal(NEW.release)
RESUME = Goal(adopt=True)
ABORT = Goal(back=True, adopt=True)
COLD = Goal(NEW.release, level=Level.COLD)
BAD, UNSURE, GOOD = Judgement.BLAMED, Judgement.INCONCLUSIVE, Judgement.PASSED


def run(mx, goal, session="one", die_after=None):
    process = Process(mx, goal, session, die_after)
    return process, process.run()


def in_service(mx):
    return not mx.loaded and not mx.persisted and mx.running and mx.pooled and not mx.held and mx.record is None


def effects_of(goal, fate=Fate):
    """How many points there are at which a run can die."""
    process = Process(MemoryMx(fate()), goal, "count", die_after=10**6)
    process.run()
    return 10**6 - process.left


def died_with_the_machine_off():
    for point in range(effects_of(COLD)):
        mx = MemoryMx()
        with pytest.raises(DiedError):
            run(mx, COLD, die_after=point)
        if mx.off:
            return mx
    raise AssertionError("the machine was never off")


def claimed_record():
    mx = MemoryMx()
    for step in (Step.SLOT, Step.CLAIM):
        for _effect in Process(mx, FORWARD, "one").effects(step):
            """Only the record is wanted."""
    return mx.record


def view(**changes):
    base = {"boot": "b", "kernel": OLD.release, "ports": Ports.OPEN, "mta": MtaState.SERVING, "saved": "", "next": ""}
    return View(**{**base, "puppet": Puppet.ON, **changes})
