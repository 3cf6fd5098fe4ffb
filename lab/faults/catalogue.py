"""The lab's faults: what can be broken, on the real hosts and services, and mended again."""

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab import lifecycle
from lab.faults import queues
from lab.faults import scripts as fault_scripts
from lab.lifecycle import Stations, ssh, wait_ssh
from lab.place import CONSOLE_PASSWORD, Exchanger, Lab, exchanger
from lab.shell import LabError, wait_for
from lab.stations import infra, node, outside
from lab.world import worlds


@dataclass(frozen=True)
class Target:
    """What a fault is put on.

    Attributes:
        place: the lab's stations.
        mx: the exchanger concerned (for faults of a service: not looked at).
        kernel: the release concerned (for faults of one kernel).
    """

    place: Stations
    mx: Exchanger
    kernel: str

    def on_host(self, script: str, timeout: float = 60) -> str:
        """Run a script on the exchanger.

        Raises:
            LabError: it failed there, or the exchanger does not answer.
        """
        done = ssh(self.place, self.mx, f"sh -euc {shlex.quote(script)}", timeout)
        if done.returncode:
            raise LabError(f"{self.mx.name}: exit code {done.returncode}: {done.stdout.strip()[-600:]}")
        return done.stdout


Act = Callable[[Target], object]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: as in ``mxlab break NAME``.
        summary: one line: what is then so.
        apply: puts it on.
        undo: takes it off; harmless where it is not on.
        of_host: whether it concerns one exchanger (else a service of the lab).
        shows: script that succeeds on the exchanger where the fault took effect; empty: it waits for that itself, or
            nothing shows before the next cold start.
    """

    name: str
    summary: str
    apply: Act
    undo: Act
    of_host: bool = True
    shows: str = ""


def _guest(script: str) -> Act:
    def act(target: Target) -> None:
        fields = {
            "kernel": target.kernel,
            "firewall": worlds.of(target.place.lab, target.mx).firewall,
            "password": CONSOLE_PASSWORD,
        }
        filled = script
        for key, value in fields.items():
            filled = filled.replace(f"@{key}@", value)
        target.on_host(filled, timeout=120)

    return act


def _revived(script: str) -> Act:
    """The script on the host, which may have to be brought back first."""
    act = _guest(script)

    def revive_and_act(target: Target) -> None:
        lifecycle.revive(target.place, target.mx)
        act(target)

    return revive_and_act


def _place(name: str, value: dict[str, object] | None) -> Act:
    return lambda target: outside.change(target.place.lab, name, value)


def _reservations(target: Target, value: object) -> None:
    target.place.node.run(["gnt-instance", "modify", "-H", f"kvm_pci_reservations={value}", target.mx.fqdn])


def _cold_start(target: Target, value: object) -> None:
    _reservations(target, value)
    target.place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=30", target.mx.fqdn], timeout=150)


_LIVE = "ip -o -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'"


def _back_to_old_layout(target: Target) -> None:
    """A host that answers as ens5, whatever it was left as; with cold starts only where they are needed.

    A host that does not answer may be on its way up, unless its card is elsewhere than the old layout has it; or its
    files and its card differ: then it is started with each of the layouts its files can be written for.

    Raises:
        LabError: it answers with none of them.
    """
    moved = node.card_slot(target.place.node, target.mx) != node.OLD_SLOT
    for layout in (None, node.OLD_RESERVATIONS, "default"):
        if layout is not None:
            _cold_start(target, layout)
        try:
            wait_ssh(target.place, target.mx, 180 if layout is not None else 10 if moved else 60)
            break
        except LabError:
            continue
    live = target.on_host(_LIVE).strip()
    _reservations(target, node.OLD_RESERVATIONS)
    pinned = "ls /etc/systemd/network/10-mx-cookbooks-*.link 2>/dev/null || true"
    pins = target.on_host(pinned).split()
    if live != "ens5" or pins:
        unpin = f"rm -f {' '.join(pins)}; update-initramfs -u -k all" if pins else "true"
        target.on_host(f"sed -i 's/\\b{live}\\b/ens5/' /etc/network/interfaces; {unpin}; sync", timeout=300)
        _cold_start(target, node.OLD_RESERVATIONS)
        wait_ssh(target.place, target.mx)
    # what failed while nobody could reach it would be held against it for an hour
    target.on_host("systemctl reset-failed; systemctl start --no-block generate_vrts_aliases.service")
    target.on_host("timeout 120 systemctl is-system-running --wait || true", timeout=150)


def _add_disk(target: Target) -> None:
    target.place.node.run(["gnt-instance", "modify", "--disk", "add:size=64M", target.mx.fqdn], timeout=120)


def _remove_disk(target: Target) -> None:
    """Ganeti takes a disk away from a running machine only by hotplug: the machine is stopped for it."""
    disks = target.place.node.run(
        ["gnt-instance", "list", "--no-headers", "-o", "disk.count", target.mx.fqdn], check=True
    ).stdout.strip()
    if disks != "1":
        # a run may have moved its files to the name that this takes away again
        live = target.on_host(_LIVE).strip()
        target.on_host(f"sed -i 's/\\b{live}\\b/ens5/' /etc/network/interfaces; sync")
        target.place.node.run(["gnt-instance", "shutdown", "--timeout=30", target.mx.fqdn], timeout=150)
        target.place.node.run(["gnt-instance", "modify", "--disk", "remove", target.mx.fqdn], timeout=120)
        target.place.node.run(["gnt-instance", "start", target.mx.fqdn], timeout=120)
    _back_to_old_layout(target)


def _stick_aliases(target: Target, after: int = 0) -> None:
    """Let this host's generator run into a peer that falls silent after some lines; the peer answers everybody else."""
    outside.change(target.place.lab, "aliaspeer", {"mode": "hang", "after": after})
    try:
        target.on_host(
            "systemctl stop generate_vrts_aliases.service; systemctl start --no-block generate_vrts_aliases.service"
        )
        hangs = f"ss -Htn state established '( dport = :2525 )'; wc -l <{queues.FILE}"
        wait_for(
            f"the alias generator of {target.mx.name} to hang",
            lambda: "2525" in (said := target.on_host(hangs)) and (not after or said.split()[-1] == str(after)),
            deadline=60,
        )
    finally:
        outside.change(target.place.lab, "aliaspeer", None)


