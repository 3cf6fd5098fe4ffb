"""Taking the host out and giving it back, around the ports: claim, silences, Puppet, pool state, release."""

import dataclasses

from mxlib.errors import SilenceError, SlotError
from mxlib.facts.depool import DIRECTORY
from mxlib.record import Record
from mxlib.state import State
from mxlib.steps import panic
from mxlib.steps.context import Context, Done, quoted, record_of

OUT_OF_POOL = "no"


def take_slot(context: Context, _state: State) -> Done:
    """Take the slot of the service."""
    token = context.slot.take()
    return Done(f"the slot of the service is ours (token {token})", {"token": token})


def adopt(context: Context, state: State) -> Done:
    """Go on with a run that somebody else began."""
    assert state.record is not None
    before = state.record
    context.remember(dataclasses.replace(before, token=context.slot.token, who=context.options.who))
    return Done(f"run {before.run} of {before.who} is ours now")


def silence(context: Context, state: State) -> Done:
    """Silence the host's alerts for a while. Without Alertmanager the run goes on: alerts hurt nobody."""
    record = record_of(state)
    try:
        found = context.silencer.add(context.site.downtime.minutes)
    except SilenceError as error:
        context.remember(dataclasses.replace(record, silences=("none",)))
        return Done(f"NOT silenced, expect alerts: {error}")
    context.remember(dataclasses.replace(record, silences=(*record.silences, found)))
    return Done(f"alerts silenced for {context.site.downtime.minutes} min (silence {found})", {"silence": found})


def unsilence(context: Context, state: State) -> Done:
    """End the silences of this run."""
    record = record_of(state)
    problems = [problem for one in record.silences if (problem := _end_silence(context, one))]
    context.remember(dataclasses.replace(record, silences=()))
    return Done("; ".join(problems) or "alerts are heard again")


def _end_silence(context: Context, silence_id: str) -> str:
    if silence_id == "none":
        return ""
    try:
        context.silencer.remove(silence_id)
    except SilenceError as error:
        return f"silence {silence_id} was not ended and runs out by itself: {error}"
    return ""


def puppet_reason(record: Record) -> str:
    """The reason Puppet is disabled with, which is also the key to enable it again.

    Arguments:
        record: the memory.
    """
    return f"mx-cookbooks run {record.run}: {record.why}".replace('"', "'")


def puppet_off(context: Context, state: State) -> Done:
    """Disable Puppet."""
    context.act(f"disable-puppet {quoted(puppet_reason(record_of(state)))}", timeout=60)
    return Done("Puppet is disabled")


def puppet_on(context: Context, state: State) -> Done:
    """Enable Puppet again, with the reason it was disabled with."""
    context.act(f"enable-puppet {quoted(puppet_reason(record_of(state)))}", timeout=60)
    return Done("Puppet is enabled")


def pool_out(context: Context, state: State) -> Done:
    """Take the host out of the pool; the values before are in the record since the claim."""
    values = dict.fromkeys(record_of(state).prior.pool, OUT_OF_POOL)
    context.pool.write(values)
    return Done("; ".join(context.pool.command(values)))


def pool_in(context: Context, state: State) -> Done:
    """Give the pool objects the values they had."""
    values = record_of(state).prior.pool
    context.pool.write(values)
    return Done("; ".join(context.pool.command(values)))


def turn_back(context: Context, state: State) -> Done:
    """Decide for good to undo: whoever goes on undoes, too."""
    record = record_of(state)
    context.remember(dataclasses.replace(record, undoing=context.turning or "turned back"))
    return Done(f"turning back: {context.turning}")


def release(context: Context, _state: State) -> Done:
    """Remove the record, then give the slot up: in this order nobody finds the slot free and the host taken."""
    context.act(panic.disarm_script(), timeout=panic.UPDATE_S)
    context.act(f"cd {DIRECTORY}\nrm -f run.json ledger ledger.mark\nsync .")
    context.record = None
    try:
        context.slot.release()
    except SlotError as error:
        return Done(f"the host is free, but the slot of the service was not given up: {error}")
    return Done("the host and the slot of the service are free")
