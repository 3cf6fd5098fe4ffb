"""Guests and their instances for the tests of names."""

from typing import Any

from mxlib.facts.nic import ConfigFile, GuestNic, NicFacts
from mxlib.nic.instance import Instance
from tests.unit.support.nics import DEFAULT_LINK, HOST, MAC

INTERFACES = "allow-hotplug ens5\niface ens5 inet static\n\taddress 192.0.2.21/24\n"


def nic(name: str = "ens5", mac: str = MAC, slot: int | None = 5, link: str | None = DEFAULT_LINK) -> GuestNic:
    """A card that has the name which udev gave it, and would give it again."""
    return GuestNic(name, mac, slot, link, name, name)


def instance(
    *, macs: tuple[str, ...] = (MAC,), disks: int = 1, version: tuple[int, int, int] | None = None, **changes: Any
) -> Instance:
    hvparams = {
        "kvm_pci_reservations": 12,
        "disk_type": "paravirtual",
        "nic_type": "paravirtual",
        "reboot_behavior": "reboot",
        "machine_version": "",
        "acpi": True,
        "use_guest_agent": False,
        "soundhw": "",
        "kvm_extra": "",
        "kernel_path": "",
        "boot_order": "disk",
    }
    return Instance("mx2001.lab.test", "ganeti01.lab.test", "running", macs, disks, hvparams | changes, version)


def facts(*nics: GuestNic, text: str = INTERFACES) -> NicFacts:
    return NicFacts(nics, (ConfigFile("/etc/network/interfaces", text),), (), HOST)
