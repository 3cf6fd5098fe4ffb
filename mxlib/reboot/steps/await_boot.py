"""The wait for the boot that follows a reboot, or for a host that does not answer."""

import dataclasses
import itertools
from functools import partial

from mxlib.base.clock import wait_for
from mxlib.base.errors import HostError, ParseError
from mxlib.base.text import duration, one_line
from mxlib.model.record import Level, Record
from mxlib.model.state import State, Step, Waited
from mxlib.mta.standing import Standing, read_standing
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, answers
from mxlib.reboot.world import RebootWorld

_POLL_S = 3.0
_PAUSE_S = 0.5
"""The host is asked every three seconds; half a second after a question that took longer."""
_ASK_S = 5.0
_NOT_STOPPING_S = 20.0
"""A host that so many seconds after the order answers in the old boot and does not shut down has not heard it."""
_KNOCK_S = 1.0
"""Seconds for one connection: one that gets no answer tries again ever more rarely, a new one at once."""
_ASK_UNGREETED = 20
"""A host whose SSH server greets nobody is asked all the same at every twentieth poll."""
_ASK_CLUSTER = 5
"""The cluster is asked at every fifth poll whether the machine is off; after the order for a cold start at each."""
_PAST_GRUB = """\
; but GRUB's one-time entry is still set, so a crash boots no fallback: this boot came past GRUB (by kexec, or another \
loader), or GRUB could not clear the entry"""


def await_boot(world: RebootWorld, state: State) -> Done:
    """Wait for an answer from a boot that is not the one that was to end."""
    try:
        done = _await(world, state)
        console = world.adapters.rescue.shown()
        return dataclasses.replace(done, evidence={**done.evidence, "console": console}) if console else done
    finally:
        world.adapters.rescue.unwatch()


def _await(world: RebootWorld, state: State) -> Done:
    record = state.record
    begin = world.clock.monotonic()
    down = False
    for poll in itertools.count(1):
        asked = world.clock.monotonic()
        greeted = down and _greets(world)
        if not down or greeted or poll % _ASK_UNGREETED == 0:
            standing, problem = _try_standing(world, shortly=not greeted)
        else:
            standing, problem = None, "no SSH server answers"
        down = standing is None and world.progress.greeted
        waited = world.clock.monotonic() - begin
        if standing is not None and _another_boot(standing, record):
            return _booted(world, standing, waited)
        if standing is not None and not standing.stopping and waited > _NOT_STOPPING_S:
            world.progress.waited = Waited.SAME_BOOT
            return Done(f"the host is still in the old boot after {duration(waited)} and is not shutting down")
        if standing is None and _asks_cluster(record, poll) and world.adapters.rescue.off():
            world.progress.waited = Waited.OFF
            return Done(f"the machine is off, {duration(waited)} after the order")
        if standing is None and poll == 1:
            world.adapters.rescue.attach()
        if standing is None and (seen := world.adapters.rescue.stuck()):
            world.progress.waited = Waited.SILENT
            return Done(f"no answer after {duration(waited)}, and its console shows {seen}")
        if waited > world.site.boot.timeout:
            world.progress.waited = Waited.SILENT
            return Done(f"no new boot within {duration(waited)}: {problem}")
        world.operator.live(_still_waiting(world, record, waited, problem))
        world.clock.sleep(max(_PAUSE_S, asked + _POLL_S - world.clock.monotonic()))
    raise AssertionError("a count has no end")


def _still_waiting(world: RebootWorld, record: Record | None, waited: float, problem: str) -> str:
    """How long it has taken, and what says most of how far it is: the console, else why there is no answer."""
    so_far = f"{duration(waited)} of {duration(world.site.boot.timeout)}"
    if shown := world.adapters.rescue.shown():
        # of a line that is being written there is perhaps no more than a bracket
        last = next((line for line in reversed(shown) if any(map(str.isalpha, line))), shown[-1])
        return f"boot: {so_far}, console: {one_line(last)}"
    awaited = "a new boot" if record is not None and record.awaited is not None else "an answer"
    return f"waiting for {awaited}, {so_far}: {problem}"


def _asks_cluster(record: Record | None, poll: int) -> bool:
    cold = record is not None and record.awaited is not None and record.awaited.level is Level.COLD
    return cold or poll % _ASK_CLUSTER == 0


def _greets(world: RebootWorld) -> bool:
    """Whether an SSH server greets a connection within a poll's time; it is tried until one does."""
    knock = partial(world.adapters.greets, _KNOCK_S)
    return wait_for(knock, deadline_s=_POLL_S, every_s=_PAUSE_S, clock=world.clock)


def _try_standing(world: RebootWorld, *, shortly: bool) -> tuple[Standing | None, str]:
    """Ask where the host stands.

    Arguments:
        shortly: whether it has to answer a short question first: a host on its way down lets a long one hang.
    """
    try:
        if shortly:
            world.target.read("# ask whether it answers\ntrue", timeout=_ASK_S)
        standing = read_standing(world.target, world.mta)
    except (HostError, ParseError) as error:
        return None, one_line(str(error), 80)
    return standing, "shutting down" if standing.stopping else "still the old boot"


def _another_boot(standing: Standing, record: Record | None) -> bool:
    """Whether the boot that was to end has ended; the record on the host has also an order whose answer was lost."""
    known = standing.depool.record or record
    return known is None or known.awaited is None or standing.view.boot != known.awaited.before


def _booted(world: RebootWorld, standing: Standing, waited: float) -> Done:
    world.progress.waited = Waited.NO
    world.looked(standing)
    world.decide_on(standing)
    view, record = standing.view, world.progress.record
    # While the host was silent it was perhaps unknown whose run this is: then the slot comes first.
    if record is not None and record.awaited is not None and record.token <= world.adapters.slot.token:
        booted = dataclasses.replace(record.awaited, after=view.boot, kernel=view.kernel)
        # lost with this process, it is found again: the record still awaits a boot
        world.note(dataclasses.replace(record, boots=(*record.boots[:-1], booted)))
        as_wanted = "as wanted" if view.kernel == booted.wanted else f"NOT {booted.wanted}"
        past = "" if not view.next else _PAST_GRUB
        return Done(f"back after {duration(waited)} with {view.kernel}, {as_wanted}{past}", {"boot": view.boot})
    return Done(f"the host answers again, with {view.kernel}")


ACTIONS = (
    Action(
        Step.AWAIT,
        await_boot,
        answers,
        lambda world, _state: [f"wait for another boot id, at most {world.site.boot.timeout:g} s"],
    ),
)
