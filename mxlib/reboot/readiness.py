"""Judging whether a host may be taken out of service and rebooted, for the guard. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mxlib.base.text import plural
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.grub import GrubFacts
from mxlib.facts.kernel import KernelFacts
from mxlib.facts.sockets import Socket
from mxlib.model.state import MtaState, Ports, Puppet, Slot
from mxlib.mta import standing as standing_of
from mxlib.mta.standing import PUPPET, Standing


@dataclass(frozen=True)
class Busy:
    """Who else is at work on the host, and what a run needs of it.

    Attributes:
        package_lock: whether apt or dpkg is running.
        logins: logged-in people, one text each.
        inhibitors: what asks systemd not to shut down, one text each.
        has_nft: whether it has ``nft``, which closes the ports.
        unread: why it cannot be read what inhibits a shutdown; empty where it can.
    """

    package_lock: bool
    logins: tuple[str, ...]
    inhibitors: tuple[str, ...]
    has_nft: bool
    unread: str = ""


def _verdict(check: str, good: bool, why: str, fine: str = "") -> Verdict:
    return Verdict(check, Status.OK if good else Status.FAILED, fine or why if good else why)


def standing(found: Standing, ports: Ports) -> Iterator[Verdict]:
    """Judge whether the host serves, and nobody has taken it out.

    Arguments:
        ports: how the mail ports are that the site names.
    """
    record = found.depool.record
    taken = f"taken out by run {record.run} ({record.who} since {record.since}): {record.why}" if record else ""
    yield _verdict("record", record is None, taken, "no run has taken it out")
    yield _verdict(
        "ports", ports is Ports.OPEN, f"mail ports are {ports.value} by a table that no run owns", "ports open"
    )
    state = f"its unit is {found.mta_unit}, {found.listeners} sockets listen on port 25, masked: {found.masked}"
    yield _verdict("mta", found.view.mta is MtaState.SERVING, f"the MTA is not serving: {state}", "the MTA serves")
    once = f"a one-time boot entry is set already: {found.view.next}; a reboot takes its place, and it is not set again"
    yield _verdict("next-entry", not found.view.next, once, "none")
    yield _verdict("shutdown", not found.stopping, "a shutdown is under way", "no shutdown under way")


def runs(found: Standing | None, unit: str) -> Verdict:
    """Judge whether the MTA of a host in service runs and listens; that it did not before the run excuses nothing.

    Arguments:
        found: where the host stands; None: that cannot be read.
        unit: the MTA's.
    """
    if found is None:
        return Verdict("mta-serves", Status.UNKNOWN, f"whether {unit} runs and listens cannot be read")
    why = f"{unit} is {found.mta_unit}, {plural(found.listeners, 'socket')} on port 25"
    return _verdict("mta-serves", standing_of.runs(found), why)


_PUPPET = {
    Puppet.ON: "Puppet is enabled",
    Puppet.OFF: "Puppet is disabled already",
    Puppet.ABSENT: "there is no Puppet to disable",
}


def puppet(found: Standing) -> Verdict:
    """Judge whether it can be read if Puppet is disabled, on a site whose runs disable it."""
    if found.view.puppet is Puppet.UNKNOWN:
        needs = f"expected disable-puppet, enable-puppet and {PUPPET} on the host, or puppet: false"
        return Verdict("puppet", Status.UNKNOWN, f"whether Puppet is disabled cannot be read: {needs}")
    return Verdict("puppet", Status.OK, _PUPPET[found.view.puppet])


def kernels(
    found: KernelFacts, grub: GrubFacts, target: str, *, cold: bool = False, replaced: bool = False
) -> Iterator[Verdict]:
    """Judge whether the target and the running kernel, its fallback, are whole, two, and can be booted by name.

    Arguments:
        target: release to boot.
        cold: whether the machine is built anew, for which the running kernel will do.
        replaced: whether the image of the running kernel is of another build, whatever its package says.
    """
    fallback = found.running
    for role, release in (("target", target), ("fallback", fallback)):
        kernel = found.find(release)
        lacks = "everything" if kernel is None else ", ".join(kernel.missing)
        whole = kernel is not None and kernel.whole
        yield _verdict(f"kernel-{role}", whole, f"{role} {release} lacks {lacks}", f"{role} {release} is whole")
        entry = grub.entry_for(release)
        yield _verdict(
            f"entry-{role}", entry is not None, f"{release} has no entry in grub.cfg", f"{release} has an entry"
        )
    build = "; another build of it is on the disk" if replaced else ""
    if found.waiting_build:
        build = f"; it runs as {found.build}, and only {found.waiting_build} is on the disk"
    same = f"the fallback is the target itself, {target}: there would be nothing to return to{build}"
    again = target == fallback and not build
    fine = "no other kernel is tried" if again else f"fallback {fallback}"
    yield _verdict("fallback", target != fallback or again, same, fine)
    if again and not cold:
        yield _verdict("target-runs", False, f"{target} is running already: this would only restart the host")


def boot_menu(grub: GrubFacts) -> Iterator[Verdict]:
    """Judge whether GRUB boots an entry that is set, and that for one boot only once."""
    fixed = f"GRUB boots {grub.default}, not the saved entry: set GRUB_DEFAULT=saved and run update-grub"
    yield _verdict("grub-default", grub.default == "saved", fixed, "GRUB boots the saved entry")
    sticky = "GRUB_SAVEDEFAULT makes every booted entry the saved one: no fallback would stay armed"
    yield _verdict("grub-savedefault", not grub.savedefault, sticky, "no GRUB_SAVEDEFAULT")
    stuck = f"GRUB would not boot a one-time entry once: {grub.environment_problem}"
    yield _verdict("grub-environment", grub.environment_writable, stuck, "GRUB boots a one-time entry once")


def busy(found: Busy) -> Iterator[Verdict]:
    """Judge whether nobody else is at work on the host."""
    yield _verdict("packages", not found.package_lock, "apt or dpkg is running", "no package operation")
    logins = "; ".join(found.logins)
    yield _verdict("logins", not found.logins, f"somebody is logged in: {logins}", "nobody is logged in")
    yield _inhibitors(found)
    yield _verdict("nft", found.has_nft, "there is no nft: the ports cannot be closed for good", "nft is there")


def _inhibitors(found: Busy) -> Verdict:
    if found.unread:
        return Verdict("inhibitors", Status.UNKNOWN, f"what inhibits a shutdown cannot be read: {found.unread}")
    inhibitors = "; ".join(found.inhibitors)
    return _verdict("inhibitors", not inhibitors, f"something inhibits a shutdown: {inhibitors}", "no inhibitor")


def listeners(found: Collection[Socket], ports: Collection[int]) -> Verdict:
    """Judge whether all that the MTA serves to other hosts is closed with the mail ports.

    Arguments:
        found: who listens on the host; the MTA is what listens on the mail ports.
        ports: the mail ports that the site names.
    """
    served = [one for one in found if one.port in ports]
    if any(not one.processes for one in served):
        return Verdict("listeners", Status.UNKNOWN, "ss does not say which program serves the mail ports")
    programs = {name for one in served for name, _ in one.processes}
    its = (one for one in found if programs & {name for name, _ in one.processes})
    left = sorted({one.port for one in its if one.public} - set(ports))
    named = ", ".join(map(str, left))
    why = f"the MTA listens on {named} too, which stays open while it is out of service, as ports does not name it"
    return _verdict("listeners", not left, why, "the MTA serves no port that stays open")


POOL_UNREAD = "pool-unread"
"""The finding that ``--without-slot`` accepts: the operator vouches that the closed ports alone keep clients away."""


def pool(values: Mapping[str, str] | None, expected_out: str) -> Verdict:
    """Judge whether the host is in the pool.

    Arguments:
        values: the value of each of its pool objects; empty: there is no pool; None: it cannot be read.
        expected_out: the value that means out, beside "inactive".
    """
    if values is None:
        return Verdict(POOL_UNREAD, Status.UNKNOWN, "the pool state cannot be read, and is left as it is")
    out = sorted(name for name, value in values.items() if value == expected_out or value == "inactive")
    why = f"somebody has taken it out of the pool already: {', '.join(f'{name}={values[name]}' for name in out)}"
    return _verdict("pool", not out, why, "in the pool" if values else "no pool in front")


def slot(found: Slot, said: str) -> Verdict:
    """Judge whether this run can take the slot of the service.

    Arguments:
        said: who has it; empty: nobody.
    """
    if found is Slot.UNKNOWN:
        return Verdict("slot", Status.UNKNOWN, f"the slot of the service cannot be read: {said}")
    return _verdict(
        "slot", found in (Slot.FREE, Slot.LEFT, Slot.MINE), said or "held by somebody else", "the slot is free"
    )
