"""The boot entries, the reboot, and the wait for the boot that follows."""

import dataclasses
import itertools
import re

from mxlib.base.errors import HostError, ParseError, StepError
from mxlib.base.text import duration, one_line
from mxlib.facts.proven_kernels import Proof, add_script
from mxlib.model.on_host import DIRECTORY, quoted
from mxlib.model.record import Boot, Level, Record
from mxlib.model.state import Mta, Ports, Slot, State, Step, Waited
from mxlib.mta.standing import Standing, read_standing
from mxlib.protocols.world import Done
from mxlib.reboot.peers import lacking_others
from mxlib.reboot.steps import ledger, network, panic
from mxlib.reboot.steps.step import Action, host_of, shows, with_host
from mxlib.reboot.world import RebootWorld, record_of

_ENVIRONMENT = "/boot/grub/grubenv"
_ENTRIES_S = 30.0
_HELD_S = 120.0
"""So long dpkg's lock is waited for before a kernel goes without being held against autoremove."""
NOT_HELD = "kernel-not-held"
_POLL_S = 3.0
_ASK_S = 5.0
_NOT_STOPPING_S = 20.0
"""A host that this long after the order answers in the old boot, with no shutdown under way, has not heard it."""
_ASK_CLUSTER = 5
"""Every so many polls the cluster is asked whether the machine is off; after the order for a cold start, at each."""
_ORDER = {Level.GUEST: "systemctl --no-block reboot", Level.COLD: "systemctl --no-block poweroff"}
# What was there before a run goes back as it was: an id, a title in the host's language, or a number.
_ENTRY = re.compile(r"[^\x00-\x1f\x7f]*")
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


def entries_script(saved: str, next_: str) -> str:
    """Set GRUB's saved entry and the one for the next boot only, and read them back.

    The ids were found in the real grub.cfg: an id GRUB does not know boots the newest kernel in silence.

    Arguments:
        saved: full id of the saved entry; empty removes it.
        next_: full id of the entry for one boot; empty removes it.

    Raises:
        mxlib.base.errors.StepError: an entry has control characters.
    """
    for entry in (saved, next_):
        if not _ENTRY.fullmatch(entry):
            raise StepError(f"not the name of a boot entry: {one_line(entry)}")
    lines = [_set("saved_entry", saved), _set("next_entry", next_)]
    check = f"grub-editenv {_ENVIRONMENT} list | grep -E '^(saved|next)_entry=' || true"
    return "\n".join(["# set the boot entries", *lines, f"sync {_ENVIRONMENT}", check])


def _set(name: str, entry: str) -> str:
    if entry:
        return f"grub-editenv {_ENVIRONMENT} set {quoted(f'{name}={entry}')}"
    return f"grub-editenv {_ENVIRONMENT} unset {name}"


def set_entries(world: RebootWorld, saved: str, next_: str, first: str = "", timeout: float = 0.0) -> str:
    """Set the entries and prove that they stand.

    Arguments:
        saved: full id of the saved entry.
        next_: full id of the entry for one boot.
        first: a script that has to succeed before.
        timeout: seconds for it.

    Returns:
        What was printed.

    Raises:
        mxlib.base.errors.StepError: what was read back is something else.
    """
    said = world.act(f"{first}{entries_script(saved, next_)}", timeout=timeout + _ENTRIES_S).output
    read = dict(line.split("=", 1) for line in said.splitlines() if "_entry=" in line)
    if (read.get("saved_entry", ""), read.get("next_entry", "")) != (saved, next_):
        raise StepError(f"GRUB's environment does not hold what was written: {one_line(said)}")
    return said


def entries(world: RebootWorld, state: State) -> Done:
    """Set the fallback as saved entry, the wanted kernel for one boot."""
    record, goal = record_of(state), world.progress.goal
    wanted = goal.kernel_for(record)
    saved, next_ = goal.entries_for(record)
    panics = world.site.boot.panic
    armed = f"# set the boot entries\n{panic.arm_script(panics)}" if next_ and panics else ""
    set_entries(world, saved, next_, armed, timeout=panic.UPDATE_S if armed else 0.0)
    once = f"{wanted.release} for one boot, then " if next_ else ""
    return Done(f"GRUB boots {once}{record.fallback.release}", {"saved": saved, "next": next_})


def keep(world: RebootWorld, state: State) -> Done:
    """Make the verified kernel the saved entry.

    In one act, the entry last: it is what shows that the step was taken.
    """
    record = record_of(state)
    assert state.host is not None
    known = {one.release: one.entry for one in (record.fallback, record.target)}
    release = state.host.kernel
    when = world.clock.now().isoformat(timespec="seconds")
    proof = Proof(release, world.target.name, when, record.run, state.host.build)
    noted = f"{hold_script(release)}{add_script(quoted(proof.to_json()))}"
    first = f"# keep the kernel and note it as proven\n{panic.disarm_script()}{noted}"
    said = set_entries(world, known[release], "", first, timeout=panic.UPDATE_S + _HELD_S)
    held = "held against autoremove" if NOT_HELD not in said else f"NOT HELD: run apt-mark hold linux-image-{release}"
    return Done(f"{release} is verified, now the saved entry, {held}, and noted as proven")


