"""Where a run stands, read from the world: the target, the pool state in front, the slot of the service."""

from mxlib.base.errors import HostError, PoolError
from mxlib.base.journal import EventLog
from mxlib.model.record import Record
from mxlib.model.state import Pool, Slot, State, Step, View, Waited
from mxlib.mta.standing import read_standing
from mxlib.reboot.steps.service import OUT_OF_POOL
from mxlib.reboot.world import RebootWorld

_CURES = (Step.MEND, Step.POWER_ON, Step.POWER_CYCLE)


def read_state(world: RebootWorld, journal: EventLog) -> State:
    """Read where things stand now; the record is left in the world's progress.

    Arguments:
        journal: where it is written down what could not be read.

    Raises:
        mxlib.base.errors.ParseError: the host answers, and what it says cannot be understood.
    """
    host, record = _read_host(world, journal)
    progress = world.progress
    progress.record = record
    return State(
        record=record,
        host=host,
        pool=_read_pool(world, journal, record),
        slot=Slot.MINE if progress.released else world.adapters.slot.state(),
        token=world.adapters.slot.token,
        guard=progress.guard,
        waited=progress.waited,
        reordered=progress.reordered,
        cures=frozenset(one.value for one in _CURES if one not in progress.cures),
        diagnosis=progress.diagnosis,
        lost=progress.lost,
        released=progress.released,
        uses=_uses(world),
    )


def _uses(world: RebootWorld) -> frozenset[str]:
    site = world.site
    return frozenset({"silence"} if site.downtime.minutes else ()) | frozenset({"puppet"} if site.puppet else ())


def _read_host(world: RebootWorld, journal: EventLog) -> tuple[View | None, Record | None]:
    """A host that does not answer keeps the record this run knows of."""
    known = world.progress.record
    if known is not None and known.awaited is not None and world.progress.waited is Waited.NO:
        # it is on its way down: the wait for the new boot asks it, with patience
        return None, known
    try:
        standing = read_standing(world.target, world.mta)
    except HostError as error:
        journal.write("silent", why=str(error))
        return None, world.progress.record
    world.progress.standing = standing
    return standing.view, standing.depool.record


def _read_pool(world: RebootWorld, journal: EventLog, record: Record | None) -> Pool:
    if record is not None and not record.prior.pool:
        # claimed where there is no pool, or while it could not be read: this run leaves it alone
        return Pool.NONE
    try:
        values = world.adapters.pool.read()
    except PoolError as error:
        journal.write("pool-unknown", why=str(error))
        return Pool.UNKNOWN
    if not values:
        return Pool.NONE
    if record is not None and values == dict(record.prior.pool):
        return Pool.IN
    out = [value == OUT_OF_POOL for value in values.values()]
    if all(out):
        return Pool.OUT
    return Pool.PARTLY if any(out) or record is not None else Pool.IN
