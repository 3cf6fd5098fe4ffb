"""What a run leaves on a host where it dies, as each released version wrote it.

    python -m tests.unit.support.left_records VERSION

writes the file of the version that is about to be released; a file of a released version is never written again.
"""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

from mxlib.model.goal import Goal
from mxlib.model.record import Judgement, Level
from mxlib.model.state import Step
from tests.unit.support.memory_mx import NEW, DiedError, Fate, MemoryMx, Process

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "records"
PLAIN = (
    "boot", "kernel", "silent", "loaded", "persisted", "held", "running", "pooled", "saved", "next", "puppet_off",
    "holder_token", "index", "reboots", "off", "nic", "prevention",
)  # fmt: skip
SETS = ("spool", "ledger", "verified")
FORWARD, COLD = Goal(NEW.release), Goal(NEW.release, level=Level.COLD)
STORIES = {
    "claimed": (FORWARD, Step.CLAIM, []),
    "out of service": (FORWARD, Step.CLOSE, []),
    "drained": (FORWARD, Step.DRAIN, []),
    "held, with a ledger": (FORWARD, Step.LEDGER, []),
    "told to reboot": (FORWARD, Step.REBOOT, []),
    "booted, unproven": (FORWARD, Step.AWAIT, []),
    "outbound proven": (FORWARD, Step.PROVE_OUT, []),
    "proven": (FORWARD, Step.PROVE_IN, []),
    "kept": (FORWARD, Step.KEEP, []),
    "to blame": (FORWARD, Step.PROVE_OUT, [Judgement.BLAMED]),
    "inconclusive": (FORWARD, Step.PROVE_OUT, [Judgement.INCONCLUSIVE]),
    "prepared for a cold start": (COLD, Step.PREVENT, []),
    "switched off": (COLD, Step.REBOOT, []),
}
"""What a run wanted, the step after which it died, and what its proofs said."""


class _Mortal(Process):
    """A run that dies after its first step of a kind."""

    def __init__(self, mx, goal, last):
        super().__init__(mx, goal, "first")
        self.last = last

    def effects(self, step):
        yield from super().effects(step)
        if step is self.last:
            self.mx.lease = ""
            raise DiedError


SAID = {
    "run": "20261128T021200Z-0a1b2c", "who": "op@cumin1001", "why": "security update (T123456)",
    "since": "2026-11-28T02:12:00+00:00", "log_mark": "131077:48213", "host": "mx2001.example.org",
    "accepted": ("log",),
}  # fmt: skip
"""What a real run would have written besides."""


def left(goal, last, judgements):
    """Run until the step, and return what is so then."""
    mx = MemoryMx(Fate(judgements=list(judgements)))
    with contextlib.suppress(DiedError):
        _Mortal(mx, goal, last).run()
    world = {name: getattr(mx, name) for name in PLAIN}
    world |= {name: sorted(getattr(mx, name)) for name in SETS}
    world |= {"stanzas": list(mx.stanzas), "proven": {boot: sorted(stages) for boot, stages in mx.proven.items()}}
    world |= {"proven_with": mx.proven_with}
    record = dataclasses.replace(mx.record, **SAID)
    return {"record": record.to_json(), "world": world}


def restored(world):
    """The MX as it was left, without the record."""
    plain = {name: world[name] for name in PLAIN}
    sets = {name: set(world[name]) for name in SETS}
    proven = {boot: set(stages) for boot, stages in world["proven"].items()}
    # 0.1.0 did not note the configuration beside a proof
    noted = dict(world.get("proven_with", {}))
    return MemoryMx(**plain, **sets, stanzas=tuple(world["stanzas"]), proven=proven, proven_with=noted)


def write(version):
    path = FOLDER / f"{version}.json"
    if path.exists():
        raise SystemExit(f"{path}: is there already: the records of a release are never written again")
    found = {name: left(*story) for name, story in STORIES.items()}
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