def hold_script(release: str) -> str:
    """Keep a kernel's package from being removed, and let go of the one that an earlier run has kept so.

    Where dpkg is locked, as by unattended upgrades after a boot, it is waited for; where that takes too long the script
    says :data:`NOT_HELD` and succeeds: a verified host is not left out for it.

    Arguments:
        release: as ``uname -r`` says it.
    """
    kept = f"{DIRECTORY}/held-kernel"
    new = quoted(f"linux-image-{release}")
    return f"""\
old=$(cat {kept} 2>/dev/null || true)
if [ "$old" != {new} ] && ! apt-mark showhold | grep -qxF {new}; then
left={round(_HELD_S / 2)}
until apt-mark hold {new} >/dev/null 2>&1; do
left=$((left - 1))
[ "$left" -gt 0 ] || {{ echo {NOT_HELD}; break; }}
sleep 2
done
if [ "$left" -gt 0 ]; then
put {kept} {new}
case $old in linux-image-[0-9]*) apt-mark unhold "$old" >/dev/null 2>&1 || true ;; esac
fi
fi
"""


def entries_back(world: RebootWorld, state: State) -> Done:
    """The boot entries as they were."""
    set_entries(world, record_of(state).prior.saved_entry, "", panic.disarm_script(), timeout=panic.UPDATE_S)
    return Done("GRUB's entries are as they were")


def reboot(world: RebootWorld, state: State) -> Done:
    """Order the reboot, after a last look at everything that must be so; the order is recorded before it is given."""
    record, goal = record_of(state), world.progress.goal
    wanted, level = goal.kernel_for(record), goal.level_for(record)
    standing = read_standing(world.target, world.mta)
    _point_of_no_return(world, standing, goal.entries_for(record))
    ordered = record
    if record.awaited is None:
        boot = Boot(standing.view.boot, wanted.release, level=level)
        ordered = dataclasses.replace(record, boots=(*record.boots, boot))
    else:
        world.progress.reordered = True
    world.progress.cures.discard(Step.POWER_ON)
    world.adapters.rescue.watch()
    world.progress.waited = Waited.NO
    world.act(order_script(level), record=ordered, look=False)
    how = "reboot" if level is Level.GUEST else "shutdown for a cold start"
    return Done(f"{how} into {wanted.release} ordered")


def order_script(level: Level) -> str:
    """The order from inside: for a cold start the machine switches itself off, and is started from outside then.

    Arguments:
        level: how it is rebooted.
    """
    return f"# order {_ORDER[level]}\nsync\n{HANG_UP}{_ORDER[level]}"


def _point_of_no_return(world: RebootWorld, standing: Standing, entries_: tuple[str, str]) -> None:
    """Raise unless a reboot loses nothing and leaves enough others.

    Raises:
        mxlib.base.errors.StepError: what stands against it.
    """
    view = world.view(standing)
    against = [
        text
        for wrong, text in (
            (world.adapters.slot.state() is not Slot.MINE, "the slot of the service is not ours"),
            (view.mta is not Mta.HELD, "the MTA is not held and at rest"),
            (view.ports is not Ports.CLOSED, "the mail ports are not closed for good"),
            ((view.saved, view.next) != entries_, "the boot entries are not as set"),
        )
        if wrong
    ]
    against += lacking_others(world)
    if against:
        raise StepError("no reboot: " + "; ".join(against))


def await_boot(world: RebootWorld, state: State) -> Done:
    """Wait for an answer from a boot that is not the one that was to end."""
    try:
        return _await(world, state)
    finally:
        world.adapters.rescue.unwatch()


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
    """Find out over the console why the host does not answer, and repair what certainly can be."""
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


def _await(world: RebootWorld, state: State) -> Done:
    record = state.record
    begin = world.clock.monotonic()
    for poll in itertools.count(1):
        standing, problem = _try_standing(world)
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
        world.operator.live(
            f"waiting for a new boot, {duration(waited)} of {duration(world.site.boot.timeout)}: {problem}"
        )
        world.clock.sleep(_POLL_S)
    raise AssertionError("a count has no end")


def _asks_cluster(record: Record | None, poll: int) -> bool:
    cold = record is not None and record.awaited is not None and record.awaited.level is Level.COLD
    return cold or poll % _ASK_CLUSTER == 0


def _try_standing(world: RebootWorld) -> tuple[Standing | None, str]:
    """Where the host stands, if it answers a short question first: a host on its way down lets a long one hang."""
    try:
        world.target.read("# ask whether it answers\ntrue", timeout=_ASK_S)
        standing = read_standing(world.target, world.mta)
    except (HostError, ParseError) as error:
        return None, one_line(str(error), 80)
    return standing, "shutting down" if standing.stopping else "still the old boot"


