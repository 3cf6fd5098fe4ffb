"""What configures a host's network, and how systemd-networkd's and udev's files are read."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.facts import nic as nic_facts
from mxlib.facts import reachability
from mxlib.facts.addresses import AddressFacts, Interface
from mxlib.facts.nic import ConfigFile, Networking, NicFacts
from mxlib.facts.reachability import AccessFacts
from mxlib.facts.section import Section
from mxlib.facts.source import FactUnknownError
from mxlib.nic import networkd as networkd_files
from mxlib.nic.cause import Cause, from_inside, from_screen
from mxlib.nic.manager import Manager, managed
from mxlib.nic.names import work_out
from mxlib.nic.networkd import Match, matches, pinned, serving, settings
from mxlib.nic.screen import Screen, Waiting
from tests.unit.support.facts import facts_of
from tests.unit.support.nics import (
    DEFAULT_LINK,
    EN_ALL,
    HOST,
    MAC,
    MAC2,
    NETWORKING,
    OFF,
    TOOLS,
    card,
    file_line,
    ifupdown,
    networkd,
)  # fmt: skip

LEFTOVER = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
ENS5 = "auto ens5\niface ens5 inet dhcp\n"
BY_NAME = "[Match]\nName=ens5\n\n[Network]\nDHCP=yes\n"
BY_MAC = f"[Match]\nMACAddress={MAC.upper()}\n[Network]\nAddress=192.0.2.21/24\n"
UP = AccessFacts("active", True, ("policy drop;",))
ROUTES = ((4, "192.0.2.1", "ens5"),)


@pytest.mark.parametrize(
    ("facts", "by"),
    [
        (ifupdown(ENS5), Manager.IFUPDOWN),
        (ifupdown(LEFTOVER), Manager.UNKNOWN),
        (ifupdown(ENS5, unread=("/etc/network/interfaces: source $X",)), Manager.UNKNOWN),
        (networkd({"20.network": BY_NAME}), Manager.NETWORKD),
        (networkd({"20.network": BY_NAME}, interfaces=LEFTOVER), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=LEFTOVER), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=ENS5, tools=TOOLS - {"ifup"}), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=ENS5), Manager.UNKNOWN),
        (networkd({"20.network": "[Match]\nName=wg0\n", "20.netdev": "[NetDev]\nName=wg0\n"}), Manager.UNKNOWN),
        (networkd({"/run/systemd/network/10-netplan-ens5.network": BY_NAME}), Manager.NETPLAN),
        (networkd({}), Manager.UNKNOWN),
    ],
)
def test_what_configures_a_host(facts: NicFacts, by: Manager) -> None:
    assert managed(facts).by is by


def test_networkd_that_is_off_and_network_manager() -> None:
    files = (ConfigFile("/etc/systemd/network/20.network", BY_NAME),)
    off = NicFacts((card(),), (), (), Networking(OFF, TOOLS, "kvm", files))
    assert managed(off).by is Manager.UNKNOWN
    on = OFF | {"NetworkManager": ("enabled", "active")}
    desktop = NicFacts((card(),), (), (), Networking(on, TOOLS, "kvm", ()))
    assert managed(desktop).by is Manager.NETWORK_MANAGER
    assert "NetworkManager configures it, which is not served" in work_out(desktop, (MAC,), None).doubt
    both = replace(ifupdown(ENS5), networking=desktop.networking)
    assert managed(both).by is Manager.IFUPDOWN


@pytest.mark.parametrize("facts", [ifupdown(LEFTOVER, card("ens6")), networkd({}, card("ens6"), interfaces=LEFTOVER)])
def test_no_configured_card_is_not_every_card(facts: NicFacts) -> None:
    found = work_out(facts, (MAC,), None)
    assert (found.names, found.why) == ({}, "")
    assert "not configured by ifupdown" in found.doubt


def test_a_renamed_card_of_networkd_is_found_as_one_of_ifupdown_is() -> None:
    assert work_out(networkd({"20.network": BY_NAME}, card("ens6")), (MAC,), None).names == {"ens5": "ens6"}
    assert work_out(networkd({"20.network": BY_MAC}, card("ens6")), (MAC,), None).names == {}
    assert "by /etc/systemd/network/20.network" in work_out(networkd({"20.network": BY_MAC}), (MAC,), None).why
    other = networkd({"20.network": BY_MAC}, card("ens6", MAC2))
    assert work_out(other, (MAC2,), None).doubt
    odd = networkd({"20.network": "[Match]\nDriver=virtio_net\n"}, card("ens6"))
    assert "certainly" in work_out(odd, (MAC,), None).doubt


def test_a_guest_that_is_not_the_instance_is_left_alone() -> None:
    found = work_out(ifupdown(ENS5, card("ens6", MAC2)), (MAC,), {MAC2: "ens5"})
    assert (found.names, MAC in found.doubt) == ({}, True)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ("Name=ens5", Match.YES),
        ("Name=eth0 en*", Match.YES),
        ("Name=!ens5", Match.NO),
        ("Name=!eth0 en*", Match.NO),
        ("Name=!eth*", Match.YES),
        ("MACAddress=aa-00-00-77-00-21", Match.YES),
        (f"PermanentMACAddress={MAC2}", Match.NO),
        ("Type=ether", Match.YES),
        ("Type=!ether", Match.NO),
        ("Driver=virtio_net", Match.UNKNOWN),
        ("Name=ens5\nHost=mx2001", Match.UNKNOWN),
        ("Name=ens7\nHost=mx2001", Match.NO),
        ("Name=ens5 \\\n ens6", Match.UNKNOWN),
        ("what is this", Match.UNKNOWN),
    ],
)
def test_whether_a_file_is_about_a_card(match: str, fits: Match) -> None:
    file = ConfigFile("/etc/systemd/network/20.network", f"[Match]\n{match}\n")
    assert matches(file, "ens5", MAC) is fits


def test_files_mask_each_other_and_come_in_the_order_of_their_names() -> None:
    first, second = "/etc/systemd/network/10-a.network", "/etc/systemd/network/20-b.network"
    files = [ConfigFile(second, EN_ALL), ConfigFile(first, BY_NAME)]
    assert serving(files, "ens5", MAC) == first
    assert serving(files, "ens6", MAC) == second
    assert serving(files, "wlan0", MAC) == ""
    masked = [ConfigFile("/run/systemd/network/20-b.network", EN_ALL), ConfigFile(second, ""), files[1]]
    assert serving(masked, "ens6", MAC) == ""
    drop_in = ConfigFile("/etc/systemd/network/10-a.network.d/x.conf", "[Match]\nHost=x\n")
    assert serving([*files, drop_in], "ens5", MAC) is None


@pytest.mark.parametrize(
    ("name", "text", "pins"),
    [
        ("10-a.link", f"[Match]\nMACAddress={MAC}\nType=ether\n[Link]\nName=ens5\n", True),
        ("10-a.link", f"[Match]\nPermanentMACAddress={MAC}\n[Link]\nName=ens5\n", True),
        ("10-a.link", f"[Match]\nMACAddress={MAC2}\n[Link]\nName=ens5\n", False),
        ("10-a.link", f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan\n", False),
        ("10-a.link", f"[Match]\nMACAddress={MAC}\n[Link]\nNamePolicy=path\nName=ens5\n", False),
        ("10-a.link", "[Match]\nOriginalName=*\n[Link]\nName=ens5\n", False),
        ("10-a.link", "[Link]\nName=ens5\n", False),
        ("zz.link", f"[Match]\nMACAddress={MAC}\n[Link]\nName=ens5\n", False),
    ],
)
def test_a_name_is_pinned_by_a_mac_address_alone(name: str, text: str, pins: bool) -> None:
    path = f"/etc/systemd/network/{name}"
    assert pinned([ConfigFile(path, text)], card()) == (path if pins else "")


def test_a_card_is_renamed_in_networkds_files_where_it_certainly_is_one() -> None:
    text = "# ens5\n[Match]\nName=ens5 ens50 !ens5\n[Network]\nDescription=ens5 uplink\nBindCarrier=ens5\n"
    rewrite = networkd_files.rename([ConfigFile("/etc/systemd/network/a.network", text)], {"ens5": "ens6"})
    wanted = text.replace("Name=ens5 ens50 !ens5", "Name=ens6 ens50 !ens6").replace("Carrier=ens5", "Carrier=ens6")
    assert rewrite.after[0].text == wanted
    assert [place.text for place in rewrite.uncertain] == ["Description=ens5 uplink"]
    with pytest.raises(ValueError, match="generated at each boot"):
        networkd_files.rename([ConfigFile("/run/systemd/network/a.network", text)], {"ens5": "ens6"})
    with pytest.raises(ValueError, match="configured already: ens50"):
        networkd_files.rename([ConfigFile("/etc/systemd/network/a.network", text)], {"ens5": "ens50"})


def test_settings_of_a_file() -> None:
    assert [(s.section, s.key, s.value, s.number) for s in settings("[A]\n# x\nb = c d\n") or ()] == [
        ("A", "b", "c d", 3)
    ]
    assert settings("b=c\n") is None
    assert settings("[A]\nb\n") is None


@pytest.mark.parametrize(
    ("facts", "address", "routes", "access", "cause"),
    [
        (ifupdown(ENS5), "", ROUTES, UP, Cause.NOT_UP),
        (ifupdown(ENS5), "fe80::1", ROUTES, UP, Cause.NOT_UP),
        (networkd({"20.network": BY_MAC}), "", ROUTES, UP, Cause.NOT_UP),
        (networkd({"20.network": "[Match]\nName=ens5\n"}), "", ROUTES, UP, Cause.NO_ADDRESS),
        (ifupdown("auto ens5\niface ens5 inet manual\n"), "fe80::1", ROUTES, UP, Cause.NO_ADDRESS),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=False), Cause.SSHD),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=None), Cause.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", (), UP, Cause.NO_ROUTE),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, rules=()), Cause.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, UP, Cause.FIREWALL),
    ],
)
def test_a_firewall_is_the_cause_only_where_all_else_is_well_and_a_rule_drops(
    facts: NicFacts, address: str, routes: tuple[tuple[int, str, str], ...], access: AccessFacts, cause: Cause
) -> None:
    now = AddressFacts((Interface("ens5", True, MAC, (address,) if address else ()),), routes)
    found = from_inside(facts, now, access)
    assert found.cause is cause
    assert found.advice or cause in (Cause.NOT_UP, Cause.SSHD)


@pytest.mark.parametrize("odd", ["what is this", "listens no more", "route default via 192.0.2.1"])
def test_a_line_of_an_unknown_form_makes_the_access_unknown(odd: str) -> None:
    with pytest.raises(FactUnknownError, match="not understood"):
        facts_of({reachability.SECTION: f"unit active\nlistens\n{odd}\nend\n"}).get(reachability.SOURCE)
    with pytest.raises(FactUnknownError, match="cut short"):
        facts_of({reachability.SECTION: "unit active\nlistens\n"}).get(reachability.SOURCE)
    found = facts_of({reachability.SECTION: "unit failed\nrule policy drop;\nend\n"}).get(reachability.SOURCE)
    assert found == AccessFacts("failed", False, ("policy drop;",))


@pytest.mark.parametrize(
    ("ss", "listening"), [("echo LISTEN 0 128 0.0.0.0:22", True), ("exit 0", False), ("exit 1", None)]
)
def test_an_ss_that_fails_does_not_say_that_nothing_listens(ss: str, listening: bool | None) -> None:
    stubs = f"ss() {{ ( {ss} ); }}; systemctl() {{ echo active; }}; nft() {{ :; }}\n"
    argv = ["sh", "-c", stubs + reachability.SECTION.script]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert facts_of({reachability.SECTION: text}).get(reachability.SOURCE).listening is listening


RENAMED = {
    nic_facts.DEVICES: f"nic ens6\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:06.0/virtio2\nlink {DEFAULT_LINK}\n",
    nic_facts.FILES: file_line("/etc/network/interfaces", ENS5),
    nic_facts.NETWORKING: NETWORKING,
}
ODD = st.one_of(
    st.text(st.characters(codec="ascii"), min_size=1, max_size=40),
    st.sampled_from(
        ["unread Zm9v", "nic ens5", "tool x", "virt none", "unit a b c", "unit a b", "end", "file x", "next PATH"]
    ),
)


@given(section=st.sampled_from(list(RENAMED)), at=st.integers(0, 12), line=ODD)
def test_an_unknown_line_anywhere_never_makes_a_missing_card_be_there(section: Section, at: int, line: str) -> None:
    lines = RENAMED[section].splitlines(keepends=True)
    place = min(at, len(lines))
    spoilt = {**RENAMED, section: "".join([*lines[:place], f"{line}\n", *lines[place:]])}
    found = facts_of({one: f"{text}end\n" for one, text in spoilt.items()})
    try:
        renames = work_out(found.get(nic_facts.SOURCE), (MAC,), None)
    except FactUnknownError:
        return
    assert renames.doubt or renames.names == {"ens5": "ens6"}


def test_a_screen_of_no_known_kind_has_no_known_cause() -> None:
    found = from_screen(Screen(Waiting.PASSWORD, "", ""), "mx2001")
    assert (found.cause, "gnt-instance console mx2001" in found.advice) == (Cause.UNKNOWN, True)


def test_what_the_host_answers_of_its_networking() -> None:
    files = file_line("/etc/systemd/network/20.network", BY_NAME)
    devices = f"nic ens5\nmac {MAC}\nat /sys/devices/x\nlink /x\nchosen ens5\nnext PATH enp0s5\nnext SLOT ens5\nend\n"
    unread = "unread L2V0Yy9uZXR3b3JrL2ludGVyZmFjZXM6IHNvdXJjZSAkWA==\nend\n"
    found = facts_of({
        nic_facts.DEVICES: devices, nic_facts.FILES: unread, nic_facts.NETWORKING: f"{NETWORKING}{files}end\n",
    }).get(nic_facts.SOURCE)  # fmt: skip
    assert found.unread == ("/etc/network/interfaces: source $X",)
    assert (found.nics[0].chosen, found.nics[0].next_name) == ("ens5", "ens5")
    assert replace(found.networking, files=()) == HOST
    assert found.networking.files == (ConfigFile("/etc/systemd/network/20.network", BY_NAME),)


def in_shell(script: str) -> str:
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout


# What ifquery of ifupdown 0.8.41 read of each, tried side by side with this reader.
@pytest.mark.parametrize(
    ("line", "read", "unread"),
    [
        ("source @/interfaces.d/*", ["ens5", "x.cfg"], False),
        ("source interfaces.d/ens5", ["ens5"], False),
        ("source-directory interfaces.d", ["ens5"], False),
        ("source-dir @/interfaces.d", ["ens5"], False),
        ("source-dir @/interfaces.*", ["ens5"], False),
        ("source \\\n @/interfaces.d/ens5", ["ens5"], False),
        ("sour\\\nce @/interfaces.d/ens5", ["ens5"], False),
        ("# a comment \\\nsource @/interfaces.d/ens5", ["ens5"], False),
        ("\tsource\t@/interfaces.d/ens5 @/interfaces.d/x.cfg", ["ens5", "x.cfg"], False),
        ("source @/interfaces.d/ens5 # why", ["ens5"], False),
        ("source @/nothing/*", [], False),
        ("source $HOME/interfaces", [], True),
        ("source @/interfaces.d/{ens5,ens6}", [], True),
        ("source nothing interfaces.d/*", [], True),
    ],
)
def test_files_are_included_as_ifupdown_includes_them(tmp_path: Path, line: str, read: list[str], unread: bool) -> None:
    included = tmp_path / "interfaces.d"
    included.mkdir()
    for name in ("ens5", "x.cfg"):
        (included / name).write_text(f"auto {name}\n")
    (tmp_path / "interfaces").write_text(line.replace("@", str(tmp_path)) + "\n")
    script = nic_facts.FILES.script.replace("/etc/network/interfaces", str(tmp_path / "interfaces"))
    found = facts_of({
        nic_facts.DEVICES: "end\n", nic_facts.FILES: in_shell(script), nic_facts.NETWORKING: f"{NETWORKING}end\n",
    }).get(nic_facts.SOURCE)  # fmt: skip
    assert [Path(file.path).name for file in found.files] == ["interfaces", *read]
    assert bool(found.unread) is unread
