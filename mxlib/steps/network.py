"""The host's network names around a cold start: prepared for the next name before it, settled on one after it."""

import dataclasses

from mxlib.errors import MxlibError
from mxlib.record import Record
from mxlib.state import State
from mxlib.steps.context import Context, Done, record_of
from mxlib.text import one_line


def prevent(context: Context, state: State) -> Done:
    """Prepare the host for the name a cold start gives its interface; that it may be so is noted before it is done."""
    record = record_of(state)
    assert state.host is not None
    renames = context.rescue.renames()
    if not renames:
        context.remember(dataclasses.replace(record, prepared=state.host.boot))
        return Done("a cold start renames no interface: nothing to prepare")
    pinned = tuple(renames) if record.prevention == "link" else ()
    noted = dataclasses.replace(record, unsettled=True, pinned=pinned)
    context.remember(noted)
    done = context.rescue.prevent(record.prevention, _kernels(record))
    context.remember(dataclasses.replace(noted, prepared=state.host.boot))
    return Done(done, {"renames": dict(renames)})


def settle(context: Context, state: State) -> Done:
    """Leave each interface the one name it has. What cannot be settled is told, and hurts nobody: both names serve."""
    record = record_of(state)
    assert state.host is not None
    # A pin that the host has booted with holds its name: only one that was never needed is let go of.
    unneeded = record.pinned if state.host.boot == record.boot_before else ()
    try:
        done = context.rescue.settle(unneeded, _kernels(record))
    except MxlibError as error:
        done = f"NOT settled, look at /etc/network/interfaces: {one_line(str(error), 300)}"
    context.remember(dataclasses.replace(record, unsettled=False, prepared="", pinned=()))
    return Done(done)


def _kernels(record: Record) -> tuple[str, ...]:
    return tuple(dict.fromkeys((record.target.release, record.fallback.release)))