def _hold_console(target: Target) -> None:
    serial = node.serial_socket(target.mx)
    # Ended by TERM, it must not leave its socat behind; connected again after each start of the machine.
    hold = (
        f"trap 'kill $!; exit' TERM; while :; do socat -u UNIX-CONNECT:{serial} OPEN:/dev/null & wait; sleep 0.2; done"
    )
    target.place.node.serve(f"console-busy-{target.mx.name}", ["/bin/sh", "-c", hold])


def _daemon(action: str, name: str) -> Act:
    return lambda target: target.place.node.run(["/usr/lib/ganeti/daemon-util", action, name])


def _undo_stick_aliases(target: Target) -> None:
    outside.change(target.place.lab, "aliaspeer", None)
    target.on_host(
        "systemctl stop generate_vrts_aliases.service; systemctl start generate_vrts_aliases.service", timeout=90
    )


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "nic-renumber",
            "live at ens5, the next cold start comes up as ens13 (kvm_pci_reservations back to Ganeti 3's default)",
            lambda target: _reservations(target, "default"),
            _back_to_old_layout,
        ),
        Fault(
            "second-disk",
            "a disk was added, and takes its PCI slot at the next cold start: ens5 comes up as ens6",
            _add_disk,
            _remove_disk,
        ),
        Fault(
            "bad-kernel",
            "on one kernel only: replies of outbound SMTP connections lose their conntrack state after a large body",
            _guest(fault_scripts.BAD_KERNEL),
            _guest(fault_scripts.UNDO_BAD_KERNEL),
            shows=fault_scripts.SHOWS_BAD_KERNEL,
        ),
        Fault(
            "kernel-panic",
            "on one kernel only: panics early in the boot",
            _guest(fault_scripts.KERNEL_PANIC),
            _revived(fault_scripts.undo_unit("lab-kernel-panic")),
            shows=fault_scripts.shows_unit("lab-kernel-panic"),
        ),
        Fault(
            "kernel-hang",
            "on one kernel only: the boot never gets past its first units, nothing answers",
            _guest(fault_scripts.KERNEL_HANG),
            _revived(fault_scripts.undo_unit("lab-kernel-hang")),
            shows=fault_scripts.shows_unit("lab-kernel-hang"),
        ),
        Fault(
            "stuck-aliases",
            "the alias generator hangs in a read without a time-out: activating for ever, its timer never fires again",
            _stick_aliases,
            _undo_stick_aliases,
        ),
        Fault(
            "cut-aliases",
            "the same, after the generator has begun to write: all but one of its addresses are unknown on this host",
            lambda target: _stick_aliases(target, after=1),
            _undo_stick_aliases,
        ),
        Fault(
            "stale-hints",
            "Exim's retry hints of provider.test and its v4, v6 hosts are past their cutoff: new mail bounces untried",
            _guest(fault_scripts.STALE_HINTS),
            _guest(fault_scripts.UNDO_STALE_HINTS),
            shows=fault_scripts.SHOWS_STALE_HINTS,
        ),
        Fault(
            "dead-spamd",
            "the second mail daemon is dead, and its first start after every boot fails",
            _guest(fault_scripts.first_start_fails("spamd", "systemctl kill --signal=KILL spamd.service")),
            _guest(fault_scripts.undo_first_start_fails("spamd")),
            shows=fault_scripts.shows_stopped("spamd"),
        ),
        Fault(
            "no-ferm",
            "the host's firewall (ferm, or nftables) is not loaded, and its first start after every boot fails",
            _guest(fault_scripts.first_start_fails("@firewall@", "systemctl stop @firewall@.service")),
            _guest(fault_scripts.undo_first_start_fails("@firewall@")),
            shows=fault_scripts.shows_stopped("@firewall@"),
        ),
        Fault(
            "disk-full",
            "no room for new mail on the spool's file system",
            _guest('fallocate -l "$(df --output=avail -B1 /var/spool | tail -n 1)" /var/tmp/lab-disk-full'),
            _guest("rm -f /var/tmp/lab-disk-full"),
            shows=fault_scripts.SHOWS_FULL_DISK,
        ),
        Fault(
            "console-password",
            "root's password on the host is not the one the operators have",
            _guest("echo root:changed-by-somebody | chpasswd"),
            _guest("echo root:@password@ | chpasswd"),
            shows=fault_scripts.SHOWS_CHANGED_ROOT,
        ),
        Fault(
            "console-busy",
            "another client holds the serial console: a second one stays silent",
            _hold_console,
            lambda target: target.place.node.stop_serving(f"console-busy-{target.mx.name}"),
        ),
        Fault(
            "provider-4xx",
            "the big provider defers every recipient (450)",
            _place("provider", {"mode": "tempfail"}),
            _place("provider", None),
            of_host=False,
        ),
        Fault(
            "provider-down",
            "the big provider refuses connections",
            _place("provider", {"mode": "refuse"}),
            _place("provider", None),
            of_host=False,
        ),
        Fault(
            "provider-stall",
            "the big provider never answers after bodies above 100 kB",
            _place("provider", {"mode": "stall", "above_bytes": 100_000}),
            _place("provider", None),
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
            _daemon("stop", "ganeti-rapi"),
            _daemon("check-and-start", "ganeti-rapi"),
            of_host=False,
        ),
    )
}


