"""The reboot: the last look before it, the order, and what helps a machine that does not come back from it."""

import dataclasses

from mxlib.base.errors import StepError
from mxlib.model.record import Boot, Level
from mxlib.model.state import MtaState, Ports, Slot, State, Step, Waited
from mxlib.mta.standing import Standing
from mxlib.protocols.world import Done
from mxlib.reboot.peers import lacking_just_now
from mxlib.reboot.steps import ledger, network
from mxlib.reboot.steps.step import Action, answers, host_of
from mxlib.reboot.world import RebootWorld, record_of

# Since systemd 254 a "reboot" is a kexec, past GRUB, or keeps the kernel, if somebody has prepared that meanwhile.
_COLD = "SYSTEMCTL_SKIP_AUTO_KEXEC=1 SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1"
_ORDER = {Level.GUEST: f"{_COLD} systemctl --no-block reboot", Level.COLD: "systemctl --no-block poweroff"}
_GREET_S = 2.0
# Where the management host shares one connection for many commands, it would outlive the host's network and let the
# next commands hang: the session's sshd is ended from inside, once the answer is home. $$ is below timeout and a shell.
HANG_UP = """\
p=$$
while [ "$p" -gt 1 ]; do
case $(cat /proc/$p/comm) in sshd*) break ;; esac
p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status)
done
{ [ "$p" -le 1 ] || { sleep 1; kill "$p"; }; } >/dev/null 2>&1 </dev/null &
"""


def reboot(world: RebootWorld, state: State) -> Done:
    """Order the reboot, after a last look at everything that must be so; the order is recorded before it is given.

    What may take minutes comes before that look: the other MXs, the console, the names of the network.
    """
    record, goal = record_of(state), world.progress.goal
    wanted, level = goal.kernel_for(record), goal.level_for(record)
    _only_if(lacking_just_now(world))
    world.adapters.rescue.attach()
    noted = world.adapters.rescue.note_script()
    world.progress.greeted = world.adapters.greets(_GREET_S)
    try:
        standing = world.standing_now()
        _only_if(_lost_by_a_reboot(world, standing, goal.entries_for(record)))
    except BaseException:
        # nothing waits for a boot that is not ordered, and a console has one reader
        world.adapters.rescue.unwatch()
        raise
    ordered = record
    if record.awaited is None:
        boot = Boot(standing.view.boot, wanted.release, level=level)
        ordered = dataclasses.replace(record, boots=(*record.boots, boot))
    else:
        world.progress.reordered = True
    world.progress.cures.discard(Step.POWER_ON)
    world.progress.waited = Waited.NO
    world.act(order_script(level, noted), record=ordered, look=False)
    how = "reboot" if level is Level.GUEST else "shutdown for a cold start"
    return Done(f"{how} into {wanted.release} ordered")


def order_script(level: Level, noted: str = "") -> str:
    """Return the order from inside: for a cold start the machine switches itself off, to be started from outside.

    Arguments:
        noted: the command that notes the network names; if it fails, a repair knows less, and the order is given.
    """
    first = f"{noted} || echo 'the network names are not noted'\n" if noted else ""
    return f"# order {_ORDER[level]}\n{first}sync\n{HANG_UP}{_ORDER[level]}"


def _lost_by_a_reboot(world: RebootWorld, standing: Standing, entries_: tuple[str, str]) -> list[str]:
    """Return why a reboot could lose something."""
    view = world.view(standing)
    return [
        text
        for wrong, text in (
            (world.adapters.slot.state() is not Slot.MINE, "the slot of the service is not ours"),
            (view.mta is not MtaState.HELD, "the MTA is not held and at rest"),
            (view.ports is not Ports.CLOSED, "the mail ports are not closed for good"),
            ((view.saved, view.next) != entries_, "the boot entries are not as set"),
        )
        if wrong
    ]


def _only_if(blocks: list[str]) -> None:
    """Raise if anything blocks the reboot.

    Raises:
        mxlib.base.errors.StepError: names it.
    """
    if blocks:
        raise StepError("no reboot: " + "; ".join(blocks))


def power_on(world: RebootWorld, _state: State) -> Done:
    """Start a machine that is off: the second half of a cold start, also of one that a dead run has begun."""
    if not world.adapters.rescue.off():
        world.progress.waited = Waited.NO
        return Done("the machine is not off any more")
    world.progress.cures.add(Step.POWER_ON)
    done = world.adapters.rescue.power_on()
    world.progress.waited = Waited.NO
    return Done(done)


def mend(world: RebootWorld, _state: State) -> Done:
    """Find out over the console why the host does not answer, and repair what can be repaired with certainty."""
    world.progress.cures.add(Step.MEND)
    mended = world.adapters.rescue.mend()
    # What is repaired answers now, and what is on its way up is waited for; all else is as silent as before.
    world.progress.waited = Waited.NO if mended.back or mended.wait else Waited.SILENT
    world.progress.diagnosis = "" if mended.back else mended.note
    if not mended.power:
        world.progress.cures.add(Step.POWER_CYCLE)
    revived = network.revive(world) if mended.back else ""
    return Done("; ".join(filter(None, (mended.note, revived))), {"story": mended.lines})


def power_cycle(world: RebootWorld, _state: State) -> Done:
    """Cut the power once: GRUB has forgotten the one-time entry by now, so the fallback boots."""
    world.progress.cures.add(Step.POWER_CYCLE)
    world.progress.waited = Waited.NO
    return Done(world.adapters.rescue.power_cycle() or "the configuration names no way to cut its power")


def found_boot(world: RebootWorld, state: State) -> Done:
    """Note a boot that this run has not ordered, and which messages it has left without a trace."""
    record = record_of(state)
    assert state.host is not None
    untraced = ledger.set_apart_untraced(world, record)
    boot = Boot(before=record.boot, wanted="", after=state.host.boot, kernel=state.host.kernel)
    world.remember(dataclasses.replace(record, boots=(*record.boots, boot)))
    said = f"the host has booted without this run, with {state.host.kernel}: it is verified before it serves"
    return Done(f"{said}{untraced.note}", untraced.evidence)


def _order(world: RebootWorld, state: State) -> list[str]:
    level = world.progress.goal.level_for(record_of(state))
    start = [f"gnt-instance start {world.target.name}, with the console on it"]
    return [order_script(level).splitlines()[-1], *(start if level is Level.COLD else [])]


def _rebooted(world: RebootWorld, state: State) -> State:
    record, goal, host = record_of(state), world.progress.goal, host_of(state)
    wanted, level = goal.kernel_for(record), goal.level_for(record)
    boot = Boot(host.boot, wanted.release, f"boot-{len(record.boots) + 1}", wanted.release, level)
    came = dataclasses.replace(host, boot=boot.after, kernel=boot.kernel, next="")
    return dataclasses.replace(state, host=came, record=dataclasses.replace(record, boots=(*record.boots, boot)))


def _noted(_world: RebootWorld, state: State) -> State:
    record, host = record_of(state), host_of(state)
    boots = (*record.boots, Boot(record.boot, "", host.boot, host.kernel))
    return dataclasses.replace(state, record=dataclasses.replace(record, boots=boots))


ACTIONS = (
    Action(Step.REBOOT, reboot, _rebooted, _order),
    Action(Step.POWER_ON, power_on, answers),
    Action(Step.MEND, mend, answers),
    Action(Step.POWER_CYCLE, power_cycle, answers),
    Action(Step.FOUND_BOOT, found_boot, _noted),
)
