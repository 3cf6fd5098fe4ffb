"""The lab's faults: what can be broken on its real hosts and services, and mended again."""

import json
from collections.abc import Iterator

from lab import lifecycle
from lab.faults import acts
from lab.faults import scripts as fault_scripts
from lab.faults.fault import Fault, FaultTarget, shell
from lab.lifecycle import Stations
from lab.place import Exchanger, Lab, exchanger
from lab.shell import LabError
from lab.stations import infra
from lab.world import worlds

FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "nic-renumber",
            "live at ens5, the next cold start comes up as ens13 (kvm_pci_reservations back to Ganeti 3's default)",
            lambda target: acts.set_reservations(target, "default"),
            acts.back_to_old_layout,
            shows=acts.SHOWS_RENAMING,
        ),
        Fault(
            "second-disk",
            "a disk was added, and takes its PCI slot at the next cold start: ens5 comes up as ens6",
            acts.add_disk,
            acts.remove_disk,
            shows=acts.SHOWS_RENAMING,
        ),
        Fault(
            "bad-kernel",
            "on one kernel only: replies of outbound SMTP connections lose their conntrack state after a large body",
            shell(fault_scripts.BAD_KERNEL),
            shell(fault_scripts.UNDO_BAD_KERNEL),
            shows=fault_scripts.SHOWS_BAD_KERNEL,
        ),
        Fault(
            "kernel-panic",
            "on one kernel only: panics early in the boot",
            shell(fault_scripts.KERNEL_PANIC),
            acts.revived(fault_scripts.undo_unit("lab-kernel-panic")),
            shows=fault_scripts.shows_unit("lab-kernel-panic"),
        ),
        Fault(
            "kernel-hang",
            "on one kernel only: the boot never gets past its first units, nothing answers",
            shell(fault_scripts.KERNEL_HANG),
            acts.revived(fault_scripts.undo_unit("lab-kernel-hang")),
            shows=fault_scripts.shows_unit("lab-kernel-hang"),
        ),
        Fault(
            "stuck-aliases",
            "the alias generator hangs in a read without a time-out: activating for ever, its timer never fires again",
            acts.stick_aliases,
            acts.release_aliases,
        ),
        Fault(
            "cut-aliases",
            "the same, after the generator has begun to write: all but one of its addresses are unknown on this host",
            lambda target: acts.stick_aliases(target, after=1),
            acts.release_aliases,
        ),
        Fault(
            "stale-hints",
            "Exim's retry hints of provider.test and its v4, v6 hosts are past their cutoff: new mail bounces untried",
            shell(fault_scripts.STALE_HINTS),
            shell(fault_scripts.UNDO_STALE_HINTS),
            shows=fault_scripts.SHOWS_STALE_HINTS,
        ),
        Fault(
            "dead-spamd",
            "the second mail daemon is dead, and its first start after every boot fails",
            shell(fault_scripts.first_start_fails("spamd", "systemctl kill --signal=KILL spamd.service")),
            shell(fault_scripts.undo_first_start_fails("spamd")),
            shows=fault_scripts.shows_stopped("spamd"),
        ),
        Fault(
            "no-ferm",
            "the host's firewall (ferm, or nftables) is not loaded, and its first start after every boot fails",
            shell(fault_scripts.first_start_fails("@firewall@", "systemctl stop @firewall@.service")),
            shell(fault_scripts.undo_first_start_fails("@firewall@")),
            shows=fault_scripts.shows_stopped("@firewall@"),
        ),
        Fault(
            "disk-full",
            "no room for new mail on the spool's file system",
            shell('fallocate -l "$(df --output=avail -B1 /var/spool | tail -n 1)" /var/tmp/lab-disk-full'),
            shell("rm -f /var/tmp/lab-disk-full"),
            shows=fault_scripts.SHOWS_FULL_DISK,
        ),
        Fault(
            "console-password",
            "root's password on the host is not the one the operators have",
            shell("echo root:changed-by-somebody | chpasswd"),
            shell("echo root:@password@ | chpasswd"),
            shows=fault_scripts.SHOWS_CHANGED_ROOT,
        ),
        Fault(
            "console-busy",
            "another client holds the serial console: a second one stays silent",
            acts.hold_console,
            lambda target: target.place.node.stop_serving(f"console-busy-{target.mx.name}"),
        ),
        Fault(
            "provider-4xx",
            "the big provider defers every recipient (450)",
            acts.server("provider", {"mode": "tempfail"}),
            acts.server("provider", None),
            of_host=False,
        ),
        Fault(
            "provider-down",
            "the big provider refuses connections",
            acts.server("provider", {"mode": "refuse"}),
            acts.server("provider", None),
            of_host=False,
        ),
        Fault(
            "provider-stall",
            "the big provider never answers after bodies above 100 kB",
            acts.server("provider", {"mode": "stall", "above_bytes": 100_000}),
            acts.server("provider", None),
            of_host=False,
        ),
        Fault(
            "etcd-down",
            "etcd is stopped: no locks, no pool state",
            lambda target: target.place.infra.stop_serving(infra.ETCD_NAME),
            lambda target: infra.start_etcd(target.place.infra),
            of_host=False,
        ),
        Fault(
            "alertmanager-down",
            "Alertmanager is stopped",
            lambda target: target.place.infra.stop_serving(infra.ALERTMANAGER_NAME),
            lambda target: infra.start_alertmanager(target.place.infra),
            of_host=False,
        ),
        Fault(
            "rapi-down",
            "Ganeti's remote API is stopped",
            acts.daemon("stop", "ganeti-rapi"),
            acts.daemon("check-and-start", "ganeti-rapi"),
            of_host=False,
        ),
    )
}


