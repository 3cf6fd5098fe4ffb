"""What each way to reboot does to the names of a Ganeti machine's network interfaces. Pure.

Ganeti plans PCI slots when it builds a machine: disks first, then NICs, each on the lowest free slot from
``kvm_pci_reservations`` on (hv_kvm of Ganeti 3.0.2, read and tried: 1 to 3 disks, reservations 4, 5, 11, 12, 32). A
running machine keeps its slots whatever is configured meanwhile; the remote API shows only what is configured. On
pc-i440fx with ACPI the default policy of systemd names the card in slot N ``ensN``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mxlib.facts.nic import GuestNic
from mxlib.model.record import Level
from mxlib.nic.instance import Instance

PIN = "/etc/systemd/network/10-mx-cookbooks-{name}.link"
"""Our own file that names a card by its MAC, in the initramfs as well."""
_SCSI = frozenset({"scsi-generic", "scsi-block", "scsi-hd", "scsi-cd"})
_PCI_DISKS = frozenset({"paravirtual", "ide"})
_SLOTS = 32
_FIRST_FREE = 3  # 0 host bridge, 1 ISA/IDE/USB, 2 VGA


class Fate(Enum):
    """What becomes of a name."""

    KEPT = "kept"
    RENAMED = "renamed"
    NO_START = "does not start"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What one way to reboot does to one interface.

    Attributes:
        fate: what becomes of its name.
        name: the name after it; None when it cannot be known.
        why: in one sentence.
    """

    fate: Fate
    name: str | None
    why: str


@dataclass(frozen=True)
class NicForecast:
    """One interface and what each level does to it.

    Attributes:
        name: its name now.
        mac: its MAC address.
        slot: its PCI slot now; None when not known.
        outcomes: by level.
    """

    name: str
    mac: str
    slot: int | None
    outcomes: Mapping[Level, Outcome]


@dataclass(frozen=True)
class Forecast:
    """What each level does to a host's interfaces.

    Attributes:
        host: fully qualified name.
        nics: its interfaces.
        note: why there is nothing to foretell, or less than there should be; empty if all is known.
        virtual: whether it is a Ganeti machine; None when that is not known.
    """

    host: str
    nics: tuple[NicForecast, ...]
    note: str = ""
    virtual: bool | None = True

    def fate(self, level: Level) -> Fate:
        """The worst that this level does to any interface."""
        if self.virtual is False:
            return Fate.KEPT
        fates = {nic.outcomes[level].fate for nic in self.nics}
        order = (Fate.NO_START, Fate.RENAMED, Fate.UNKNOWN, Fate.KEPT)
        return next((fate for fate in order if fate in fates), Fate.UNKNOWN)

    def renames(self, level: Level) -> dict[str, str]:
        """Old name to new name, where this level certainly renames."""
        outcomes = ((nic.name, nic.outcomes[level]) for nic in self.nics)
        return {name: o.name for name, o in outcomes if o.fate is Fate.RENAMED and o.name is not None}

    def sentence(self, level: Level) -> str:
        """What this level does to the names, in one sentence."""
        how = "this cold start" if level is Level.COLD else "this reboot"
        names = ", ".join(nic.name for nic in self.nics) or "no card seen"
        renames = self.renames(level)
        if self.fate(level) is Fate.KEPT:
            return f"{how} keeps the network names ({names})"
        if self.fate(level) is not Fate.RENAMED or len(renames) < len(self.nics):
            told = "; ".join(dict.fromkeys(nic.outcomes[level].why for nic in self.nics))
            return f"what {how} does to {names}: {told or 'UNKNOWN'}{f' ({self.note})' if self.note else ''}"
        told = ", ".join(f"{old} to {new}" for old, new in renames.items())
        slots = "; ".join(nic.outcomes[level].why.rpartition(": ")[2] for nic in self.nics)
        return f"{how} renames {told} ({slots})"

    def known(self) -> dict[str, str]:
        """Name by MAC as it is now: the evidence a repair needs afterwards."""
        return {nic.mac: nic.name for nic in self.nics}

    def lines(self) -> tuple[str, ...]:
        """The forecast as text, a line for each interface and level."""
        told = (
            f"{nic.name} ({nic.mac}, slot {'UNKNOWN' if nic.slot is None else nic.slot}), {level.value}: {outcome.why}"
            for nic in self.nics
            for level, outcome in nic.outcomes.items()
        )
        return (*((self.note,) if self.note else ()), *told)


def not_virtual(host: str, nics: Sequence[GuestNic], why: str) -> Forecast:
    """The forecast for a host that is no virtual machine of a known cluster, and why: nothing plans its slots."""
    kept = "no virtual machine of a known cluster: a reboot does not move its network cards"
    told = tuple(_forecast(nic, {level: Outcome(Fate.KEPT, nic.name, kept) for level in Level}) for nic in nics)
    return Forecast(host, told, f"{host} is not a Ganeti machine: {why}", virtual=False)


def unknown(host: str, nics: Sequence[GuestNic], why: str) -> Forecast:
    """The forecast when the cluster could not be asked: an in-guest reboot included, it may be a cold start."""
    outcomes = dict.fromkeys(Level, _unknown("what is configured cannot be read"))
    return Forecast(host, tuple(_forecast(nic, outcomes) for nic in nics), why, virtual=None)


