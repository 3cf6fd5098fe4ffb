from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.base.errors import CommandFailedError, HostUnreachableError
from mxlib.facts.nic import ConfigFile, GuestNic, NicFacts
from mxlib.nic import files as nic_files
from mxlib.nic.cause import Cause, from_screen
from mxlib.nic.files import parse_backup, undo_script, write_script
from mxlib.nic.forecast import Forecast, forecast
from mxlib.nic.instance import Instance
from mxlib.nic.prevent import (
    PreventionError,
    installed_kernels,
    note_names,
    plan_settling,
    plan_stanzas,
    prevent,
    settle_names,
)
from mxlib.nic.repair import NicRepairError, repair_inside
from mxlib.nic.screen import Waiting, look
from mxlib.nic.twin import twin
from mxlib.protocols.host import CommandResult
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.nics import DEFAULT_LINK as LINK
from tests.unit.support.nics import HOST, MAC, ifupdown


def files(text: str = TEXT) -> tuple[ConfigFile, ...]:
    return (ConfigFile("/etc/network/interfaces", text),)


def told() -> Forecast:
    hvparams = {
        "kvm_pci_reservations": 12,
        "disk_type": "paravirtual",
        "reboot_behavior": "reboot",
        "machine_version": "",
        "acpi": True,
    }
    instance = Instance("mx2001.lab.test", "ganeti01.lab.test", "running", (MAC,), 1, hvparams)
    return forecast("mx2001.lab.test", instance, ifupdown(TEXT))


@pytest.fixture
def guest(tmp_path: Path) -> FakeGuest:
    return FakeGuest(tmp_path, {"ens13": MAC})


def test_the_incident_is_repaired_with_copy_and_undo(guest: FakeGuest) -> None:
    story: list[str] = []
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=story.append)
    assert repair.diagnosis.cause is Cause.RENAMED
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
    with pytest.raises(NicRepairError, match=r"failed to bring up.*files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert guest.file() == TEXT


def test_kernel_parameters_go_along_and_other_places_are_told(guest: FakeGuest) -> None:
    (guest.root / "etc/sysctl.d/ra.conf").write_text("# ens5\nnet.ipv6.conf.ens5.accept_ra = 0\n")
    (guest.root / "etc/nftables.conf").write_text("table inet x { chain i { iifname ens5 accept; } }\n")
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert guest.file("/etc/sysctl.d/ra.conf") == "# ens5\nnet.ipv6.conf.ens13.accept_ra = 0\n"
    assert "iifname ens5" in guest.file("/etc/nftables.conf")
    assert [place.path for place in repair.places] == ["/etc/nftables.conf"]


def test_a_second_name_of_an_earlier_prevention_goes_with_the_repair(guest: FakeGuest) -> None:
    # It was prepared for ens12; the machine came up as ens13.
    text = twin(files(), {"ens5": "ens12"}, "x").after[0].text
    (guest.root / "etc/network/interfaces").write_text(text)
    repair = repair_inside(guest, macs=(MAC,), known={MAC: "ens5"}, run="run1", tell=lambda _: None)
    assert repair.diagnosis.cause is Cause.RENAMED
    assert guest.file() == TEXT.replace("ens5", "ens13")


def test_the_note_on_the_hosts_disk_makes_two_cards_certain(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC, "ens14": "aa:00:00:77:00:22"})
    (tmp_path / "etc/network/interfaces").write_text(TEXT + "allow-hotplug ens6\niface ens6 inet manual\n")
    doubt = repair_inside(guest, macs=None, known=None, run="run1", tell=lambda _: None)
    assert doubt.diagnosis.cause is Cause.UNCERTAIN
    assert doubt.diagnosis.advice
    (tmp_path / "var/lib/mx-cookbooks/nic/names").write_text(f"aa:00:00:77:00:22 ens5\n{MAC} ens6\n")
    sure = repair_inside(guest, macs=None, known=None, run="run1", tell=lambda _: None)
    assert sure.renames == {"ens5": "ens14", "ens6": "ens13"}


NO_ADDRESS = '[{"ifname": "ens13", "flags": ["UP", "LOWER_UP"], "addr_info": []}]'
ADDRESS = NO_ADDRESS.replace("[]", '[{"local": "192.0.2.21", "scope": "global"}]')
ROUTE = '[{"dst": "default", "gateway": "192.0.2.1", "dev": "ens13"}]'


