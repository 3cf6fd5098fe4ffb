"""What each way to reboot does to the names of a Ganeti machine's network interfaces. Pure.

Ganeti assigns PCI slots when it builds a machine: disks first, then NICs, each on the lowest free slot from
``kvm_pci_reservations`` on (hv_kvm of Ganeti 3.0.2, source read and tried with 1 to 3 disks and reservations 4, 5, 11,
12, 32; the same in the source of 3.1.0 and 3.1.1). From 2.16 to 3.0.1 the guest agent's device takes the first of those
slots (source). A running machine keeps its slots, whatever is configured meanwhile; the remote API only shows what is
configured. On pc-i440fx with ACPI, systemd's default policy names the card in slot N ``ensN``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mxlib.facts.nic import GuestNic, NicFacts
from mxlib.model.record import Level
from mxlib.nic import networkd
from mxlib.nic.instance import Instance

PIN = "/etc/systemd/network/10-mx-cookbooks-{name}.link"
"""Our own file that names a card by its MAC; it is in the initramfs, too."""
_SCSI = frozenset({"scsi-generic", "scsi-block", "scsi-hd", "scsi-cd"})
_PCI_DISKS = frozenset({"paravirtual", "ide"})
_SLOTS = 32
_AGENT_WITHOUT_SLOT = (3, 0, 2)
"""From this version of Ganeti on the guest agent's device has no slot of its own."""
_FIRST_FREE = 3  # 0 host bridge, 1 ISA/IDE/USB, 2 VGA


class Fate(Enum):
    """What becomes of a name."""

    KEPT = "kept"
    RENAMED = "renamed"
    NO_START = "does not start"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Effect:
    """What one level of reboot does to one interface.

    Attributes:
        fate: what becomes of its name.
        name: its name afterwards; None if unknown.
        why: the reason, in one sentence.
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
        slot: its PCI slot now; None if unknown.
        effects: what a reboot does to it, by level.
    """

    name: str
    mac: str
    slot: int | None
    effects: Mapping[Level, Effect]


@dataclass(frozen=True)
class Forecast:
    """What each level does to a host's interfaces.

    Attributes:
        host: fully qualified name.
        nics: its interfaces.
        note: why there is no forecast, or an incomplete one; empty if all is known.
        virtual: whether it is a Ganeti machine; None if unknown.
    """

    host: str
    nics: tuple[NicForecast, ...]
    note: str = ""
    virtual: bool | None = True

    def fate(self, level: Level) -> Fate:
        """Return the worst fate of any interface at this level."""
        fates = {nic.effects[level].fate for nic in self.nics}
        order = (Fate.NO_START, Fate.RENAMED, Fate.UNKNOWN, Fate.KEPT)
        return next((fate for fate in order if fate in fates), Fate.UNKNOWN)

    def renames(self, level: Level) -> dict[str, str]:
        """Return old name to new name of the interfaces that this level certainly renames."""
        effects = ((nic.name, nic.effects[level]) for nic in self.nics)
        return {name: o.name for name, o in effects if o.fate is Fate.RENAMED and o.name is not None}

    def unknown(self, level: Level) -> tuple[str, ...]:
        """Return the present names of the interfaces whose name after this level is unknown."""
        return tuple(nic.name for nic in self.nics if nic.effects[level].fate is Fate.UNKNOWN)

    def sentence(self, level: Level) -> str:
        """Return what this level does to the names, in one sentence."""
        how = "this cold start" if level is Level.COLD else "this reboot"
        names = ", ".join(nic.name for nic in self.nics) or "no card seen"
        renames = self.renames(level)
        if self.fate(level) is Fate.KEPT:
            return f"{how} keeps the network names ({names})"
        if self.fate(level) is not Fate.RENAMED or len(renames) < len(self.nics):
            whys = "; ".join(dict.fromkeys(nic.effects[level].why for nic in self.nics))
            return f"what {how} does to {names}: {whys or 'UNKNOWN'}{f' ({self.note})' if self.note else ''}"
        changes = ", ".join(f"{old} to {new}" for old, new in renames.items())
        reasons = "; ".join(nic.effects[level].why.rpartition(": ")[2] for nic in self.nics)
        return f"{how} renames {changes} ({reasons})"

    def known(self) -> dict[str, str]:
        """Return the present name by MAC, which a repair needs afterwards."""
        return {nic.mac: nic.name for nic in self.nics}

    def lines(self) -> tuple[str, ...]:
        """Return the forecast as text, a line for each interface and level."""
        nics = (
            f"{nic.name} ({nic.mac}, slot {'UNKNOWN' if nic.slot is None else nic.slot}), {level.value}: {effect.why}"
            for nic in self.nics
            for level, effect in nic.effects.items()
        )
        return (*((self.note,) if self.note else ()), *nics)


