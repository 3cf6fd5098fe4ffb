"""A host whose card has another name now is repaired from inside, or left as it was."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.base.errors import CommandTimeoutError
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.files import undo_script
from mxlib.nic.repair import GuestRepair, NicRepairError, repair_inside
from mxlib.nic.twin import twin
from mxlib.protocols.host import CommandResult
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.nics import MAC
from tests.unit.support.renamed_guest import files


def test_the_incident_is_repaired_with_copy_and_undo(guest: FakeGuest) -> None:
    story: list[str] = []
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=story.append)
    assert repair.diagnosis.cause is Outage.RENAMED
    assert repair.renames == {"ens5": "ens13"}
    assert guest.file() == TEXT.replace("ens5", "ens13")
    assert "+allow-hotplug ens13" in repair.diff
    assert guest.file(f"{repair.backup}/0") == TEXT
    assert [act.split()[0] for act in guest.acts[1:3]] == ["ifup", "ifup"]
    assert "--no-act" in guest.acts[1]
    assert any("ifup ens13" in line for line in story)
    guest.act(undo_script(repair.backup), timeout=5)
    assert guest.file() == TEXT


@pytest.mark.parametrize("failing", ["ifup --no-act", "ifup ens13"])
def test_files_are_put_back_when_the_interface_does_not_come_up(tmp_path: Path, failing: str) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC}, {failing: (1, "ifup: failed to bring up ens13")})
    begun = GuestRepair(Diagnosis(Outage.UNKNOWN, ""))
    with pytest.raises(NicRepairError, match=r"failed to bring up.*files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None, begun=begun)
    assert guest.file() == TEXT
    assert (begun.acted, begun.diff) == (True, ""), "what was put back is no change to show"


def test_a_file_that_somebody_has_changed_meanwhile_is_not_said_to_be_put_back(tmp_path: Path) -> None:
    left = (1, "changed by somebody since, left alone: /etc/network/interfaces")
    guest = FakeGuest(tmp_path, {"ens13": MAC}, {"ifup ens13": (1, "failed to bring up"), "configuration back": left})
    begun = GuestRepair(Diagnosis(Outage.UNKNOWN, ""))
    with pytest.raises(NicRepairError, match=r"failed to bring up; the files were not all put back: changed by"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None, begun=begun)
    assert "+allow-hotplug ens13" in begun.diff


def test_kernel_parameters_go_along_and_other_places_are_told(guest: FakeGuest) -> None:
    (guest.root / "etc/sysctl.d/ra.conf").write_text("# ens5\nnet.ipv6.conf.ens5.accept_ra = 0\n")
    (guest.root / "etc/nftables.conf").write_text("table inet x { chain i { iifname ens5 accept; } }\n")
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert guest.file("/etc/sysctl.d/ra.conf") == "# ens5\nnet.ipv6.conf.ens13.accept_ra = 0\n"
    assert "iifname ens5" in guest.file("/etc/nftables.conf")
    assert [place.path for place in repair.places] == ["/etc/nftables.conf"]


@pytest.mark.parametrize("cut", ["look for names outside ifupdown", "base64 /etc/sysctl.d/ra.conf"])
def test_places_that_could_not_be_read_are_not_none(tmp_path: Path, cut: str) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC}, {cut: (1, "grep: Input/output error")})
    (guest.root / "etc/sysctl.d/ra.conf").write_text("net.ipv6.conf.ens5.accept_ra = 0\n")
    with pytest.raises(NicRepairError, match=r"files are perhaps not written: .*exit code 1 of .*Input/output error"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert guest.file() == TEXT


def test_a_repair_that_gets_no_answer_at_its_end_is_still_one_of_names(guest: FakeGuest) -> None:
    real = guest.act

    def act(script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        if "stale units" in script:
            raise CommandTimeoutError(f"no end within {timeout:g} s")
        return real(script, timeout=timeout, ok_codes=ok_codes)

    guest.act = act  # type: ignore[method-assign]
    with pytest.raises(NicRepairError, match=r"files are written, copies in /var/\S+: no end within 30 s"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert guest.file() == TEXT.replace("ens5", "ens13")


def test_a_second_name_of_an_earlier_prevention_goes_with_the_repair(guest: FakeGuest) -> None:
    # It was prepared for ens12; the machine came up as ens13.
    text = twin(files(), {"ens5": "ens12"}, "x").after[0].text
    (guest.root / "etc/network/interfaces").write_text(text)
    repair = repair_inside(guest, macs=(MAC,), known={MAC: "ens5"}, run="run1", say=lambda _: None)
    assert repair.diagnosis.cause is Outage.RENAMED
    assert guest.file() == TEXT.replace("ens5", "ens13")


def test_the_note_on_the_hosts_disk_makes_two_cards_certain(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC, "ens14": "aa:00:00:77:00:22"})
    (tmp_path / "etc/network/interfaces").write_text(TEXT + "allow-hotplug ens6\niface ens6 inet manual\n")
    doubt = repair_inside(guest, macs=None, known=None, run="run1", say=lambda _: None)
    assert doubt.diagnosis.cause is Outage.UNCERTAIN
    assert doubt.diagnosis.advice
    (tmp_path / "var/lib/mx-cookbooks/nic/names").write_text(f"aa:00:00:77:00:22 ens5\n{MAC} ens6\n")
    sure = repair_inside(guest, macs=None, known=None, run="run1", say=lambda _: None)
    assert sure.renames == {"ens5": "ens14", "ens6": "ens13"}


NO_ADDRESS = '[{"ifname": "ens13", "flags": ["UP", "LOWER_UP"], "addr_info": []}]'
ADDRESS = NO_ADDRESS.replace("[]", '[{"local": "192.0.2.21", "scope": "global"}]')
ROUTE = '[{"dst": "default", "gateway": "192.0.2.1", "dev": "ens13"}]'


@pytest.mark.parametrize(
    ("addresses", "route", "access", "cause", "act"),
    [
        (NO_ADDRESS, "[]", "unit active\nlistens\nend", Outage.NOT_UP, "ifup ens13"),
        (ADDRESS, ROUTE, "unit failed\nend", Outage.SSHD, "restart ssh.service"),
        (ADDRESS, ROUTE, "unit active\nlistens\nrule policy drop;\nend", Outage.FIREWALL, ""),
        (ADDRESS, "[]", "unit active\nlistens\nrule policy drop;\nend", Outage.NO_ROUTE, ""),
        (ADDRESS, ROUTE, "unit active\nlistens\nrule policy accept;\nend", Outage.UNKNOWN, ""),
    ],
)
def test_other_causes(tmp_path: Path, addresses: str, route: str, access: str, cause: Outage, act: str) -> None:
    # a job of the boot still hangs, after the wait for it
    guest = FakeGuest(tmp_path, {"ens13": MAC}, {"is-system-running": (124, "")})
    (tmp_path / "etc/network/interfaces").write_text(TEXT.replace("ens5", "ens13"))
    real = guest.read

    def read(script: str, *, timeout: float) -> CommandResult:
        if "section access" not in script:
            return real(script, timeout=timeout)
        mark = script.partition("\n")[0].removeprefix("mark=")
        answers = {"addresses": addresses, "routes-v4": route, "routes-v6": "[]", "access": access}
        text = "".join(
            f"{mark} begin {name}\n{body}\n\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name, body in answers.items()
        )
        return CommandResult(script, 0, text, datetime(2026, 1, 1, tzinfo=UTC), 0.0)

    guest.read = read  # type: ignore[method-assign]
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert repair.diagnosis.cause is cause
    assert any(act in done for done in guest.acts) if act else not guest.acts


NETWORK = "[Match]\nName=ens5\n\n[Network]\nAddress=192.0.2.21/24\nGateway=192.0.2.1\n"


def networkd_guest(root: Path, text: str = NETWORK, answers: dict[str, tuple[int, str]] | None = None) -> FakeGuest:
    guest = FakeGuest(root, {"ens13": MAC}, answers, enabled="systemd-networkd")
    (root / "etc/network/interfaces").write_text("auto lo\niface lo inet loopback\n")
    (root / "etc/systemd/network/20-uplink.network").write_text(text)
    return guest


def test_a_host_of_networkd_is_repaired_too(tmp_path: Path) -> None:
    guest = networkd_guest(tmp_path, answers={"wait-online": (0, "")})
    repair = repair_inside(guest, macs=(MAC,), known={MAC: "ens5"}, run="run1", say=lambda _: None)
    assert (repair.diagnosis.cause, repair.renames) == (Outage.RENAMED, {"ens5": "ens13"})
    assert guest.file("/etc/systemd/network/20-uplink.network") == NETWORK.replace("ens5", "ens13")
    assert "networkctl reload\nnetworkctl reconfigure ens13\n" in guest.acts[1]
    assert not any("ifup" in act for act in guest.acts)
    assert repair.places == ()


def test_files_of_networkd_are_put_back_where_the_card_does_not_come_online(tmp_path: Path) -> None:
    guest = networkd_guest(tmp_path, answers={"wait-online": (1, "Timeout occurred")})
    with pytest.raises(NicRepairError, match=r"Timeout occurred.*files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert guest.file("/etc/systemd/network/20-uplink.network") == NETWORK
    assert guest.acts[-1] == "networkctl reload"


def test_a_host_of_netplan_is_refused_by_name_and_untouched(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC}, enabled="systemd-networkd")
    (tmp_path / "etc/network/interfaces").unlink()
    generated = tmp_path / "run/systemd/network/10-netplan-ens5.network"
    generated.parent.mkdir(parents=True)
    generated.write_text(NETWORK)
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert (repair.diagnosis.cause, repair.renames) == (Outage.RENAMED, {"ens5": "ens13"})
    assert "configured by netplan" in repair.diagnosis.advice
    assert guest.acts == []


def test_a_vlan_that_ifup_did_not_make_is_no_success(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC})
    vlan = "auto ens5.100\niface ens5.100 inet static\n\taddress 192.0.2.21/24\n"
    (tmp_path / "etc/network/interfaces").write_text(vlan)
    with pytest.raises(NicRepairError, match=r"no interface ens13\.100 after ifup; the files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert guest.file() == vlan


def test_a_bridge_is_brought_up_again_with_its_renamed_port(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC})
    bridge = "auto br0\niface br0 inet static\n\taddress 192.0.2.21/24\n\tbridge_ports ens5\n"
    (tmp_path / "etc/network/interfaces").write_text(bridge)
    (tmp_path / "sys/class/net/br0").mkdir()
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert repair.renames == {"ens5": "ens13"}
    assert guest.file() == bridge.replace("ens5", "ens13")
    assert guest.acts[1:4] == ["ifup --no-act br0", "ifdown --force br0", "ifup br0"]


def test_a_bridge_without_an_address_is_brought_up_by_its_name(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC})
    bridge = "auto br0\niface br0 inet static\n\taddress 192.0.2.21/24\n\tbridge_ports ens5\n"
    (tmp_path / "etc/network/interfaces").write_text(bridge)
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", say=lambda _: None)
    assert (repair.diagnosis.cause, repair.diagnosis.interfaces) == (Outage.NOT_UP, ("br0",))
    assert guest.acts == ["ifdown --force br0; ifup br0"]
