"""Where a run stands, read from the world: the target, the pool state in front, the slot of the service."""

from mxlib.base.errors import HostError, PoolError
from mxlib.base.journal import EventLog
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import Pool, Slot, State, Step, View, Waited
from mxlib.mta.exim.standing import read_standing
from mxlib.reboot.context import Context
from mxlib.reboot.steps.service import OUT_OF_POOL

_CURES = (Step.MEND, Step.POWER_ON, Step.POWER_CYCLE)


def read_state(context: Context, journal: EventLog, *, guard: bool | None, released: Outcome | None) -> State:
    """Where things stand now; the record is left in the context.

    Arguments:
        context: the world.
        journal: where it is written down what could not be read.
        guard: whether the guard has passed; None: not asked yet.
        released: how the run ended, once its record is gone.

    Raises:
        mxlib.base.errors.ParseError: the host answers, and what it says cannot be understood.
    """
    host, record = _read_host(context, journal)
    context.record = record
    return State(
        record=record,
        host=host,
        pool=_read_pool(context, journal, record),
        slot=Slot.MINE if released else context.slot.state(),
        token=context.slot.token,
        guard=guard,
        waited=context.waited,
        reordered=context.reordered,
        cures=frozenset(one.value for one in _CURES if one not in context.cures),
        diagnosis=context.diagnosis,
        lost=context.lost,
        released=released,
        uses=_uses(context),
    )


def _uses(context: Context) -> frozenset[str]:
    site = context.site
    return frozenset({"silence"} if site.downtime.minutes else ()) | frozenset({"puppet"} if site.puppet else ())


def _read_host(context: Context, journal: EventLog) -> tuple[View | None, Record | None]:
    """A host that does not answer keeps the record this run knows of."""
    known = context.record
    if known is not None and known.awaited is not None and context.waited is Waited.NO:
        # it is on its way down: the wait for the new boot asks it, with patience
        return None, known
    try:
        standing = read_standing(context.target)
    except HostError as error:
        journal.write("silent", why=str(error))
        return None, context.record
    context.standing = standing
    return standing.view, standing.depool.record


def _read_pool(context: Context, journal: EventLog, record: Record | None) -> Pool:
    if record is not None and not record.prior.pool:
        # claimed where there is no pool, or while it could not be read: this run leaves it alone
        return Pool.NONE
    try:
        values = context.pool.read()
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
