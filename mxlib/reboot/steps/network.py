"""The host's network names around a cold start: both prepared before it, one left after it."""

import dataclasses
from collections.abc import Sequence

from mxlib.base.errors import HostError, MxlibError, ParseError
from mxlib.base.text import one_line
from mxlib.model.on_host import quoted
from mxlib.model.record import Record
from mxlib.model.state import State, Step
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, host_of, on_record, shows, with_record
from mxlib.reboot.world import RebootWorld, record_of

_REVIVE_S = 60


def prevent(world: RebootWorld, state: State) -> Done:
    """Prepare the host for the name that a cold start gives its interface; that it may hold both is noted before."""
    record = record_of(state)
    assert state.host is not None
    renames = world.adapters.rescue.renames()
    if not renames:
        world.remember(dataclasses.replace(record, prepared=state.host.boot))
        return Done("no interface is known to be renamed by a cold start: nothing to prepare")
    pinned = tuple(renames) if record.prevention == "link" else ()
    noted = dataclasses.replace(record, unsettled=True, pinned=pinned)
    world.remember(noted)
    done = world.adapters.rescue.prevent(record.prevention, _kernels(record))
    world.remember(dataclasses.replace(noted, prepared=state.host.boot))
    return Done(done, {"renames": dict(renames)})


def settle(world: RebootWorld, state: State) -> Done:
    """Leave each interface the one name it has. What cannot be settled is reported and harmless: both serve."""
    record = record_of(state)
    assert state.host is not None
    # A pin that the host has booted with holds its name: only one that was never needed is let go of.
    unneeded = record.pinned if state.host.boot == record.boot_before else ()
    try:
        done = world.adapters.rescue.settle(unneeded, _kernels(record))
    except MxlibError as error:
        done = f"NOT settled, look at /etc/network/interfaces: {one_line(str(error), 300)}"
    world.remember(dataclasses.replace(record, unsettled=False, prepared="", pinned=()))
    return Done(done)


def revive_script(required: Sequence[str], mta_units: Sequence[str]) -> str:
    """Return the script that starts again what failed without a network: required services, and those of a timer.

    The MTA is not among them: whether it may run is decided elsewhere.

    Arguments:
        required: units that the site wants to run.
        mta_units: units that may start the MTA.
    """
    wanted = " ".join(quoted(name) for name in required if name not in mta_units)
    return f"""\
# start what failed without a network
for unit in $(systemctl list-units --state=failed --type=service --plain --no-legend | cut -d' ' -f1); do
case " {" ".join(mta_units)} " in *" $unit "*) continue ;; esac
by=$(systemctl show -p TriggeredBy --value -- "$unit")
for name in {wanted}; do [ "$unit" != "$name" ] || by=site; done
[ -n "$by" ] || continue
systemctl reset-failed -- "$unit"
timeout {_REVIVE_S} systemctl start -- "$unit" && echo "$unit" || echo "$unit (it fails again)"
done
"""


def revive(world: RebootWorld) -> str:
    """Start again what failed without a network, and return that in one line; empty if nothing was to be done.

    The host has come up in another boot than the last act was decided on, so it is looked at first.
    """
    try:
        world.decide_on(world.standing_now())
        script = revive_script(world.site.verify.unit_names, world.mta.units)
        said = world.act(script, timeout=4 * _REVIVE_S, look=False).output.split("\n")
    except (HostError, ParseError) as error:
        return f"what failed without a network was not started again: {one_line(str(error), 200)}"
    names = ", ".join(one_line(line) for line in said if line.strip())
    return f"started again, as they had failed without a network: {names}" if names else ""


def _kernels(record: Record) -> tuple[str, ...]:
    return tuple(dict.fromkeys((record.target.release, record.fallback.release)))


def _prepared(_world: RebootWorld, state: State) -> State:
    return with_record(state, unsettled=True, prepared=host_of(state).boot)


def _how(world: RebootWorld, _state: State) -> list[str]:
    return [f"as sre.mail.repair-nic --pin --method {world.options.prevention}, where a name changes"]


ACTIONS = (
    Action(Step.PREVENT, prevent, _prepared, _how, undo=Step.SETTLE),
    Action(
        Step.SETTLE,
        settle,
        on_record(unsettled=False, prepared="", pinned=()),
        shows("as sre.mail.repair-nic --settle"),
    ),
)