def _another_boot(standing: Standing, record: Record | None) -> bool:
    """Whether the boot that was to end has ended; the record on the host knows of an order whose answer was lost."""
    known = standing.depool.record or record
    return known is None or known.awaited is None or standing.view.boot != known.awaited.before


def _booted(world: RebootWorld, standing: Standing, waited: float) -> Done:
    world.progress.waited = Waited.NO
    world.decide_on(standing)
    view, record = standing.view, standing.depool.record
    # Whose run this is, was perhaps not known while the host was silent: then the slot comes first.
    if record is not None and record.awaited is not None and record.token <= world.adapters.slot.token:
        booted = dataclasses.replace(record.awaited, after=view.boot, kernel=view.kernel)
        world.remember(dataclasses.replace(record, boots=(*record.boots[:-1], booted)))
        as_wanted = "as wanted" if view.kernel == booted.wanted else f"NOT {booted.wanted}"
        return Done(f"back after {duration(waited)} with {view.kernel}, {as_wanted}", {"boot": view.boot})
    return Done(f"the host answers again, with {view.kernel}")


def found_boot(world: RebootWorld, state: State) -> Done:
    """Take note of a boot that nobody of this run has ordered, and of what it has made untraceable."""
    record = record_of(state)
    assert state.host is not None
    untraced = ledger.set_apart_untraced(world, record)
    boot = Boot(before=record.boot, wanted="", after=state.host.boot, kernel=state.host.kernel)
    world.remember(dataclasses.replace(record, boots=(*record.boots, boot)))
    said = f"the host has booted without this run, with {state.host.kernel}: it is verified before it serves"
    return Done(f"{said}{untraced.note}", untraced.evidence)


def _with_entries(world: RebootWorld, state: State) -> State:
    saved, next_ = world.progress.goal.entries_for(record_of(state))
    return with_host(state, saved=saved, next=next_)


def _commands_for_entries(world: RebootWorld, state: State) -> list[str]:
    saved, next_ = world.progress.goal.entries_for(record_of(state))
    seconds = world.site.boot.panic
    armed = [f"panic={seconds} in /etc/default/grub.d; update-grub"] if next_ and seconds else []
    # what the script is for, then the two entries
    return armed + entries_script(saved, next_).splitlines()[1:3]


def _order(world: RebootWorld, state: State) -> list[str]:
    level = world.progress.goal.level_for(record_of(state))
    start = [f"gnt-instance start --paused {world.target.name}, with the console on it"]
    return [order_script(level).splitlines()[-1], *(start if level is Level.COLD else [])]


def _rebooted(world: RebootWorld, state: State) -> State:
    record, goal, host = record_of(state), world.progress.goal, host_of(state)
    wanted, level = goal.kernel_for(record), goal.level_for(record)
    boot = Boot(host.boot, wanted.release, f"boot-{len(record.boots) + 1}", wanted.release, level)
    came = dataclasses.replace(host, boot=boot.after, kernel=boot.kernel, next="")
    return dataclasses.replace(state, host=came, record=dataclasses.replace(record, boots=(*record.boots, boot)))


def _answers(_world: RebootWorld, state: State) -> State:
    return dataclasses.replace(state, waited=Waited.NO)


def _kept(_world: RebootWorld, state: State) -> State:
    record = record_of(state)
    known = {one.release: one.entry for one in (record.fallback, record.target)}
    return with_host(state, saved=known.get(host_of(state).kernel, ""), next="")


def _entries_as_before(_world: RebootWorld, state: State) -> State:
    return with_host(state, saved=record_of(state).prior.saved_entry, next="")


def _noted(_world: RebootWorld, state: State) -> State:
    record, host = record_of(state), host_of(state)
    boots = (*record.boots, Boot(record.boot, "", host.boot, host.kernel))
    return dataclasses.replace(state, record=dataclasses.replace(record, boots=boots))


ACTIONS = (
    Action(Step.ENTRIES, entries, _with_entries, _commands_for_entries, undo=Step.ENTRIES_BACK),
    Action(Step.ENTRIES_BACK, entries_back, _entries_as_before),
    Action(Step.REBOOT, reboot, _rebooted, _order),
    Action(
        Step.AWAIT,
        await_boot,
        _answers,
        lambda world, _state: [f"wait for another boot id, at most {world.site.boot.timeout:g} s"],
    ),
    Action(Step.POWER_ON, power_on, _answers),
    Action(Step.MEND, mend, _answers),
    Action(Step.POWER_CYCLE, power_cycle, _answers),
    Action(Step.FOUND_BOOT, found_boot, _noted),
    Action(Step.KEEP, keep, _kept, shows("grub-editenv: saved_entry = the verified kernel")),
)
