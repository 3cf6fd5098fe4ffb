"""Why a host does not answer, in words that help at night: from its console, or from inside. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mxlib.facts.nic import NicFacts, NicState
from mxlib.facts.reachability import AccessFacts
from mxlib.nic.interfaces import physical
from mxlib.nic.screen import Screen, Waiting


class Cause(Enum):
    """What keeps a host from answering."""

    NONE = "it answers"
    RENAMED = "its network interface has another name than its configuration"
    NOT_UP = "its network interface is there and not up"
    SSHD = "its SSH server is not running"
    FIREWALL = "the network is up and SSH listens: a firewall, a route or the path to it"
    UNCERTAIN = "its network interfaces do not match its configuration, and which is which is not certain"
    NOT_RUNNING = "the virtual machine is not running"
    PANIC = "its kernel panicked"
    EMERGENCY = "systemd is in emergency mode"
    INITRAMFS = "it hangs in its initramfs"
    GRUB = "it hangs in GRUB"
    FSCK = "a file system check wants a person"
    NO_BOOT_DEVICE = "it finds no disk to boot from"
    BUSY = "somebody else holds its console"
    SILENT = "its console is silent"
    BOOTING = "it was still booting"
    LOGIN = "the console's login was refused"
    SESSION = "an ordinary user's session stands on its console"
    NO_ACCESS = "its console could not be reached"


@dataclass(frozen=True)
class Diagnosis:
    """What is so, and what to do.

    Attributes:
        cause: what keeps the host from answering.
        why: what shows it.
        advice: the next right thing for a person; empty when we do it ourselves.
    """

    cause: Cause
    why: str
    advice: str = ""


_POWER = (
    "Nothing was changed. A power cycle keeps the PCI slots: gnt-instance reboot --type=soft {name} (on the master)."
)
_BY_SCREEN: Mapping[Waiting, tuple[Cause, str]] = {
    Waiting.PANIC: (Cause.PANIC, f"{_POWER} With a fallback as GRUB's saved entry it boots that one."),
    Waiting.EMERGENCY: (
        Cause.EMERGENCY,
        "Log in on the console, look at the failed mounts: systemctl --failed; journalctl -xb; then systemctl default.",
    ),
    Waiting.INITRAMFS: (
        Cause.INITRAMFS,
        f"The root file system was not found: look with blkid, cat /proc/cmdline. {_POWER}",
    ),
    Waiting.GRUB_RESCUE: (Cause.GRUB, "GRUB does not find its files: boot a rescue system and run grub-install."),
    Waiting.GRUB_SHELL: (Cause.GRUB, "GRUB found no configuration: configfile /boot/grub/grub.cfg, or boot by hand."),
    Waiting.GRUB_MENU: (Cause.GRUB, "GRUB waits in its menu: choose an entry on the console."),
    Waiting.FSCK: (Cause.FSCK, "Log in on the console with the root password and run the named fsck by hand."),
    Waiting.NO_BOOT_DEVICE: (
        Cause.NO_BOOT_DEVICE,
        "Check the machine's disks: gnt-instance info {name}; activate-disks.",
    ),
    Waiting.NOT_RUNNING: (Cause.NOT_RUNNING, "Start it: gnt-instance start {name} (on the master; a cold start)."),
    Waiting.USER_SHELL: (Cause.SESSION, "Find out whose it is; log it out on the console, then run this again."),
    Waiting.BOOTING: (
        Cause.BOOTING,
        "Wait, and run this again; if it never ends: the last lines tell where it stands.",
    ),
    Waiting.SILENT: (Cause.SILENT, f"It hangs, or its kernel has no console=ttyS0. {_POWER}"),
}


def from_screen(screen: Screen, name: str) -> Diagnosis:
    """What a console that is at no usable prompt tells.

    Arguments:
        screen: the look at it.
        name: the host, for the advice.
    """
    cause, advice = _BY_SCREEN.get(screen.waiting, (Cause.BOOTING, "Run this again."))
    why = f"the console shows {screen.waiting.value}" + (f": {screen.detail}" if screen.detail else "")
    return Diagnosis(cause, why, advice.replace("{name}", name))


def from_inside(facts: NicFacts, state: NicState, access: AccessFacts) -> Diagnosis:
    """What is wrong with a host whose interfaces have their configured names.

    Arguments:
        facts: its cards and configuration.
        state: what is up.
        access: its SSH server, routes and firewall.
    """
    down = [name for name in _carrying(facts) if not any(name == holder for holder, _ in state.addresses)]
    if down:
        return Diagnosis(Cause.NOT_UP, f"no global address on {', '.join(down)}")
    if not access.listening:
        return Diagnosis(Cause.SSHD, f"nothing listens on port 22; ssh.service is {access.ssh_unit}")
    rules = "; ".join(access.rules[:12]) or "no rules seen"
    routes = "; ".join(access.routes) or "NO default route"
    addresses = ", ".join(f"{name} {address}" for name, address in state.addresses)
    return Diagnosis(
        Cause.FIREWALL,
        f"addresses: {addresses}; routes: {routes}; rules: {rules}",
        "Look at the rules on the console (nft list ruleset; iptables-legacy -S), and at the network outside the host.",
    )


def _carrying(facts: NicFacts) -> list[str]:
    """Configured cards that are there and should carry an address themselves: with an address line or dhcp."""
    there = {nic.name for nic in facts.nics}
    lines = [line.split() for file in facts.files for line in file.text.splitlines()]
    addressed = {w[1] for w in lines if w[:1] == ["iface"] and len(w) > 3 and w[3] in ("static", "dhcp", "auto")}
    return [name for name in physical(facts.files) if name in there and name in addressed]
