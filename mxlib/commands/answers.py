"""A host that does not answer: whether a run of these cookbooks has it out of service, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from mxlib.adapters.etcd_slot import EtcdSlot
from mxlib.base.errors import HostError, MxlibError, PoolError, SlotError
from mxlib.base.parallel import UnderWay
from mxlib.base.text import one_line, with_remark
from mxlib.model.outcome import Outcome
from mxlib.protocols.host import Host
from mxlib.reboot.world import RebootWorld

A = TypeVar("A")
PROBE_S = 10.0
"""Seconds for one question, besides the ten that the transport gets: a host is down that does not answer in time."""


@dataclass(frozen=True)
class Silence:
    """A host that does not answer.

    Attributes:
        outcome: INTERRUPTED where a run holds it, NO_ANSWER where none is known to, UNKNOWN where that cannot be read.
        why: in one sentence, with the next command.
        run: id of the run that holds it; empty where none is known.
    """

    outcome: Outcome
    why: str
    run: str = ""


def after_no_answer(hosts: Sequence[str]) -> str:
    """Return what to do next where none of the hosts that were asked has answered; one alone may well be down.

    Arguments:
        hosts: names of those that were asked.
    """
    this_side = "ssh key, known hosts, ControlPath in cumin's ssh_config, network"
    if len(hosts) == 1:
        status = f"cookbook sre.mail.reboot-mx {hosts[0]} --status"
        return with_remark(status, f"if the host runs, look at this side: {this_side}")
    return f"look at this side first: {this_side}"


def unanswered(host: Host) -> str:
    """Return why a host does not answer one short question; empty where it answers."""
    try:
        host.read("echo here", timeout=PROBE_S)
    except HostError as error:
        return one_line(str(error))
    return ""


def within(asked: UnderWay[A], seconds: float, who: str, kind: type[MxlibError]) -> A | MxlibError:
    """Return the answer, or why it is unknown: whatever a library makes of a service that is away ends no look.

    Arguments:
        seconds: how long it is waited for.
        who: who is asked.
        kind: the error of one that does not answer.
    """
    try:
        return asked.answer(seconds)
    except TimeoutError:
        return kind(f"{who} has not answered in time")
    except MxlibError as error:
        return error
    except (Exception, SystemExit) as error:  # of a library that gets its configuration only here; conftool exits
        return kind(f"{who}: {one_line(repr(error))}")


def silence(world: RebootWorld) -> Silence | None:
    """Return what a host's silence means; None where it answers. Nothing needs to be claimed."""
    why = unanswered(world.target)
    return _silence(world, f"the host does not answer ({why})") if why else None


def _silence(world: RebootWorld, said: str) -> Silence:
    name = world.target.name
    try:
        run = _holder(world)
    except SlotError as error:
        return Silence(Outcome.UNKNOWN, f"{said}; whether a run has it out of service cannot be read: {error}")
    off = world.adapters.rescue.off()
    if run:
        state = "its machine is off" if off else "it may be on its way up"
        command = with_remark(f"cookbook sre.mail.reboot-mx {name} --resume", "to undo instead: --abort")
        unseen = f"whether its ports are closed is not known (pool: {_pool(world)})"
        return Silence(Outcome.INTERRUPTED, f"{said}; run {run} holds it, and {state}; {unseen}; next: {command}", run)
    nobody = "no run of these cookbooks is known to hold it"
    return Silence(Outcome.NO_ANSWER, f"{said}; {nobody}; next: {_look(world, off)}")


def _pool(world: RebootWorld) -> str:
    try:
        values = world.adapters.pool.read()
    except PoolError:
        values = None
    return "cannot be read" if values is None else ", ".join(f"{one}={values[one]}" for one in sorted(values)) or "none"


def _holder(world: RebootWorld) -> str:
    """Return the run that holds the slot of the service for this host; empty: none does."""
    if not isinstance(world.adapters.slot, EtcdSlot):
        return ""
    holder = world.adapters.slot.look().holder
    return one_line(holder.run) if holder is not None and holder.host == world.target.name else ""


def _look(world: RebootWorld, off: bool) -> str:
    name = world.target.name
    if world.site.ganeti is None:
        return f"look at the console of {name}, or start it"
    if off:
        return with_remark(f"gnt-instance start {name}", "its machine is off; on the cluster's master")
    return f"cookbook sre.mail.repair-nic {name} --repair"
