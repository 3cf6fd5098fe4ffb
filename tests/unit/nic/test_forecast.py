"""What becomes of a network card's name at a cold start, from what the cluster says of the instance."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.facts.nic import ConfigFile, GuestNic, NicFacts
from mxlib.model.record import Level
from mxlib.nic import forecast as nic_forecast
from mxlib.nic.forecast import PIN, Fate, Forecast, unknown, without_instance
from mxlib.nic.instance import Instance
from tests.unit.support.guests import instance, nic
from tests.unit.support.nics import DEFAULT_LINK, HOST, IRON, MAC, MAC2


def forecast(host: str, machine: Instance, nics: Sequence[GuestNic]) -> Forecast:
    return nic_forecast.forecast(host, machine, NicFacts(tuple(nics), (), (), HOST))


# The table of slots that were measured on Ganeti 3.0.2: reservations, disks, slot of the first NIC.
@pytest.mark.parametrize(
    ("reservations", "disks", "slot"),
    [
        (4, 1, 5),
        (4, 2, 6),
        (4, 3, 7),
        (5, 1, 6),
        (5, 2, 7),
        (11, 1, 12),
        (11, 3, 14),
        (12, 1, 13),
        (12, 2, 14),
        (12, 3, 15),
    ],
)
def test_a_cold_start_gives_the_measured_slot(reservations: int, disks: int, slot: int) -> None:
    told = forecast("mx", instance(disks=disks, kvm_pci_reservations=reservations), [nic("ens31", slot=31)])
    assert told.nics[0].effects[Level.COLD].name == f"ens{slot}"


def test_the_incident_is_forecast() -> None:
    told = forecast("mx", instance(), [nic()])
    assert told.fate(Level.GUEST) is Fate.KEPT
    assert told.fate(Level.POWER_CYCLE) is Fate.KEPT
    assert told.fate(Level.COLD) is Fate.RENAMED
    assert told.renames(Level.COLD) == {"ens5": "ens13"}
    assert told.renames(Level.GUEST) == {}
    assert told.known() == {MAC: "ens5"}
    assert any("RENAMES ens5 to ens13" in line for line in told.lines())


def test_a_hot_added_disk_renames_though_no_parameter_changed() -> None:
    told = forecast("mx", instance(disks=2), [nic("ens13", slot=13)])
    assert told.renames(Level.COLD) == {"ens13": "ens14"}


def test_two_nics_move_as_a_chain() -> None:
    told = forecast("mx", instance(macs=(MAC, MAC2), disks=2), [nic("ens13", MAC, 13), nic("ens14", MAC2, 14)])
    assert told.renames(Level.COLD) == {"ens13": "ens14", "ens14": "ens15"}


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"kvm_pci_reservations": 4}, Fate.KEPT),
        ({"kvm_pci_reservations": 3}, Fate.NO_START),
        ({"kvm_pci_reservations": 4, "use_guest_agent": True, "version": (3, 0, 2)}, Fate.NO_START),
        ({"kvm_pci_reservations": 5, "use_guest_agent": True, "version": (3, 0, 2)}, Fate.RENAMED),
        ({"kvm_pci_reservations": 32}, Fate.NO_START),
        ({"disk_type": "scsi-hd"}, Fate.RENAMED),
        ({"disk_type": "nvme"}, Fate.UNKNOWN),
        ({"machine_version": "pc-q35-7.2"}, Fate.UNKNOWN),
        ({"machine_version": "q35"}, Fate.UNKNOWN),
        ({"acpi": False}, Fate.UNKNOWN),
        ({"kvm_extra": "-device virtio-rng-pci"}, Fate.UNKNOWN),
        ({"kvm_pci_reservations": None}, Fate.UNKNOWN),
        ({"kvm_pci_reservations": "12"}, Fate.UNKNOWN),
    ],
)
def test_what_a_cold_start_does(changes: dict[str, Any], fate: Fate) -> None:
    assert forecast("mx", instance(**changes), [nic()]).fate(Level.COLD) is fate


def test_scsi_disks_take_no_slot() -> None:
    assert forecast("mx", instance(disk_type="scsi-hd", disks=3), [nic()]).renames(Level.COLD) == {"ens5": "ens12"}


def test_reboot_behavior_exit_makes_a_guest_reboot_cold() -> None:
    assert forecast("mx", instance(reboot_behavior="exit"), [nic()]).renames(Level.GUEST) == {"ens5": "ens13"}
    assert forecast("mx", instance(reboot_behavior=None), [nic()]).fate(Level.GUEST) is Fate.UNKNOWN


@pytest.mark.parametrize(
    ("guest", "fate"),
    [
        (nic("eth0"), Fate.KEPT),
        (nic("uplink"), Fate.UNKNOWN),
        (nic(link="/etc/systemd/network/10-uplink.link"), Fate.UNKNOWN),
        (nic(slot=None), Fate.UNKNOWN),
        (nic(mac=MAC2), Fate.UNKNOWN),
        (nic("enp0s5"), Fate.RENAMED),
    ],
)
def test_what_names_the_card_decides(guest: GuestNic, fate: Fate) -> None:
    assert forecast("mx", instance(), [guest]).fate(Level.COLD) is fate


PINNED = PIN.format(name="ens5")
PIN_TEXT = f"[Match]\nMACAddress={MAC}\n[Link]\nName=ens5\n"


def with_files(card: GuestNic, files: dict[str, str]) -> Forecast:
    networking = replace(HOST, files=tuple(ConfigFile(path, text) for path, text in files.items()))
    return nic_forecast.forecast("mx", instance(), NicFacts((card,), (), (), networking))


@pytest.mark.parametrize(
    ("card", "files"),
    [
        (GuestNic("ens5", MAC, 13, PINNED, "ens5", "ens13"), {}),
        (GuestNic("ens5", MAC, 5, PINNED, "ens5", "ens5"), {}),
        (nic("ens13", slot=13), {"/etc/systemd/network/10-lan.link": PIN_TEXT.replace("ens5", "lan0")}),
        (nic("ens13", slot=13), {"/etc/systemd/network/99-default.link": ""}),
        (replace(nic("ens13", slot=13), link_file="/usr/local/lib/systemd/network/99-default.link"), {}),
        (nic(link=None), {}),
        (replace(nic("ens13", slot=13), next_name=None), {}),
        (replace(nic("ens13", slot=13), next_name=""), {}),
        (replace(nic("ens13", slot=13), chosen="ens5"), {}),
        (replace(nic(), next_name=None), {}),
        (replace(nic("eth0"), next_name=None), {}),
    ],
)
def test_what_may_have_changed_since_the_boot_is_unknown_at_each_level(card: GuestNic, files: dict[str, str]) -> None:
    found = with_files(card, files)
    assert {level: found.fate(level) for level in Level} == dict.fromkeys(Level, Fate.UNKNOWN)


def test_a_pin_that_is_there_keeps_the_name_in_any_slot() -> None:
    for slot in (5, 13):
        found = with_files(GuestNic("ens5", MAC, slot, PINNED, "ens5", f"ens{slot}"), {PINNED: PIN_TEXT})
        assert {found.fate(level) for level in Level} == {Fate.KEPT}
    assert with_files(nic(), {PINNED: PIN_TEXT}).fate(Level.GUEST) is Fate.KEPT


def test_a_kernels_name_is_kept_where_no_policy_names_the_card() -> None:
    assert with_files(replace(nic("eth0"), next_name=""), {}).fate(Level.COLD) is Fate.KEPT
    masked = {"/etc/systemd/network/99-default.link": ""}
    assert with_files(GuestNic("eth0", MAC, 5, None), masked).fate(Level.COLD) is Fate.KEPT
    assert with_files(replace(nic("eth0"), next_name="ens5"), {}).renames(Level.COLD) == {"eth0": "ens13"}


def test_without_the_cluster_it_is_unknown_and_outside_of_it_kept() -> None:
    assert unknown("mx", [nic()], "no answer").fate(Level.GUEST) is Fate.UNKNOWN
    assert unknown("mx", [], "no answer").fate(Level.COLD) is Fate.UNKNOWN
    iron = without_instance("mx", NicFacts((nic(),), (), (), IRON), "no such instance")
    assert (iron.fate(Level.COLD), iron.virtual) == (Fate.KEPT, False)
    assert "not a Ganeti machine" in iron.lines()[0]


def test_a_newer_udev_renames_a_physical_card_too() -> None:
    newer = GuestNic("ens3f0", MAC, None, DEFAULT_LINK, "ens3f0", "ens3f0np0")
    found = without_instance("mx", NicFacts((newer,), (), (), IRON), "no such instance")
    assert {found.fate(level) for level in Level} == {Fate.RENAMED}
    assert found.sentence(Level.GUEST).startswith("this reboot renames ens3f0 to ens3f0np0")
    gone = replace(newer, link_file=PINNED)
    assert without_instance("mx", NicFacts((gone,), (), (), IRON), "none").fate(Level.GUEST) is Fate.UNKNOWN
    assert without_instance("mx", NicFacts((), (), (), IRON), "none").fate(Level.GUEST) is Fate.UNKNOWN


UNCLEAR = "whether it is a virtual machine is unknown"


@pytest.mark.parametrize(("virt", "said"), [("kvm", "virtual machine (kvm)"), ("", UNCLEAR)])
def test_a_guest_that_no_cluster_knows_is_unknown_not_iron(virt: str, said: str) -> None:
    networking = replace(HOST, virt=virt)
    found = without_instance("mx", NicFacts((nic(),), (), (), networking), "the cluster knows no instance mx")
    assert {found.fate(level) for level in Level} == {Fate.UNKNOWN}
    assert found.virtual is None
    assert said in found.note


@pytest.mark.parametrize(
    ("version", "slot"),
    [((2, 16, 2), 14), ((3, 0, 0), 14), ((3, 0, 1), 14), ((3, 0, 2), 13), ((3, 1, 0), 13), ((3, 1, 1), 13)],
)
def test_the_guest_agent_takes_a_slot_before_ganeti_3_0_2(version: tuple[int, int, int], slot: int) -> None:
    machine = instance(use_guest_agent=True, version=version)
    assert forecast("mx", machine, [nic()]).renames(Level.COLD) == {"ens5": f"ens{slot}"}
    assert forecast("mx", machine, [nic("ens13", slot=13)]).fate(Level.COLD) is (
        Fate.KEPT if slot == 13 else Fate.RENAMED
    )


def test_a_guest_agent_under_a_ganeti_of_no_known_version_is_unknown() -> None:
    told = forecast("mx", instance(use_guest_agent=True), [nic("ens13", slot=13)])
    assert told.fate(Level.COLD) is Fate.UNKNOWN
    assert "3.0.2" in told.sentence(Level.COLD)


@given(
    st.dictionaries(
        st.sampled_from(list(instance().hvparams)), st.one_of(st.none(), st.integers(-1, 40), st.text(max_size=4))
    )
)
def test_a_forecast_never_fails_and_never_guesses(changes: dict[str, Any]) -> None:
    told = forecast("mx", instance(**changes), [nic()])
    for level in Level:
        outcome = told.nics[0].effects[level]
        assert (outcome.name is None) == (outcome.fate in (Fate.UNKNOWN, Fate.NO_START))
