"""GRUB's entries: the kernel that is tried once, the fallback that stays, and the kernel that is kept once verified."""

import re

from mxlib.base.errors import StepError
from mxlib.base.text import one_line
from mxlib.facts.proven_kernels import ProvenKernel, add_script
from mxlib.model.on_host import DIRECTORY, quoted
from mxlib.model.record import Record
from mxlib.model.state import State, Step
from mxlib.protocols.world import Done
from mxlib.reboot.steps import panic
from mxlib.reboot.steps.step import Action, host_of, shows, with_host
from mxlib.reboot.world import RebootWorld, record_of

_ENVIRONMENT = "/boot/grub/grubenv"
_ENTRIES_S = 30.0
_HELD_S = 120.0
"""Seconds to wait for dpkg's lock; after that the kernel is not held against autoremove."""
NOT_HELD, NO_PACKAGE = "kernel-not-held", "kernel-no-package"
# What was there before a run goes back as it was: an id, a title in the host's language, or a number.
_ENTRY = re.compile(r"[^\x00-\x1f\x7f]*")


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
        saved: full id of the saved entry; empty removes it.
        next_: full id of the entry for one boot; empty removes it.
        first: a script that has to succeed before.
        timeout: seconds for that script.

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


def arm_script(world: RebootWorld, record: Record) -> str:
    """Return the script that turns a panic of the kernel on trial into a reboot; empty where none is on trial."""
    panics = world.site.boot.panic
    return panic.arm_script(panics) if panics and world.progress.goal.entries_for(record)[1] else ""


def entries(world: RebootWorld, state: State) -> Done:
    """Set the fallback as saved entry, the wanted kernel for one boot."""
    record, goal = record_of(state), world.progress.goal
    wanted = goal.kernel_for(record)
    saved, next_ = goal.entries_for(record)
    arms = arm_script(world, record)  # does nothing where the claim has done it
    first = f"# set the boot entries\n{arms}" if arms else ""
    set_entries(world, saved, next_, first, timeout=panic.UPDATE_S if arms else 0.0)
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
    proof = ProvenKernel(release, world.target.name, when, record.run, state.host.build)
    noted = f"{hold_script(release)}{add_script(quoted(proof.to_json()))}"
    first = f"# keep the kernel and note it as proven\n{panic.disarm_script()}{noted}"
    said = set_entries(world, known[release], "", first, timeout=panic.UPDATE_S + _HELD_S)
    package = f"linux-image-{release}"
    held = "held against autoremove"
    if NOT_HELD in said:
        held = f"NOT HELD: run apt-mark hold {package}"
    elif NO_PACKAGE in said:
        held = f"not held, as no package {package} is installed"
    return Done(f"{release} is verified, now the saved entry, {held}, and noted as proven")


def hold_script(release: str) -> str:
    """Keep a kernel's package from being removed, and let go of the one that an earlier run has kept so.

    Where dpkg is locked, as by unattended upgrades after a boot, it is waited for; where that takes too long the script
    says :data:`NOT_HELD` and succeeds: a verified host is not left out for it. dpkg itself is asked, as apt reads its
    whole cache first: on a slow host that is a second each time.

    Arguments:
        release: as ``uname -r`` says it.
    """
    kept = f"{DIRECTORY}/held-kernel"
    new = quoted(f"linux-image-{release}")
    return f"""\
selected() {{ dpkg-query -W -f '${{db:Status-Want}}\n' "$1" 2>/dev/null | grep -qx "$2"; }}
selects() {{
case $old in {new}) ;; linux-image-[0-9]*) ! selected "$old" hold || echo "$old install" ;; esac
echo {new} hold
}}
old=$(cat {kept} 2>/dev/null || true)
if selected {new} hold; then :
elif ! selected {new} install; then echo {NO_PACKAGE}
else
left={round(_HELD_S / 2)}
until selects | dpkg --set-selections >/dev/null 2>&1 && selected {new} hold; do
left=$((left - 1))
[ "$left" -gt 0 ] || {{ echo {NOT_HELD}; break; }}
sleep 2
done
[ "$left" -eq 0 ] || put {kept} {new}
fi
"""


def entries_back(world: RebootWorld, state: State) -> Done:
    """Set the boot entries as they were before the run."""
    set_entries(world, record_of(state).prior.saved_entry, "", panic.disarm_script(), timeout=panic.UPDATE_S)
    return Done("GRUB's saved entry is as it was, and none is set for the next boot only")


def _with_entries(world: RebootWorld, state: State) -> State:
    saved, next_ = world.progress.goal.entries_for(record_of(state))
    return with_host(state, saved=saved, next=next_)


def _commands_for_entries(world: RebootWorld, state: State) -> list[str]:
    saved, next_ = world.progress.goal.entries_for(record_of(state))
    # what the script is for, then the two entries
    return entries_script(saved, next_).splitlines()[1:3]


def _kept(_world: RebootWorld, state: State) -> State:
    record = record_of(state)
    known = {one.release: one.entry for one in (record.fallback, record.target)}
    return with_host(state, saved=known.get(host_of(state).kernel, ""), next="")


def _entries_as_before(_world: RebootWorld, state: State) -> State:
    return with_host(state, saved=record_of(state).prior.saved_entry, next="")


ACTIONS = (
    Action(Step.ENTRIES, entries, _with_entries, _commands_for_entries, undo=Step.ENTRIES_BACK),
    Action(Step.ENTRIES_BACK, entries_back, _entries_as_before),
    Action(Step.KEEP, keep, _kept, shows("grub-editenv: saved_entry = the verified kernel")),
)