def without_instance(host: str, cards: NicFacts, why: str) -> Forecast:
    """Return the forecast for a host that no cluster knows: only a physical machine certainly keeps its slots.

    There, too, a newer udev or another ``.link`` file may rename a card.

    Args:
        cards: its cards, and what it reports of itself: a guest of an unknown cluster may be rebuilt at any reboot.
        why: why it is no instance of a known cluster.
    """
    virt = cards.networking.virt
    if virt != "none":
        unclear = "and whether it is a virtual machine is unknown"
        said = f"yet by its own account it is a virtual machine ({virt})" if virt else unclear
        return unknown(host, cards.nics, f"{why}; {said}")
    kept = "no virtual machine of a known cluster, so a reboot does not move its network cards"
    nics = tuple(_forecast(nic, dict.fromkeys(Level, _same_slot(nic, cards, kept))) for nic in cards.nics)
    return Forecast(host, nics, f"{host} is not a Ganeti machine: {why}", virtual=False)


def unknown(host: str, nics: Sequence[GuestNic], why: str) -> Forecast:
    """Return the forecast when the cluster could not be asked: even a reboot from inside may be a cold start."""
    effects = dict.fromkeys(Level, _unknown("what is configured cannot be read"))
    return Forecast(host, tuple(_forecast(nic, effects) for nic in nics), why, virtual=None)


def forecast(host: str, instance: Instance, cards: NicFacts) -> Forecast:
    """Return what each level does to each interface."""
    nics = tuple(
        _forecast(nic, {level: _outcome(level, instance, nic, cards) for level in Level}) for nic in cards.nics
    )
    lost = set(instance.macs) - {nic.mac for nic in cards.nics}
    note = f"configured, yet not in the guest: {', '.join(sorted(lost))}" if lost else ""
    return Forecast(host, nics, note)


def _forecast(nic: GuestNic, effects: Mapping[Level, Effect]) -> NicForecast:
    return NicForecast(nic.name, nic.mac, nic.slot, effects)


def _outcome(level: Level, instance: Instance, nic: GuestNic, cards: NicFacts) -> Effect:
    if level is Level.POWER_CYCLE:
        return _same_slot(nic, cards, "the saved command line is used again")
    behavior = instance.hvparams.get("reboot_behavior")
    if level is Level.GUEST and behavior == "reboot":
        return _same_slot(nic, cards, "the machine's process lives on")
    if level is Level.GUEST and behavior != "exit":
        return _unknown(f"reboot_behavior is {behavior!r}")
    cold = _cold(instance, nic, cards)
    if level is Level.COLD:
        return cold
    return Effect(cold.fate, cold.name, f"reboot_behavior=exit makes it a cold start: {cold.why}")


def _same_slot(nic: GuestNic, cards: NicFacts, why: str) -> Effect:
    """Return the effect on a card that keeps its slot: other files, or a udev that was upgraded, may rename it."""
    doubt = networkd.overtaken(cards.networking.files, nic) or (_doubt_of_policy(nic) if nic.by_default_policy else "")
    if doubt:
        return _unknown(doubt)
    if nic.by_default_policy and nic.next_name not in ("", nic.name):
        changed = f"the udev that is installed now names it {nic.next_name}"
        return Effect(Fate.RENAMED, nic.next_name, f"RENAMES {nic.name} to {nic.next_name}: {changed}")
    return Effect(Fate.KEPT, nic.name, f"kept: {why}")


def _doubt_of_policy(nic: GuestNic) -> str:
    """Return why it is unknown what the default policy would name a card at its slot; empty if it is known."""
    if nic.next_name is None:
        return "the installed udev could not be asked how it names it"
    if nic.chosen != nic.name:
        return f"udev has chosen {nic.chosen or 'no name for it'}, so something else named it"
    return "" if nic.next_name or nic.named_by_kernel else "the installed udev has no name for it"