@pytest.mark.parametrize(
    ("addresses", "route", "access", "cause", "act"),
    [
        (NO_ADDRESS, "[]", "unit active\nlistens\nend", Cause.NOT_UP, "ifup ens13"),
        (ADDRESS, ROUTE, "unit failed\nend", Cause.SSHD, "restart ssh.service"),
        (ADDRESS, ROUTE, "unit active\nlistens\nrule policy drop;\nend", Cause.FIREWALL, ""),
        (ADDRESS, "[]", "unit active\nlistens\nrule policy drop;\nend", Cause.NO_ROUTE, ""),
        (ADDRESS, ROUTE, "unit active\nlistens\nrule policy accept;\nend", Cause.UNKNOWN, ""),
    ],
)
def test_other_causes(tmp_path: Path, addresses: str, route: str, access: str, cause: Cause, act: str) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC})
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
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert repair.diagnosis.cause is cause
    assert any(act in done for done in guest.acts) if act else not guest.acts


def test_nothing_is_written_when_a_file_changed_meanwhile(guest: FakeGuest) -> None:
    script = write_script([(files()[0], files("new\n")[0])], "run1", "x")
    (guest.root / "etc/network/interfaces").write_text(TEXT + "# edited\n")
    with pytest.raises(CommandFailedError, match="changed since it was read"):
        guest.act(script, timeout=5)
    assert guest.file() == TEXT + "# edited\n"
    assert not list((guest.root / "var/lib/mx-cookbooks/nic").iterdir())


def test_undo_leaves_alone_what_somebody_changed_since(guest: FakeGuest) -> None:
    backup = parse_backup(guest.act(write_script([(files()[0], files("new\n")[0])], "run1", "x"), timeout=5).output)
    (guest.root / "etc/network/interfaces").write_text("somebody's\n")
    with pytest.raises(CommandFailedError, match="left alone"):
        guest.act(undo_script(backup), timeout=5)
    assert guest.file() == "somebody's\n"


@pytest.mark.parametrize("run", ["", "../x", "a b", "$(reboot)"])
def test_ids_are_matched_before_they_are_used(run: str) -> None:
    with pytest.raises(ValueError, match="id of a run"):
        write_script([(files()[0], files("new\n")[0])], run, "x")
    with pytest.raises(ValueError, match="no backup"):
        undo_script(f"{nic_files.BACKUPS}/{run};reboot")


def test_prevention_and_settling(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC})
    note_names(guest, told().known())
    assert guest.file("/var/lib/mx-cookbooks/nic/names") == f"{MAC} ens5\n"
    done = prevent(guest, told(), method="stanzas", run="run1")
    assert "+iface ens13 inet static" in done.diff
    assert prevent(guest, told(), method="stanzas", run="run2").diff == ""
    assert prevent(guest, told(), method="none", run="run2").diff == ""
    assert settle_names(guest, "run3").diff
    assert guest.file() == TEXT
    assert settle_names(guest, "run4").diff == ""


def test_settling_needs_one_of_the_two_names() -> None:
    two = twin(files(), {"ens5": "ens13"}, "x").after
    card = GuestNic("ens13", MAC, 13, LINK)
    assert plan_settling(NicFacts((card,), two, (), HOST)).after[0].text == TEXT.replace("ens5", "ens13")
    for cards in ((), (card, GuestNic("ens5", "aa:00:00:77:00:22", 5, LINK))):
        with pytest.raises(PreventionError, match="left as it is"):
            plan_settling(NicFacts(cards, two, (), HOST))


def test_a_second_name_that_ifupdown_refuses_is_taken_away(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"ifquery --list": (1, "unknown interface")})
    with pytest.raises(PreventionError, match="taken away"):
        prevent(guest, told(), method="stanzas", run="run1")
    assert guest.file() == TEXT


def test_stanzas_are_refused_where_they_are_not_certain() -> None:
    with pytest.raises(PreventionError, match="not certain"):
        plan_stanzas(ifupdown(TEXT + "iface ens5.7 inet manual\n"), told(), "run1")


def test_a_pin_by_link_is_proven_in_the_initramfs(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"update-initramfs -u": (0, "")})
    done = prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64", "6.1.0-55-amd64"))
    assert f"+MACAddress={MAC}" in done.diff
    assert guest.acts[0].count("lsinitramfs") == 2
    for kernels in ((), ("6.1; reboot",)):
        with pytest.raises(PreventionError, match="kernel releases"):
            prevent(guest, told(), method="link", run="run1", kernels=kernels)


def test_a_pin_that_is_not_in_the_initramfs_is_taken_away(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"lsinitramfs /boot": (1, ""), "rm -f": (0, "")})
    with pytest.raises(PreventionError, match="taken away"):
        prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64",))
    assert "rm -f /etc/systemd/network/10-mx-cookbooks-ens5.link" in guest.acts[-1]


def test_a_host_that_falls_silent_while_it_is_pinned_is_told_what_may_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(script: str, **_: object) -> CommandResult:
        raise HostUnreachableError("no word from ssh")

    guest = FakeGuest(tmp_path, {"ens5": MAC})
    monkeypatch.setattr(guest, "act", silent)
    with pytest.raises(PreventionError, match=r"10-mx-cookbooks-ens5\.link may be left"):
        prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64",))


