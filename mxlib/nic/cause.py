"""Why a host does not answer, in words that help at night: judged from its console, or from inside. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mxlib.facts.addresses import AddressFacts, is_global
from mxlib.facts.nic import NicFacts
from mxlib.facts.reachability import AccessFacts
from mxlib.nic import networkd
from mxlib.nic.instance import OFF, RUNS
from mxlib.nic.interfaces import addressed, physical
from mxlib.nic.manager import Manager, managed
from mxlib.nic.screen import Screen, Waiting


class Outage(Enum):
    """What keeps a host from answering; UNKNOWN if nothing shows it, never a guess."""

    NONE = "it answers"
    RENAMED = "its network interface has another name than its configuration"
    NOT_UP = "its network interface is there but not up"
    SSHD = "its SSH server is not running"
    NO_ADDRESS = "it has no address that others can reach"
    NO_ROUTE = "it has no default route"
    FIREWALL = "its network is up and SSH listens: its firewall has rules that drop, and one of them may block SSH"
    UNKNOWN = "the reason is unknown"
    UNCERTAIN = "its network interfaces do not match its configuration, and which is which is not certain"
    NOT_RUNNING = "the virtual machine is not running"
    PANIC = "its kernel panicked"
    EMERGENCY = "systemd is in emergency mode"
    INITRAMFS = "it hangs in its initramfs"
    GRUB = "it hangs in GRUB"
    FSCK = "a file system check needs a person"
    NO_BOOT_DEVICE = "it finds no disk to boot from"
    BUSY = "somebody else holds its console"
    SILENT = "its console is silent"
    BOOTING = "it was still booting"
    LOGIN = "the console's login was refused"
    SESSION = "an ordinary user is logged in on its console"
    PROMPT = "its console shows an unknown prompt"
    NO_ACCESS = "its console could not be reached"


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and what to do about it.

    Attributes:
        cause: what keeps the host from answering.
        why: what shows it.
        advice: what a person should do next; empty where the repair itself does it.
        interfaces: for NOT_UP, those to bring up.
    """

    cause: Outage
    why: str
    advice: str = ""
    interfaces: tuple[str, ...] = ()


_POWER = "A power cycle keeps the PCI slots: gnt-instance reboot --type=soft {name} (on the master)."
_BY_SCREEN: Mapping[Waiting, tuple[Outage, str]] = {
    Waiting.PANIC: (Outage.PANIC, f"{_POWER} With a fallback as GRUB's saved entry it boots that one."),
    Waiting.EMERGENCY: (
        Outage.EMERGENCY,
        "Log in on the console, look at the failed mounts: systemctl --failed; journalctl -xb; then systemctl default.",
    ),
    Waiting.INITRAMFS: (
        Outage.INITRAMFS,
        f"The root file system was not found: look with blkid, cat /proc/cmdline. {_POWER}",
    ),
    Waiting.GRUB_RESCUE: (Outage.GRUB, "GRUB cannot find its files: boot a rescue system and run grub-install."),
    Waiting.GRUB_SHELL: (Outage.GRUB, "GRUB found no configuration: configfile /boot/grub/grub.cfg, or boot by hand."),
    Waiting.GRUB_MENU: (Outage.GRUB, "GRUB waits in its menu: choose an entry on the console."),
    Waiting.FSCK: (Outage.FSCK, "Log in on the console with the root password and run the named fsck by hand."),
    Waiting.NO_BOOT_DEVICE: (
        Outage.NO_BOOT_DEVICE,
        "Check the machine's disks: gnt-instance info {name}; activate-disks.",
    ),
    # the console fails alike for a machine that is off and for one that runs on another node
    Waiting.NOT_RUNNING: (
        Outage.NOT_RUNNING,
        "See that no node runs it: gnt-instance info {name}; then: gnt-instance start {name} (a cold start).",
    ),
    Waiting.USER_SHELL: (Outage.SESSION, "Find out whose it is; log it out on the console, then run this again."),
    Waiting.PROMPT: (Outage.PROMPT, "Look at it: gnt-instance console {name}; leave it at its login prompt."),
    Waiting.BOOTING: (
        Outage.BOOTING,
        "Wait, and run this again; if the boot never ends, the last lines show where it hangs.",
    ),
    # what a kernel says when it panics is shown once, to whoever is attached then
    Waiting.SILENT: (
        Outage.SILENT,
        f"It hangs, its kernel panicked before this looked, or it has no console=ttyS0. {_POWER}",
    ),
}


