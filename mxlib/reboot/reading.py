"""Reading where a run stands: the target, the pool state in front of it, the slot of the service."""

from mxlib.base.errors import HostError, PoolError
from mxlib.base.journal import EventLog
from mxlib.model.record import Record
from mxlib.model.state import NOT_POOLED, Pool, Ports, Slot, State, Step, View, Waited
from mxlib.mta.standing import read_standing, source
from mxlib.reboot.world import RebootWorld

_FRESH_S = 5.0
"""Seconds for which a look serves the next decisions, where nothing has acted on the host since."""
_UNASKED = (Waited.NO, Waited.OFF)
"""A host on its way down is asked by the wait for the new boot, with patience. One just seen to be off is not."""
_CURES = (Step.MEND, Step.POWER_ON, Step.POWER_CYCLE)


def read_state(world: RebootWorld, journal: EventLog, *, at_once: bool = False) -> State:
    """Read where things stand now; the record is left in the world's progress.

    Arguments:
        journal: for what could not be read.
        at_once: look also at a host that is on its way down, as something has happened that has to be decided on.

    Raises:
        mxlib.base.errors.ParseError: the host answers, and what it says cannot be understood.
    """
    progress = world.progress
    host = _read_host(world, journal, at_once=at_once)
    record = progress.record
    gone = host is not None and record is None
    return State(
        record=record,
        host=host,
        pool=_read_pool(world, journal, record),
        slot=Slot.MINE if gone and progress.released else world.adapters.slot.state(),
        token=world.adapters.slot.token,
        outdated=host is not None and progress.blind and world.newest > world.adapters.slot.token,
        guard=_guard(world, journal, host),
        blocks=progress.blocks,
        waited=progress.waited,
        reordered=progress.reordered,
        cures=frozenset(one.value for one in _CURES if one not in progress.cures),
        diagnosis=progress.diagnosis,
        lost=progress.lost,
        released=progress.released if gone else None,
        stale=_stale(world, host, record),
        changed=_changed(world, host),
        closed=None if progress.standing is None else world.view(progress.standing).ports is Ports.CLOSED,
        uses=_uses(world),
    )


def _guard(world: RebootWorld, journal: EventLog, host: View | None) -> bool | None:
    """Whether the guard lets the run begin; None: it was not asked, or of a boot that has ended since."""
    progress = world.progress
    begins = progress.record is None and progress.released is None
    if progress.guard and begins and progress.facts is not None and host is not None:
        judged = progress.facts.get(source(world.mta)).view.boot
        if judged != host.boot:
            progress.guard, progress.facts = None, None
            journal.write("guard-of-another-boot", judged=judged, boot=host.boot)
            world.operator.line("the host has booted since the guard looked at it: it is judged again")
    return progress.guard


def _stale(world: RebootWorld, host: View | None, record: Record | None) -> bool:
    if host is None or record is None:
        return False
    return record.proof_age(host.boot, world.clock.now()) > world.site.boot.proof_holds


def _changed(world: RebootWorld, host: View | None) -> str:
    found = world.progress.changed
    return found[1] if found is not None and host is not None and found[0] == host.boot else ""


def _uses(world: RebootWorld) -> frozenset[str]:
    site = world.site
    return frozenset({"silence"} if site.downtime.minutes else ()) | frozenset({"puppet"} if site.puppet else ())


def _read_host(world: RebootWorld, journal: EventLog, *, at_once: bool) -> View | None:
    """Look at the host, unless that was just done; one that does not answer keeps the record we know of."""
    progress, known = world.progress, world.progress.record
    if known is not None and known.awaited is not None and progress.waited in _UNASKED and not at_once:
        world.looked(None)
        return None
    standing = world.fresh_look(_FRESH_S)
    if standing is None:
        world.looked(None)
        try:
            standing = read_standing(world.target, world.mta)
        except HostError as error:
            journal.write("silent", why=str(error))
            return None
        world.looked(standing)
    world.decide_on(standing)
    progress.standing = standing
    return world.view(standing)


def _read_pool(world: RebootWorld, journal: EventLog, record: Record | None) -> Pool:
    alone = record is not None and record.prior.pool is None
    if record is not None and not record.prior.pool and not alone:
        return Pool.NONE  # claimed where there is none
    prior = record.prior.pool if record is not None else None
    try:
        # what the run has to restore, whatever services the site names since
        values = world.adapters.pool.read(tuple(prior or ()))
    except PoolError as error:
        journal.write("pool-unknown", why=str(error))
        return Pool.UNREAD if alone else Pool.UNKNOWN
    if values is None or alone:
        pooled = values is not None and not any(value in NOT_POOLED for value in values.values())
        return Pool.NONE if pooled else Pool.UNREAD
    if not values:
        return Pool.NONE
    out = [value in NOT_POOLED for value in values.values()]
    if all(out):
        return Pool.WAS_OUT if values == prior else Pool.OUT
    if values == prior:
        return Pool.IN
    return Pool.PARTLY if any(out) or record is not None else Pool.IN
