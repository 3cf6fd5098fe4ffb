"""Our own queue runners: their start and stop, the flow of the queue meanwhile, and the clearing of stale hints."""

import dataclasses
from collections.abc import Callable

from mxlib.base.errors import MxlibError, ParseError, StepError
from mxlib.base.text import one_line, plural
from mxlib.drain.plan import Orders
from mxlib.facts.source import read_facts
from mxlib.model.record import Record
from mxlib.mta.backlog import GiveUp, Hint
from mxlib.mta.find import find
from mxlib.mta.queue import Flow
from mxlib.protocols.world import World
from mxlib.remedies.guard import GuardedHost


def guarded(world: World, mine: Record | None, acting: Callable[[], None] = lambda: None) -> World:
    """Return a world whose host is changed only while no run but ours has claimed it.

    Arguments:
        mine: the record of our own run there; None: nobody may have claimed the host.
        acting: is called once something may have been changed.
    """
    said = f"run {world.run} by {world.options.who} drains the queue: {world.options.why}"
    return dataclasses.replace(world, target=GuardedHost(world.target, said, mine, acting))


def look(world: World, mark: str) -> Flow:
    """Return how the queue moved since a mark.

    Arguments:
        mark: where the previous reading ended.

    Raises:
        mxlib.base.errors.StepError: the flow is unknown.
    """
    source = find(world.site.mta).flow(mark)
    try:
        return read_facts(world.target, (source,)).get(source)
    except ParseError as error:
        raise StepError(str(error)) from None


def start(world: World, orders: Orders, rules: GiveUp, seconds: int) -> None:
    """Start runners on what the orders allow, in place of earlier ones. They end by themselves.

    Arguments:
        rules: the rules by which the orders were given.
        seconds: time after which no attempt is begun.
    """
    parallel = world.site.drain.runners
    mta = find(world.site.mta)
    script = mta.attempt_script(orders.tries, orders.spared, rules.classes, parallel, seconds)
    world.target.act(script, timeout=60)


def stop(world: World) -> None:
    """Begin no further attempts; deliveries under way end by themselves."""
    try:
        world.target.act(find(world.site.mta).stop_attempts_script, timeout=30)
    except MxlibError as error:
        why = one_line(str(error))
        world.operator.line(f"drain: our queue runners end by themselves, they could not be stopped: {why}")


def clear(world: World, stale: tuple[Hint, ...]) -> None:
    """Clear retry hints that a delivery has proven stale; all others stay."""
    if stale:
        world.target.act(find(world.site.mta).forget_script([hint.key for hint in stale]), timeout=60)
        world.operator.line(f"drain: {plural(len(stale), 'stale retry hint')} cleared")
