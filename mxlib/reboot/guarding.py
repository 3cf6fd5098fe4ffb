"""The guard of a run: its verdicts are written down and shown, and the operator is asked what may be accepted."""

from collections.abc import Mapping

from mxlib.base.text import duration
from mxlib.base.verdict import Status, Verdict
from mxlib.model.state import Step
from mxlib.reboot.events import Events, spent
from mxlib.reboot.peers import lacking_before_out
from mxlib.reboot.steps import guard
from mxlib.reboot.world import RebootWorld


def run_guard(world: RebootWorld, events: Events, reading: Mapping[str, float], *, asks: bool = True) -> None:
    """Judge whether the run may begin; the answer is left in the world's progress.

    Arguments:
        reading: what the look before it took, for the journal.
        asks: whether the operator is asked to accept what blocks the run.
    """
    world.operator.busy("guard")
    with spent(world) as took:
        verdicts = guard.guard(world)
    events.write("guard", checks=len(verdicts), **reading, **took, probing_s=world.progress.probed_s)
    _write(events, *verdicts)
    blocks = guard.blocking(world, verdicts)
    world.progress.guard, world.progress.blocks = not blocks, tuple(dict.fromkeys(one.check for one in blocks))
    world.operator.line(f"guard: {len(verdicts)} checks, {len(blocks)} in the way ({duration(took['seconds'])})")
    _show(world, *(one for one in verdicts if not one.passed or one.warnings))
    if blocks and asks:
        world.progress.guard = guard.ask(world, blocks)
        events.answers(world)
        # the answer may come minutes later, and what is then begun takes the host out
        if world.progress.guard and (lacks := lacking_before_out(world, Step.GUARD)):
            gone = Verdict("others", Status.FAILED, "; ".join(lacks))
            world.progress.guard, world.progress.blocks = False, (gone.check,)
            _write(events, gone)
            _show(world, gone)


def _write(events: Events, *verdicts: Verdict) -> None:
    for one in verdicts:
        events.write("verdict", stage="guard", **one.values)


def _show(world: RebootWorld, *verdicts: Verdict) -> None:
    for one in verdicts:
        world.operator.line(f"  {one.status.value:8}{one.check}: {one.said}")