def forecast(host: str, instance: Instance, nics: Sequence[GuestNic]) -> Forecast:
    """What each level does to each interface.

    Arguments:
        host: fully qualified name.
        instance: what is configured.
        nics: the cards as the guest sees them.
    """
    told = tuple(_forecast(nic, {level: _outcome(level, instance, nic, nics) for level in Level}) for nic in nics)
    lost = set(instance.macs) - {nic.mac for nic in nics}
    note = f"configured, yet not in the guest: {', '.join(sorted(lost))}" if lost else ""
    return Forecast(host, told, note)


def _forecast(nic: GuestNic, outcomes: Mapping[Level, Outcome]) -> NicForecast:
    return NicForecast(nic.name, nic.mac, nic.slot, outcomes)


def _outcome(level: Level, instance: Instance, nic: GuestNic, nics: Sequence[GuestNic]) -> Outcome:
    if level is Level.POWER_CYCLE:
        return Outcome(Fate.KEPT, nic.name, "kept: the saved command line is used again")
    behavior = instance.hvparams.get("reboot_behavior")
    if level is Level.GUEST and behavior == "reboot":
        return Outcome(Fate.KEPT, nic.name, "kept: the machine's process goes on")
    if level is Level.GUEST and behavior != "exit":
        return _unknown(f"reboot_behavior is {behavior!r}")
    cold = _cold(instance, nic, nics)
    if level is Level.COLD:
        return cold
    return Outcome(cold.fate, cold.name, f"reboot_behavior=exit makes it a cold start: {cold.why}")


def _unknown(why: str) -> Outcome:
    return Outcome(Fate.UNKNOWN, None, f"UNKNOWN: {why}")


def _cold(instance: Instance, nic: GuestNic, nics: Sequence[GuestNic]) -> Outcome:
    doubt = _doubt(instance.hvparams)
    if doubt:
        return _unknown(doubt)
    if instance.macs.count(nic.mac) != 1 or [other.mac for other in nics].count(nic.mac) != 1:
        return _unknown(f"{nic.mac} is not one single NIC both in the cluster's configuration and in the guest")
    first, taken = planned_slots(instance)
    if taken is not None:
        return Outcome(Fate.NO_START, None, f"the machine would not start: {taken}")
    return _named(nic, first + instance.macs.index(nic.mac), nics)


def _doubt(hvparams: Mapping[str, Any]) -> str:
    """Why the plan cannot be known; empty if it can."""
    reservations, disk_type = hvparams.get("kvm_pci_reservations"), hvparams.get("disk_type")
    machine = hvparams.get("machine_version") or "pc"
    if not isinstance(reservations, int) or isinstance(reservations, bool):
        return "kvm_pci_reservations is not told (Ganeti before 2.16?)"
    if disk_type not in _SCSI | _PCI_DISKS:
        return f"disk_type {disk_type!r} is not a known one"
    if not re.fullmatch(r"pc(-i440fx)?(-.*)?", str(machine)) or "q35" in str(machine):
        return f"machine_version {machine}: how it names its slots is not known"
    if hvparams.get("acpi") is False:
        return "acpi=false: the guest does not learn slot numbers"
    if re.search(r"-device|-machine|-M\b|addr=", str(hvparams.get("kvm_extra") or "")):
        return "kvm_extra adds devices of its own"
    return ""


def planned_slots(instance: Instance) -> tuple[int, str | None]:
    """The slot of the first NIC after a cold start, and why the machine would not start then (None: it would)."""
    hvparams, reserved = instance.hvparams, int(instance.hvparams["kvm_pci_reservations"])
    scsi = hvparams["disk_type"] in _SCSI
    first = reserved + (0 if scsi else instance.disks)
    # Devices without an address of their own take the lowest free slots: the balloon, and what else there is.
    unaddressed = 1 + scsi + bool(hvparams.get("use_guest_agent")) + bool(hvparams.get("soundhw"))
    if reserved < _FIRST_FREE + unaddressed:
        return first, f"kvm_pci_reservations={reserved} leaves no room for {unaddressed} device(s) without a slot"
    if first + len(instance.macs) > _SLOTS:
        return first, f"kvm_pci_reservations={reserved} leaves too few of {_SLOTS} slots"
    return first, None


def _named(nic: GuestNic, slot: int, nics: Sequence[GuestNic]) -> Outcome:
    if slot == nic.slot:
        return Outcome(Fate.KEPT, nic.name, f"kept: PCI slot {slot} as now")
    if nic.link_file == PIN.format(name=nic.name):
        return Outcome(Fate.KEPT, nic.name, f"kept: moves to PCI slot {slot}, but {nic.link_file} names it by its MAC")
    if nic.link_file is not None and not nic.by_default_policy:
        return _unknown(f"moves to PCI slot {slot}, and {nic.link_file} names it")
    if re.fullmatch(r"eth\d+", nic.name) and len(nics) == 1:
        return Outcome(Fate.KEPT, nic.name, f"kept: moves to PCI slot {slot}, but {nic.name} is not named by its slot")
    for form in ("ens{}", "enp0s{}"):
        if nic.slot is not None and nic.name == form.format(nic.slot):
            new = form.format(slot)
            return Outcome(Fate.RENAMED, new, f"RENAMES {nic.name} to {new}: PCI slot {nic.slot} becomes {slot}")
    return _unknown(f"moves from PCI slot {nic.slot} to {slot}, and what names it is not known")