@pytest.mark.parametrize("waiting", list(Waiting))
def test_every_screen_has_a_cause(waiting: Waiting) -> None:
    screen = look("(initramfs) ") if waiting is Waiting.INITRAMFS else look("")
    told_ = from_screen(type(screen)(waiting, "detail", "last"), "mx2001.lab.test")
    assert told_.advice
    assert "{name}" not in told_.advice


NETWORK = "[Match]\nName=ens5\n\n[Network]\nAddress=192.0.2.21/24\nGateway=192.0.2.1\n"


def networkd_guest(root: Path, text: str = NETWORK, answers: dict[str, tuple[int, str]] | None = None) -> FakeGuest:
    guest = FakeGuest(root, {"ens13": MAC}, answers, enabled="systemd-networkd")
    (root / "etc/network/interfaces").write_text("auto lo\niface lo inet loopback\n")
    (root / "etc/systemd/network/20-uplink.network").write_text(text)
    return guest


def test_a_host_of_networkd_is_repaired_too(tmp_path: Path) -> None:
    guest = networkd_guest(tmp_path, answers={"wait-online": (0, "")})
    repair = repair_inside(guest, macs=(MAC,), known={MAC: "ens5"}, run="run1", tell=lambda _: None)
    assert (repair.diagnosis.cause, repair.renames) == (Cause.RENAMED, {"ens5": "ens13"})
    assert guest.file("/etc/systemd/network/20-uplink.network") == NETWORK.replace("ens5", "ens13")
    assert "networkctl reload\nnetworkctl reconfigure ens13\n" in guest.acts[1]
    assert not any("ifup" in act for act in guest.acts)
    assert repair.places == ()


def test_files_of_networkd_are_put_back_where_the_card_does_not_come_online(tmp_path: Path) -> None:
    guest = networkd_guest(tmp_path, answers={"wait-online": (1, "Timeout occurred")})
    with pytest.raises(NicRepairError, match=r"Timeout occurred.*files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert guest.file("/etc/systemd/network/20-uplink.network") == NETWORK
    assert guest.acts[-1] == "networkctl reload"


def test_a_host_of_netplan_is_refused_by_name_and_untouched(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC}, enabled="systemd-networkd")
    (tmp_path / "etc/network/interfaces").unlink()
    generated = tmp_path / "run/systemd/network/10-netplan-ens5.network"
    generated.parent.mkdir(parents=True)
    generated.write_text(NETWORK)
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert (repair.diagnosis.cause, repair.renames) == (Cause.RENAMED, {"ens5": "ens13"})
    assert "configured by netplan" in repair.diagnosis.advice
    assert guest.acts == []


def test_a_vlan_that_ifup_did_not_make_is_no_success(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC})
    vlan = "auto ens5.100\niface ens5.100 inet static\n\taddress 192.0.2.21/24\n"
    (tmp_path / "etc/network/interfaces").write_text(vlan)
    with pytest.raises(NicRepairError, match=r"no interface ens13\.100 after ifup; the files were put back"):
        repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert guest.file() == vlan


def test_a_bridge_is_brought_up_again_with_its_renamed_port(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens13": MAC})
    bridge = "auto br0\niface br0 inet static\n\taddress 192.0.2.21/24\n\tbridge_ports ens5\n"
    (tmp_path / "etc/network/interfaces").write_text(bridge)
    (tmp_path / "sys/class/net/br0").mkdir()
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert repair.renames == {"ens5": "ens13"}
    assert guest.file() == bridge.replace("ens5", "ens13")
    assert guest.acts[1:4] == ["ifup --no-act br0", "ifdown --force br0", "ifup br0"]


def test_a_bridge_without_an_address_is_brought_up_by_its_name(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC})
    bridge = "auto br0\niface br0 inet static\n\taddress 192.0.2.21/24\n\tbridge_ports ens5\n"
    (tmp_path / "etc/network/interfaces").write_text(bridge)
    repair = repair_inside(guest, macs=(MAC,), known=None, run="run1", tell=lambda _: None)
    assert (repair.diagnosis.cause, repair.diagnosis.interfaces) == (Cause.NOT_UP, ("br0",))
    assert guest.acts == ["ifdown --force br0; ifup br0"]


def test_a_pin_goes_into_the_initramfs_of_every_kernel_there_is(tmp_path: Path) -> None:
    listed = "config-6.1.0-56-amd64\ninitrd.img-6.1.0-56-amd64\ninitrd.img-6.1.0-55-amd64\ngrub\n"
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"ls /boot": (0, listed)})
    assert installed_kernels(guest) == ("6.1.0-56-amd64", "6.1.0-55-amd64")
