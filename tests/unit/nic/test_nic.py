import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.base.errors import ParseError
from mxlib.facts.nic import DEVICES, FILES, ConfigFile, GuestNic, NicFacts, parse
from mxlib.facts.nic import NETWORKING as NETWORKING_SECTION
from mxlib.facts.section import SectionOutput
from mxlib.model.record import Level
from mxlib.nic import forecast as nic_forecast
from mxlib.nic.forecast import Fate, Forecast, unknown, without_instance
from mxlib.nic.instance import GanetiError, Instance, instance_name, parse_instance, parse_version
from mxlib.nic.names import is_sysctl, parse_places, places_script, rename_sysctl, work_out
from mxlib.nic.rename import Place
from mxlib.nic.twin import twin
from tests.unit.support.nics import DEFAULT_LINK, HOST, IRON, MAC, MAC2, NETWORKING

INTERFACES = "allow-hotplug ens5\niface ens5 inet static\n\taddress 192.0.2.21/24\n"


def output(section: Any, text: str) -> SectionOutput:
    return SectionOutput(section.name, section.script, 0, text, "", datetime(2026, 1, 1, tzinfo=UTC))


def nic(name: str = "ens5", mac: str = MAC, slot: int | None = 5, link: str | None = DEFAULT_LINK) -> GuestNic:
    return GuestNic(name, mac, slot, link)


def forecast(host: str, machine: Instance, nics: Sequence[GuestNic]) -> Forecast:
    return nic_forecast.forecast(host, machine, NicFacts(tuple(nics), (), (), HOST))


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
    assert told.nics[0].outcomes[Level.COLD].name == f"ens{slot}"


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


def test_without_the_cluster_it_is_unknown_and_outside_of_it_kept() -> None:
    assert unknown("mx", [nic()], "no answer").fate(Level.GUEST) is Fate.UNKNOWN
    assert unknown("mx", [], "no answer").fate(Level.COLD) is Fate.UNKNOWN
    iron = without_instance("mx", NicFacts((nic(),), (), (), IRON), "no such instance")
    assert (iron.fate(Level.COLD), iron.virtual) == (Fate.KEPT, False)
    assert "not a Ganeti machine" in iron.lines()[0]


@pytest.mark.parametrize(("virt", "said"), [("kvm", "virtual machine (kvm)"), ("", "not known")])
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


@pytest.mark.parametrize(
    ("answer", "version"),
    [("3.0.1", (3, 0, 1)), ("3.1.0~rc2-1", (3, 1, 0)), ("2.16.2", (2, 16, 2)), ("unknown", None), (None, None)],
)
def test_the_version_of_a_cluster(answer: str | None, version: tuple[int, int, int] | None) -> None:
    assert parse_version({"software_version": answer}) == version
    assert parse_version({}) is None


@given(
    st.dictionaries(
        st.sampled_from(list(instance().hvparams)), st.one_of(st.none(), st.integers(-1, 40), st.text(max_size=4))
    )
)
def test_a_forecast_never_fails_and_never_guesses(changes: dict[str, Any]) -> None:
    told = forecast("mx", instance(**changes), [nic()])
    for level in Level:
        outcome = told.nics[0].outcomes[level]
        assert (outcome.name is None) == (outcome.fate in (Fate.UNKNOWN, Fate.NO_START))


def test_the_answer_of_the_remote_api() -> None:
    answer = {
        "name": "mx2001.lab.test",
        "pnode": "ganeti01.lab.test",
        "status": "running",
        "nic.macs": ["AA:00:00:77:00:21"],
        "disk.sizes": [3072],
        "hvparams": {"kvm_pci_reservations": 12, "kernel_path": "/boot/vmlinuz", "boot_order": "network"},
    }
    parsed = parse_instance(answer)
    assert (parsed.macs, parsed.disks) == ((MAC,), 1)
    assert len(parsed.obstacles) == 2
    assert instance().obstacles == ()
    for key in answer:
        with pytest.raises(GanetiError):
            parse_instance({k: v for k, v in answer.items() if k != key})
    with pytest.raises(GanetiError, match="MACs"):
        parse_instance(answer | {"nic.macs": ["$(reboot)"]})


@pytest.mark.parametrize("name", ["mx 1", "-oProxyCommand=x", "mx;reboot", "", "MX", "../x"])
def test_names_are_matched_before_they_are_used(name: str) -> None:
    with pytest.raises(GanetiError):
        instance_name(name)