_NO_SIGN = (Outage.UNKNOWN, "Look at the console: gnt-instance console {name} (on the master).")
_CONSOLE = "Look on the console:"
_DROPS = re.compile(r"\b(?:drop|reject)\b", re.IGNORECASE)


def from_screen(screen: Screen, name: str) -> Diagnosis:
    """Diagnose from a console that is at no usable prompt.

    Args:
        name: the instance's name, for the commands in the advice.
    """
    cause, advice = _BY_SCREEN.get(screen.waiting, _NO_SIGN)
    why = f"the console shows {screen.waiting.value}" + (f": {screen.detail}" if screen.detail else "")
    return Diagnosis(cause, why, advice.replace("{name}", name))


def from_cluster(status: str, name: str) -> Diagnosis | None:
    """Return why a machine does not run, by its cluster's word; None: it runs, and its console says more.

    Args:
        status: as Ganeti has it: "running", "ERROR_down" and so on.
        name: the instance's name, for the commands in the advice.
    """
    if status in RUNS:
        return None
    why = f"its state in the cluster is {status}"
    if status in OFF:
        return Diagnosis(Outage.NOT_RUNNING, why, f"Start it: gnt-instance start {name} (on the master; a cold start).")
    # on a node that is down, or on the wrong one, it may run: to start it would make a second copy
    return Diagnosis(Outage.UNKNOWN, why, f"Look first where it runs: gnt-instance info {name} (on the master).")


def from_inside(facts: NicFacts, now: AddressFacts, access: AccessFacts) -> Diagnosis:
    """Diagnose a host whose interfaces have their configured names."""
    holders = {one.name for one in now.interfaces if any(map(is_global, one.addresses))}
    down = tuple(name for name in _carrying(facts) if name not in holders)
    if down:
        return Diagnosis(Outage.NOT_UP, f"no global address on {', '.join(down)}", interfaces=down)
    routes = "; ".join(f"default via {to or 'the link'} dev {dev}" for _, to, dev in now.gateways) or "NO default route"
    held = ", ".join(f"{one.name} {' '.join(one.addresses)}" for one in now.interfaces if one.name in holders) or "NONE"
    seen = f"addresses: {held}; routes: {routes}"
    if not holders:
        return Diagnosis(Outage.NO_ADDRESS, seen, f"{_CONSOLE} ip addr; networkctl; ifquery --state")
    if access.listening is None:
        why = f"whether anything listens on port 22 cannot be read; ssh.service is {access.ssh_unit}; {seen}"
        return Diagnosis(Outage.UNKNOWN, why, f"{_CONSOLE} ss -ltn")
    if not access.listening:
        return Diagnosis(Outage.SSHD, f"nothing listens on port 22; ssh.service is {access.ssh_unit}; {seen}")
    if not now.gateways:
        return Diagnosis(
            Outage.NO_ROUTE, seen, f"{_CONSOLE} ip route; ip -6 route; the gateway lines of its configuration"
        )
    return _outside(seen, access)


def _outside(seen: str, access: AccessFacts) -> Diagnosis:
    """Diagnose a host that is well inside, except perhaps its firewall, which needs a rule that drops."""
    outside = "Check the network outside the host: its gateway, the switch port, the bridge on the Ganeti node."
    rules_first = f"{_CONSOLE} nft list ruleset; iptables-legacy -S. Then check the network outside the host."
    if any(_DROPS.search(rule) for rule in access.rules):
        return Diagnosis(Outage.FIREWALL, f"{seen}; rules: {'; '.join(access.rules[:12])}", rules_first)
    if access.unread:
        why = f"SSH listens, and the rules of the firewall cannot be read: {'; '.join(access.unread)}"
        return Diagnosis(Outage.UNKNOWN, f"{seen}; {why}", rules_first)
    return Diagnosis(Outage.UNKNOWN, f"{seen}; SSH listens, and no rule that drops was seen", outside)


def _carrying(facts: NicFacts) -> list[str]:
    """Return the interfaces that should carry an address of their own, without cards that are not there."""
    there = {nic.name for nic in facts.nics}
    if managed(facts).by is not Manager.IFUPDOWN:
        return list(networkd.addressed(facts.networking.files, facts.nics))
    cards = set(physical(facts.files))
    return [name for name in addressed(facts.files) if name in there or name not in cards]
