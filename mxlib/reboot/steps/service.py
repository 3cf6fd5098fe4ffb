"""Taking the host out of service and returning it, around the ports: claim, silences, Puppet, pool state, release."""

import dataclasses
from collections.abc import Mapping

from mxlib.base.errors import SilenceError, SlotError
from mxlib.model.on_host import DIRECTORY, RECORD, quoted
from mxlib.model.record import Record
from mxlib.model.state import Pool, Puppet, Slot, State, Step
from mxlib.mta.standing import PUPPET
from mxlib.protocols.service import Silencer
from mxlib.protocols.world import Done
from mxlib.reboot.ends import outcome_of
from mxlib.reboot.peers import ask_before_out
from mxlib.reboot.plan import puppet_is_due
from mxlib.reboot.steps import panic
from mxlib.reboot.steps.step import Action, Rehearse, host_of, on_host, on_record, shows, with_record
from mxlib.reboot.world import RebootWorld, record_of

OUT_OF_POOL = "no"
PUPPET_S = 60.0
"""Seconds for the site's commands that disable and enable Puppet."""
NO_SILENCE = "none"
"""Noted in place of a silence that could not be set, so that it is not tried again and again."""


def take_slot(world: RebootWorld, _state: State) -> Done:
    """Take the slot of the service, with a token greater than any that the host has seen."""
    newest, world.progress.blind = world.newest, world.progress.basis is None
    token = world.adapters.slot.take(newest)
    # etcd's own numbers are past it, unless etcd has lost its history or somebody acted without it
    lost = f"; the host has seen {newest}, etcd gives a lower one, as after it was built again or restored"
    note = f"the slot of the service is ours (token {token}{lost if token == newest + 1 else ''})"
    return Done(note, {"token": token})


def adopt(world: RebootWorld, state: State) -> Done:
    """Resume a run that somebody else began; that it is to be undone is written down before anything is."""
    assert state.record is not None
    before = state.record
    silences = tuple(one for old in before.silences for one in _heard(world, old))
    undoing = before.undoing or (f"aborted by {world.options.who}" if world.progress.goal.back else "")
    mine = dataclasses.replace(
        before.to_judge_again(state.host.boot if state.host else ""),
        token=world.adapters.slot.token,
        who=world.options.who,
        silences=silences,
        undoing=undoing,
    )
    world.remember(mine)
    again = "; what did not pass is judged again" if mine.judged != before.judged else ""
    return Done(f"run {before.run} of {before.who} is ours now{again}")


def _heard(world: RebootWorld, silence_id: str) -> tuple[str, ...]:
    """Prolong a silence of the run that is resumed, or set it again where it has expired."""
    minutes = world.site.downtime.minutes
    if silence_id == NO_SILENCE or not minutes:
        return (silence_id,)
    try:
        world.adapters.silencer.prolong(silence_id, minutes)
    except SilenceError:
        try:
            return world.adapters.silencer.add(minutes)
        except SilenceError as error:
            world.operator.line(f"NOT silenced, expect alerts: {error}")
    return (silence_id,)


def prolong(world: RebootWorld, silencer: Silencer) -> None:
    """Prolong the silences of the run, or set one again that has expired.

    A thread beside the run calls this again and again while it lives. It leaves the record to the run.

    Arguments:
        silencer: one of that thread's own.

    Raises:
        mxlib.base.errors.SilenceError: one of them could neither be prolonged nor set again.
    """
    minutes, again = world.site.downtime.minutes, world.progress.silenced_again
    for one in _silences(world):
        if any(_prolonged(silencer, ids, minutes) for ids in ((one,), again.get(one, ()))):
            continue
        again[one] = silencer.add(minutes)
        if one not in _silences(world):
            # the run has ended its silences meanwhile
            for late in again.pop(one):
                silencer.remove(late)


def _silences(world: RebootWorld) -> tuple[str, ...]:
    record = world.progress.record
    return tuple(one for one in record.silences if one != NO_SILENCE) if record is not None else ()


