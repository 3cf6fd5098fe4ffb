"""Acts of the catalogue that take more than a script on the host: hardware, services, the alias generator."""

from lab import lifecycle
from lab.faults import queues
from lab.faults.fault import Act, FaultTarget, shell
from lab.lifecycle import wait_ssh
from lab.shell import LabError, wait_for
from lab.stations import node, outside


def revived(text: str) -> Act:
    """The same as ``shell``, but a host that does not answer is power-cycled first."""
    act = shell(text)

    def revive_and_act(target: FaultTarget) -> None:
        lifecycle.revive(target.place, target.mx)
        act(target)

    return revive_and_act


def server(name: str, value: dict[str, object] | None) -> Act:
    """The act that makes a mail server of the outside world misbehave; None: behave again."""
    return lambda target: outside.change(target.place.lab, name, value)


def set_reservations(target: FaultTarget, value: object) -> None:
    """Set how many PCI slots Ganeti reserves, from the exchanger's next cold start on; it moves the network card."""
    target.place.node.run(["gnt-instance", "modify", "-H", f"kvm_pci_reservations={value}", target.mx.fqdn])


def _cold_start(target: FaultTarget, value: object) -> None:
    set_reservations(target, value)
    target.place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=30", target.mx.fqdn], timeout=150)


# What names the card, whichever of the two configures it; a file that is not there is no error.
_NETWORK_FILES = "/etc/network/interfaces /etc/systemd/network/*.network"
SHOWS_RENAMING = f"""grep -qsw ens5 {_NETWORK_FILES} ||
  {{ echo 'no file names ens5: another name does no harm'; exit 1; }}
! ls /etc/systemd/network/10-mx-cookbooks-*.link 2>/dev/null || {{ echo 'this file keeps the name'; exit 1; }}"""
"""Succeeds if the host cannot be reached once its card has another name than ens5."""


def name_ens5(live: str) -> str:
    """Return a script by which the files that name the card name it ens5 again."""
    return f"for file in {_NETWORK_FILES}; do [ ! -e \"$file\" ] || sed -i 's/\\b{live}\\b/ens5/' \"$file\"; done"


_LIVE = "ip -o -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'"


def back_to_old_layout(target: FaultTarget) -> None:
    """Bring a host back to an interface named ens5, whatever state it was left in. Cold starts only where needed.

    A host that does not answer may still be booting, unless its card is not where the old layout has it. Or its files
    and its card disagree: then it is started with each layout that its files may have been written for.

    Raises:
        LabError: the host answers with none of them.
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
    set_reservations(target, node.OLD_RESERVATIONS)
    pinned = "ls /etc/systemd/network/10-mx-cookbooks-*.link 2>/dev/null || true"
    pins = target.on_host(pinned).split()
    if live != "ens5" or pins:
        unpin = f"rm -f {' '.join(pins)}; update-initramfs -u -k all" if pins else "true"
        target.on_host(f"{name_ens5(live)}; {unpin}; sync", timeout=300)
        _cold_start(target, node.OLD_RESERVATIONS)
        wait_ssh(target.place, target.mx)
    # units that failed while it was cut off would count against it for an hour
    target.on_host("systemctl reset-failed; systemctl start --no-block generate_vrts_aliases.service")
    target.on_host("timeout 120 systemctl is-system-running --wait || true", timeout=150)


def add_disk(target: FaultTarget) -> None:
    """Add a second disk, which takes a PCI slot at the next cold start."""
    target.place.node.run(["gnt-instance", "modify", "--disk", "add:size=64M", target.mx.fqdn], timeout=120)


def remove_disk(target: FaultTarget) -> None:
    """Remove the second disk. Ganeti removes one from a running machine by hotplug only, so the machine is stopped."""
    disks = target.place.node.run(
        ["gnt-instance", "list", "--no-headers", "-o", "disk.count", target.mx.fqdn], check=True
    ).stdout.strip()
    if disks != "1":
        # a run may have moved its files to the name that goes away with the disk
        live = target.on_host(_LIVE).strip()
        target.on_host(f"{name_ens5(live)}; sync")
        target.place.node.run(["gnt-instance", "shutdown", "--timeout=30", target.mx.fqdn], timeout=150)
        target.place.node.run(["gnt-instance", "modify", "--disk", "remove", target.mx.fqdn], timeout=120)
        target.place.node.run(["gnt-instance", "start", target.mx.fqdn], timeout=120)
    back_to_old_layout(target)


def stick_aliases(target: FaultTarget, after: int = 0) -> None:
    """Make this host's generator hang on a peer that falls silent after some lines; the peer answers all others."""
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


def hold_console(target: FaultTarget) -> None:
    """Keep the serial console occupied: a second client connects and sees nothing."""
    serial = node.serial_socket(target.mx)
    # On TERM it must take its socat with it; after each start of the machine it has to connect again.
    hold = (
        f"trap 'kill $!; exit' TERM; while :; do socat -u UNIX-CONNECT:{serial} OPEN:/dev/null & wait; sleep 0.2; done"
    )
    target.place.node.serve(f"console-busy-{target.mx.name}", ["/bin/sh", "-c", hold])


def daemon(action: str, name: str) -> Act:
    """The act that starts or stops one of Ganeti's daemons, by ``daemon-util``."""
    return lambda target: target.place.node.run(["/usr/lib/ganeti/daemon-util", action, name])


def release_aliases(target: FaultTarget) -> None:
    """Let the peer answer again, and run the generator to its end."""
    outside.change(target.place.lab, "aliaspeer", None)
    target.on_host(
        "systemctl stop generate_vrts_aliases.service; systemctl start generate_vrts_aliases.service", timeout=90
    )