def target(place: Stations, mx: Exchanger, kernel: str | None) -> FaultTarget:
    """Return what a fault is put on; None for the kernel is the newest one of the exchanger's image."""
    newest = lifecycle.image_facts(place.lab, mx).kernels[-1]
    return FaultTarget(place, mx, kernel or newest)


def broken(lab: Lab) -> list[dict[str, str]]:
    """Return the faults that were put on and not taken off: name, host, kernel."""
    path = lab.state / "faults.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def _remember(lab: Lab, entries: list[dict[str, str]]) -> None:
    (lab.state / "faults.json").write_text(json.dumps(entries, indent=1) + "\n")


def find(name: str) -> Fault:
    """Return the fault of a name.

    Raises:
        LabError: there is none.
    """
    if name not in FAULTS:
        raise LabError(f"unknown fault {name!r}: expected one of {', '.join(FAULTS)}")
    return FAULTS[name]


def apply(goal: FaultTarget, fault: Fault) -> None:
    """Put a fault on. It is remembered first, so that `mend all` finds it however this ends.

    Raises:
        LabError: it could not be put on, or its symptom does not show: it has no effect in this world.
    """
    lab = goal.place.lab
    entry = {"fault": fault.name, "host": goal.mx.name if fault.of_host else "", "kernel": goal.kernel}
    _remember(lab, [known for known in broken(lab) if not _same(known, entry)] + [entry])
    fault.apply(goal)
    if fault.shows:
        _must_show(goal, fault)


def _must_show(goal: FaultTarget, fault: Fault) -> None:
    try:
        shell(fault.shows)(goal)
    except LabError as error:
        where = f"{goal.mx.name} ({worlds.of(goal.place.lab, goal.mx).differs()})"
        raise LabError(f"{fault.name} took no effect on {where}: {error}; `lab/mxlab mend all` takes it off") from error


def undo(goal: FaultTarget, fault: Fault) -> None:
    """Take a fault off."""
    fault.undo(goal)
    lab = goal.place.lab
    entry = {"fault": fault.name, "host": goal.mx.name if fault.of_host else ""}
    _remember(lab, [known for known in broken(lab) if not _same(known, entry)])


def undo_all(place: Stations, host: str = "mx2001") -> Iterator[str]:
    """Take off every fault that is on, and yield what was mended, one after the other.

    Arguments:
        host: the exchanger to name for a fault of a service, which concerns none.
    """
    for entry in broken(place.lab):
        undo(target(place, exchanger(entry["host"] or host), entry["kernel"]), find(entry["fault"]))
        yield f"{entry['fault']} {entry['host']}".rstrip()


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return (one["fault"], one["host"]) == (other["fault"], other["host"])