def test_the_facts_of_a_guest() -> None:
    devices = (
        f"nic ens5\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:05.0/virtio2\nlink {DEFAULT_LINK}\n"
        f"nic ens1f0\nmac {MAC2}\nat /sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0\nend\n"
    )
    files = "".join(
        f"file {base64.b64encode(path.encode()).decode()} {base64.b64encode(text).decode()}\n"
        for path, text in (
            ("/etc/network/interfaces", INTERFACES.encode()),
            ("/etc/network/interfaces.d/x", b"# \xff\n"),
        )
    )
    rest = {"nic-networking": output(NETWORKING_SECTION, NETWORKING + "end\n")}
    facts = parse({"nic-devices": output(DEVICES, devices), "nic-files": output(FILES, files + "end\n"), **rest})
    assert facts.nics == (nic(), GuestNic("ens1f0", MAC2, None, None))
    assert facts.files[0] == ConfigFile("/etc/network/interfaces", INTERFACES)
    assert facts.files[1].text.encode(errors="surrogateescape") == b"# \xff\n"
    for bad in (devices[:-4], devices.replace("mac", "mcc", 1)):
        with pytest.raises(ParseError):
            parse({"nic-devices": output(DEVICES, bad), "nic-files": output(FILES, "end\n"), **rest})


def facts(*nics: GuestNic, text: str = INTERFACES) -> NicFacts:
    return NicFacts(nics, (ConfigFile("/etc/network/interfaces", text),), (), HOST)


def test_one_missing_and_one_new_is_certain() -> None:
    for macs, known in (((MAC,), None), (None, None), (None, {MAC: "ens5"}), ((MAC, MAC2), {MAC2: "zz"})):
        renames = work_out(facts(nic("ens13", slot=13)), macs, known)
        assert renames.names == {"ens5": "ens13"}
        assert not renames.doubt


def test_nothing_missing_is_nothing_to_do() -> None:
    renames = work_out(facts(nic()), (MAC,), None)
    assert (renames.names, renames.doubt) == ({}, "")


@pytest.mark.parametrize(
    ("nics", "macs"),
    [
        ((nic("ens13"), nic("ens14", MAC2)), None),
        ((nic("ens13"), nic("ens14", MAC2)), (MAC, MAC2)),
        ((), (MAC,)),
        ((nic("ens13", "52:54:00:00:00:01"),), (MAC,)),
    ],
)
def test_two_candidates_or_none_is_a_doubt(nics: tuple[GuestNic, ...], macs: tuple[str, ...] | None) -> None:
    renames = work_out(facts(*nics), macs, None)
    assert renames.names == {}
    assert "not certain" in renames.doubt


def test_two_cards_need_the_note_from_before() -> None:
    text = "auto ens13 ens14\niface ens13 inet dhcp\niface ens14 inet dhcp\n"
    after = facts(nic("ens14", MAC, 14), nic("ens15", MAC2, 15), text=text)
    assert work_out(after, (MAC, MAC2), {MAC: "ens13", MAC2: "ens14"}).names == {"ens13": "ens14", "ens14": "ens15"}
    assert work_out(facts(nic("ens15", MAC, 15), nic("ens16", MAC2, 16), text=text), (MAC, MAC2), None).doubt


@pytest.mark.parametrize(("name", "names"), [("ens5", {}), ("ens13", {}), ("ens14", {"ens5": "ens14"})])
def test_a_second_name_is_no_interface_of_its_own(name: str, names: dict[str, str]) -> None:
    text = twin((ConfigFile("x", INTERFACES),), {"ens5": "ens13"}, "x").after[0].text
    renames = work_out(facts(nic(name), text=text), (MAC,), None)
    assert (renames.names, renames.doubt) == (names, "")


def test_a_host_without_ifupdown_is_a_doubt() -> None:
    assert "not configured by ifupdown" in work_out(NicFacts((nic(),), (), (), HOST), None, None).doubt


def test_other_places() -> None:
    assert "-e ens5" in places_script(["ens5"])
    with pytest.raises(ValueError, match="not names"):
        places_script(["ens5; reboot"])
    found = parse_places("/etc/ferm/ferm.conf:12:  interface ens5 ACCEPT;\n/etc/sysctl.d/x.conf:1:# ens5\nnoise\n")
    assert found == (Place("/etc/ferm/ferm.conf", 12, "interface ens5 ACCEPT;"),)
    names = {"ens5": "ens13"}
    assert is_sysctl(Place("/etc/sysctl.d/a.conf", 1, "net.ipv6.conf.ens5.accept_ra = 0"), names)
    assert not is_sysctl(Place("/etc/sysctl.d/a.conf", 1, "net.ipv6.conf.ens50.accept_ra = 0"), names)
    assert not is_sysctl(Place("/etc/ferm/a.conf", 1, "net.ipv6.conf.ens5.accept_ra = 0"), names)


def test_sysctl_lines_are_renamed_and_nothing_else() -> None:
    text = "# ens5\nnet.ipv6.conf.ens5.accept_ra=0\n-net/ipv4/conf/ens5/rp_filter=1\nk.x=ens5\nnet.ipv4.conf.ens5x=1\n"
    wanted = text.replace("conf.ens5.", "conf.ens13.").replace("conf/ens5/", "conf/ens13/")
    assert rename_sysctl(text, {"ens5": "ens13"}) == wanted