def _prolonged(silencer: Silencer, ids: tuple[str, ...], minutes: int) -> bool:
    try:
        for one in ids:
            silencer.prolong(one, minutes)
    except SilenceError:
        return False
    return bool(ids)


def silence(world: RebootWorld, state: State) -> Done:
    """Silence the host's alerts for a while. Without Alertmanager the run goes on: alerts hurt nobody."""
    record = record_of(state)
    try:
        found = world.adapters.silencer.add(world.site.downtime.minutes)
    except SilenceError as error:
        world.note(dataclasses.replace(record, silences=(NO_SILENCE,)))
        return Done(f"NOT silenced, expect alerts: {error}")
    # lost with this process, it expires by itself
    world.note(dataclasses.replace(record, silences=(*record.silences, *found)))
    said = ", ".join(found)
    note = f"alerts silenced for {world.site.downtime.minutes} min, prolonged while this run lives ({said})"
    return Done(note, {"silence": said})


def unsilence(world: RebootWorld, state: State) -> Done:
    """End the silences of this run."""
    record = record_of(state)
    # first, so that the thread beside the run sets none again
    world.note(dataclasses.replace(record, silences=()))
    again = [one for ids in tuple(world.progress.silenced_again.values()) for one in ids]
    problems = [problem for one in (*record.silences, *again) if (problem := _end_silence(world, one))]
    return Done("; ".join(problems) or "alerts are heard again")


def _end_silence(world: RebootWorld, silence_id: str) -> str:
    if silence_id == NO_SILENCE:
        return ""
    try:
        world.adapters.silencer.remove(silence_id)
    except SilenceError as error:
        return f"silence {silence_id} was not ended and expires by itself: {error}"
    return ""


def disables_puppet(world: RebootWorld, off: bool | None) -> bool:
    """Whether Puppet is to be disabled: where that cannot be read, the commands for it may not be there.

    Arguments:
        off: whether it is disabled; None: that cannot be read.
    """
    return world.site.puppet and off is False


def puppet_reason(record: Record) -> str:
    """Return the reason that Puppet is disabled with, and enabled by again."""
    return f"mx-cookbooks run {record.run}: {record.why}".replace('"', "'")


def puppet_off(world: RebootWorld, state: State) -> Done:
    """Disable Puppet where the claim has not, or somebody has enabled it since."""
    world.act(f"# disable Puppet\n{puppet_off_script(record_of(state))}", timeout=PUPPET_S)
    return Done("Puppet is disabled")


def puppet_off_script(record: Record) -> str:
    """Return the script that disables Puppet, so that its lock outlasts a power cut.

    An empty lock is nobody's, and is never taken away.
    """
    return f"disable-puppet {quoted(puppet_reason(record))}\nsync\n"


def puppet_on(world: RebootWorld, state: State) -> Done:
    """Enable Puppet again on a host that stays in the run's hands."""
    world.act(f"# enable Puppet\n{_puppet_on_script(record_of(state))}", timeout=PUPPET_S)
    return Done("Puppet is enabled")


def _puppet_on_script(record: Record) -> str:
    """With the reason it was disabled with; the site's command only says it where it does not."""
    enabled = f"bash -c '. {PUPPET} && test -n \"$PUPPET_DISABLEDLOCK\" && test ! -f \"$PUPPET_DISABLEDLOCK\"'"
    return f"enable-puppet {quoted(puppet_reason(record))}\n{enabled}\n"


def pool_out(world: RebootWorld, state: State) -> Done:
    """Take the host out of the pool, where it is as it was: the values before are in the record since the claim."""
    ask_before_out(world, state, Step.POOL_OUT)
    world.still()
    return _write_pool(world, _out_of_pool(state))


def pool_in(world: RebootWorld, state: State) -> Done:
    """Give the pool objects the values they had, where the host still is in the boot that was judged."""
    world.still()
    return _write_pool(world, _prior_pool(state))


def _out_of_pool(state: State) -> dict[str, str]:
    return dict.fromkeys(_prior_pool(state), OUT_OF_POOL)


def _prior_pool(state: State) -> Mapping[str, str]:
    return record_of(state).prior.pool or {}


