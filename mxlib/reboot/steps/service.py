"""Taking the host out and giving it back, around the ports: claim, silences, Puppet, pool state, release."""

import dataclasses

from mxlib.base.errors import SilenceError, SlotError
from mxlib.model.on_host import DIRECTORY, quoted
from mxlib.model.record import Record
from mxlib.model.state import State
from mxlib.mta.exim.standing import PUPPET
from mxlib.protocols.service import Silencer
from mxlib.protocols.world import Done
from mxlib.reboot.context import Context, record_of
from mxlib.reboot.steps import panic

OUT_OF_POOL = "no"
NO_SILENCE = "none"
"""In the place of a silence that could not be set: it is not tried again and again."""


def take_slot(context: Context, _state: State) -> Done:
    """Take the slot of the service."""
    token = context.slot.take()
    return Done(f"the slot of the service is ours (token {token})", {"token": token})


def adopt(context: Context, state: State) -> Done:
    """Go on with a run that somebody else began."""
    assert state.record is not None
    before = state.record
    silences = tuple(one for old in before.silences for one in _heard(context, old))
    mine = dataclasses.replace(
        before.to_judge_again(), token=context.slot.token, who=context.options.who, silences=silences
    )
    context.remember(mine)
    again = "; what was inconclusive is judged again" if mine.judged != before.judged else ""
    return Done(f"run {before.run} of {before.who} is ours now{again}")


def _heard(context: Context, silence_id: str) -> tuple[str, ...]:
    """A silence of the run that is gone on with: prolonged, or set anew where it has run out."""
    minutes = context.site.downtime.minutes
    if silence_id == NO_SILENCE or not minutes:
        return (silence_id,)
    try:
        context.silencer.prolong(silence_id, minutes)
    except SilenceError:
        try:
            return context.silencer.add(minutes)
        except SilenceError as error:
            context.tell.line(f"NOT silenced, expect alerts: {error}")
    return (silence_id,)


def prolong(context: Context, silencer: Silencer) -> None:
    """Let the silences of the run last while it lives; called beside it, again and again.

    Arguments:
        context: the world.
        silencer: one of this thread's own.

    Raises:
        mxlib.base.errors.SilenceError: one of them runs out.
    """
    record = context.record
    for one in record.silences if record is not None else ():
        if one != NO_SILENCE:
            silencer.prolong(one, context.site.downtime.minutes)


def silence(context: Context, state: State) -> Done:
    """Silence the host's alerts for a while. Without Alertmanager the run goes on: alerts hurt nobody."""
    record = record_of(state)
    try:
        found = context.silencer.add(context.site.downtime.minutes)
    except SilenceError as error:
        context.remember(dataclasses.replace(record, silences=(NO_SILENCE,)))
        return Done(f"NOT silenced, expect alerts: {error}")
    context.remember(dataclasses.replace(record, silences=(*record.silences, *found)))
    said = ", ".join(found)
    note = f"alerts silenced for {context.site.downtime.minutes} min, prolonged while this run lives ({said})"
    return Done(note, {"silence": said})


def unsilence(context: Context, state: State) -> Done:
    """End the silences of this run."""
    record = record_of(state)
    problems = [problem for one in record.silences if (problem := _end_silence(context, one))]
    context.remember(dataclasses.replace(record, silences=()))
    return Done("; ".join(problems) or "alerts are heard again")


def _end_silence(context: Context, silence_id: str) -> str:
    if silence_id == NO_SILENCE:
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
    """Disable Puppet, and let its lock outlast a power cut: an empty one is nobody's, and is never taken away."""
    context.act(f"disable-puppet {quoted(puppet_reason(record_of(state)))}\nsync", timeout=60)
    return Done("Puppet is disabled")


def puppet_on(context: Context, state: State) -> Done:
    """Enable Puppet again, with the reason it was disabled with; the site's command only says it where it does not."""
    still = f"! bash -c '. {PUPPET} && test -f \"$PUPPET_DISABLEDLOCK\"'"
    context.act(f"enable-puppet {quoted(puppet_reason(record_of(state)))}\n{still}", timeout=60)
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
    forget = f"cd {DIRECTORY}\nrm -f run.json ledger ledger-untraced\nsync ."
    context.act(f"{panic.disarm_script()}{forget}", timeout=panic.UPDATE_S)
    context.record = None
    try:
        context.slot.release()
    except SlotError as error:
        return Done(f"the host is free, but the slot of the service was not given up: {error}")
    return Done("the host and the slot of the service are free")