def target(place: Stations, mx: Exchanger, kernel: str | None) -> Target:
    """What a fault is put on; without a kernel named, the newest one of the exchanger's image."""
    newest = lifecycle.image_facts(place.lab, mx).kernels[-1]
    return Target(place, mx, kernel or newest)


def broken(lab: Lab) -> list[dict[str, str]]:
    """Faults that were put on and not taken off: name, host, kernel."""
    path = lab.state / "faults.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def _remember(lab: Lab, entries: list[dict[str, str]]) -> None:
    (lab.state / "faults.json").write_text(json.dumps(entries, indent=1) + "\n")


def find(name: str) -> Fault:
    """The fault of that name.

    Raises:
        LabError: there is none.
    """
    if name not in FAULTS:
        raise LabError(f"unknown fault {name!r}: expected one of {', '.join(FAULTS)}")
    return FAULTS[name]


def apply(goal: Target, fault: Fault) -> None:
    """Put a fault on. It is remembered before it is put on, so that `mend all` finds it however this ends.

    Raises:
        LabError: it could not be put on, or its symptom does not show: in this world it is none.
    """
    lab = goal.place.lab
    entry = {"fault": fault.name, "host": goal.mx.name if fault.of_host else "", "kernel": goal.kernel}
    _remember(lab, [known for known in broken(lab) if not _same(known, entry)] + [entry])
    fault.apply(goal)
    if fault.shows:
        _must_show(goal, fault)


def _must_show(goal: Target, fault: Fault) -> None:
    try:
        _guest(fault.shows)(goal)
    except LabError as error:
        where = f"{goal.mx.name} ({worlds.of(goal.place.lab, goal.mx).differs()})"
        raise LabError(f"{fault.name} took no effect on {where}: {error}; `lab/mxlab mend all` takes it off") from error


def undo(goal: Target, fault: Fault) -> None:
    """Take a fault off."""
    fault.undo(goal)
    lab = goal.place.lab
    entry = {"fault": fault.name, "host": goal.mx.name if fault.of_host else ""}
    _remember(lab, [known for known in broken(lab) if not _same(known, entry)])


def undo_all(place: Stations, host: str = "mx2001") -> Iterator[str]:
    """Take every fault off that is on, and yield what was mended, one after the other.

    Arguments:
        host: the exchanger by which a fault of a service, which concerns none, is undone.
    """
    for entry in broken(place.lab):
        undo(target(place, exchanger(entry["host"] or host), entry["kernel"]), find(entry["fault"]))
        yield f"{entry['fault']} {entry['host']}".rstrip()


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return (one["fault"], one["host"]) == (other["fault"], other["host"])