def _unknown(why: str) -> Effect:
    return Effect(Fate.UNKNOWN, None, f"UNKNOWN: {why}")


def _cold(instance: Instance, nic: GuestNic, cards: NicFacts) -> Effect:
    doubt = _doubt(instance)
    if doubt:
        return _unknown(doubt)
    if instance.macs.count(nic.mac) != 1 or [other.mac for other in cards.nics].count(nic.mac) != 1:
        return _unknown(f"{nic.mac} is not one single NIC both in the cluster's configuration and in the guest")
    first, taken = planned_slots(instance)
    if taken is not None:
        return Effect(Fate.NO_START, None, f"the machine would not start: {taken}")
    return _named(nic, first + instance.macs.index(nic.mac), cards)


def _doubt(instance: Instance) -> str:
    """Return why the assignment of slots is unknown; empty if it is known."""
    hvparams: Mapping[str, Any] = instance.hvparams
    reservations, disk_type = hvparams.get("kvm_pci_reservations"), hvparams.get("disk_type")
    machine = hvparams.get("machine_version") or "pc"
    if not isinstance(reservations, int) or isinstance(reservations, bool):
        return "the cluster says no kvm_pci_reservations (Ganeti before 2.16?)"
    if disk_type not in _SCSI | _PCI_DISKS:
        return f"disk_type {disk_type!r} is unknown"
    if not re.fullmatch(r"pc(-i440fx)?(-.*)?", str(machine)) or "q35" in str(machine):
        return f"machine_version {machine}: how it names its slots is unknown"
    if hvparams.get("acpi") is False:
        return "acpi=false: the guest does not learn slot numbers"
    if re.search(r"-device|-machine|-M\b|addr=", str(hvparams.get("kvm_extra") or "")):
        return "kvm_extra adds devices of its own"
    if hvparams.get("use_guest_agent") and instance.version is None:
        return "use_guest_agent takes a slot before Ganeti 3.0.2, and the cluster's version is unknown"
    return ""


def planned_slots(instance: Instance) -> tuple[int, str | None]:
    """Return the slot of the first NIC after a cold start, and why the machine would not start (None: it would)."""
    hvparams, reserved = instance.hvparams, int(instance.hvparams["kvm_pci_reservations"])
    scsi, agent = hvparams["disk_type"] in _SCSI, bool(hvparams.get("use_guest_agent"))
    planned = agent and instance.version is not None and instance.version < _AGENT_WITHOUT_SLOT
    first = reserved + planned + (0 if scsi else instance.disks)
    # devices without an address of their own, such as the balloon, take the lowest free slots
    channel = bool(hvparams.get("spice_bind")) and bool(hvparams.get("spice_use_vdagent"))
    unaddressed = 1 + scsi + (agent and not planned) + bool(hvparams.get("soundhw")) + channel
    if reserved < _FIRST_FREE + unaddressed:
        return first, f"kvm_pci_reservations={reserved} leaves no room for {unaddressed} device(s) without a slot"
    if first + len(instance.macs) > _SLOTS:
        return first, f"kvm_pci_reservations={reserved} leaves too few of {_SLOTS} slots"
    return first, None


def _named(nic: GuestNic, slot: int, cards: NicFacts) -> Effect:
    here = _same_slot(nic, cards, f"PCI slot {slot} as now")
    if slot == nic.slot or here.fate is Fate.UNKNOWN:
        return here
    pin = networkd.pinned(cards.networking.files, nic)
    if pin and nic.link_file == pin:
        return Effect(Fate.KEPT, nic.name, f"kept: moves to PCI slot {slot}, but {pin} names it by its MAC")
    if nic.link_file is not None and not nic.by_default_policy:
        return _unknown(f"moves to PCI slot {slot}, and {nic.link_file} names it")
    if here.fate is Fate.KEPT and nic.named_by_kernel and len(cards.nics) == 1:
        return Effect(Fate.KEPT, nic.name, f"kept: moves to PCI slot {slot}, but {nic.name} is not named by its slot")
    for form in ("ens{}", "enp0s{}"):
        if nic.slot is not None and here.name == form.format(nic.slot):
            new = form.format(slot)
            return Effect(Fate.RENAMED, new, f"RENAMES {nic.name} to {new}: PCI slot {nic.slot} becomes {slot}")
    return _unknown(f"moves from PCI slot {nic.slot} to {slot}, and what names it is unknown")