def _write_pool(world: RebootWorld, values: Mapping[str, str]) -> Done:
    world.adapters.pool.write(values)
    return Done("; ".join(world.adapters.pool.command(values)))


def turn_back(world: RebootWorld, state: State) -> Done:
    """Decide for good to undo: whoever resumes the run undoes, too."""
    record = record_of(state)
    world.remember(dataclasses.replace(record, undoing=world.progress.turning or "turned back"))
    return Done(f"turning back: {world.progress.turning}")


def release(world: RebootWorld, state: State) -> Done:
    """Enable Puppet, remove the record, then give the slot up: so nobody finds the slot free and the host taken."""
    puppet = _enables(state)
    enable = _puppet_on_script(record_of(state)) if puppet else ""
    forget = f"cd {DIRECTORY}\nrm -f run.json ledger ledger-untraced\nsync ."
    script = f"# remove the record of the run\n{enable}{panic.disarm_script()}{forget}"
    world.act(script, timeout=panic.UPDATE_S + (PUPPET_S if puppet else 0))
    world.progress.record = None
    enabled = "Puppet is enabled; " if puppet else ""
    try:
        world.adapters.slot.release()
    except SlotError as error:
        return Done(f"{enabled}the host is free, but the slot of the service was not given up: {error}")
    return Done(f"{enabled}the host and the slot of the service are free")


def _enables(state: State) -> bool:
    return puppet_is_due(state, record_of(state), host_of(state))


def _how_released(_world: RebootWorld, state: State) -> list[str]:
    return [*(["enable-puppet REASON"] if _enables(state) else []), f"rm {RECORD}; give the slot up"]


def _slot_taken(_world: RebootWorld, state: State) -> State:
    return dataclasses.replace(state, slot=Slot.MINE, token=state.token + 1)


def _adopted(world: RebootWorld, state: State) -> State:
    record, boot = record_of(state), state.host.boot if state.host else ""
    undoing = record.undoing or ("aborted" if world.progress.goal.back else "")
    return with_record(state, token=state.token, judged=record.to_judge_again(boot).judged, undoing=undoing)


def _silenced(_world: RebootWorld, state: State) -> State:
    return with_record(state, silences=(*record_of(state).silences, "silence"))


def _pool(found: Pool) -> Rehearse:
    return lambda _world, state: dataclasses.replace(state, pool=found)


def _released(world: RebootWorld, state: State) -> State:
    return dataclasses.replace(state, record=None, released=outcome_of(world.progress.goal, state))


ACTIONS = (
    Action(
        Step.SLOT,
        take_slot,
        _slot_taken,
        lambda world, _state: [f"etcd: set {world.site.slot.key}/holder, if nobody has"],
        undo=Step.RELEASE,
    ),
    Action(Step.ADOPT, adopt, _adopted),
    Action(
        Step.SILENCE,
        silence,
        _silenced,
        lambda world, _state: [f"Alertmanager: silence for {world.site.downtime.minutes} min"],
        undo=Step.UNSILENCE,
    ),
    Action(Step.UNSILENCE, unsilence, on_record(silences=())),
    Action(
        Step.PUPPET_OFF,
        puppet_off,
        on_host(puppet=Puppet.OFF),
        shows("disable-puppet REASON"),
        undo=Step.PUPPET_ON,
    ),
    Action(Step.PUPPET_ON, puppet_on, on_host(puppet=Puppet.ON), shows("enable-puppet REASON")),
    Action(
        Step.POOL_OUT,
        pool_out,
        _pool(Pool.OUT),
        lambda world, state: world.adapters.pool.command(_out_of_pool(state)),
        undo=Step.POOL_IN,
    ),
    Action(
        Step.POOL_IN,
        pool_in,
        _pool(Pool.IN),
        lambda world, state: world.adapters.pool.command(_prior_pool(state)),
        undo=Step.POOL_OUT,
    ),
    Action(Step.TURN_BACK, turn_back, on_record(undoing="turned back")),
    Action(Step.RELEASE, release, _released, _how_released),
)
