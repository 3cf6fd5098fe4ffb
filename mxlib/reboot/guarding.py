"""The guard of a run: its verdicts are written down and shown, and the operator is asked what may be accepted."""

from collections.abc import Mapping

from mxlib.base.text import duration
from mxlib.reboot.events import Events, spent
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
    for one in verdicts:
        events.write("verdict", stage="guard", **one.values)
    blocks = guard.blocking(world, verdicts)
    world.progress.guard, world.progress.blocks = not blocks, tuple(dict.fromkeys(one.check for one in blocks))
    world.operator.line(f"guard: {len(verdicts)} checks, {len(blocks)} in the way ({duration(took['seconds'])})")
    for one in blocks:
        world.operator.line(f"  {one.status.value:8}{one.check}: {one.why}")
    if blocks and asks:
        world.progress.guard = guard.ask(world, blocks)
        events.answers(world)
