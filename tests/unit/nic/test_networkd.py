"""How the files of systemd-networkd and udev are read and changed."""

from dataclasses import replace

import pytest

from mxlib.facts.nic import ConfigFile
from mxlib.nic import networkd as networkd_files
from mxlib.nic.networkd import Match, altnames_as, matches, overtaken, pinned, serving, settings
from tests.unit.support.networkd import BY_NAME
from tests.unit.support.nics import (
    DEFAULT_LINK,
    EN_ALL,
    MAC,
    MAC2,
    card,
)  # fmt: skip


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
        ("MACAddress=aa00.0077.0021", Match.YES),
        (f"MACAddress={MAC2} what", Match.UNKNOWN),
        ('Name="ens5"', Match.UNKNOWN),
        ("Name=eth0\nName=ens5", Match.YES),
        ("Name=eth0\nName=!ens6", Match.UNKNOWN),
        ("Name=eth0\nName=\nName=ens5", Match.YES),
        ("MACAddress=\nName=ens5", Match.YES),
        ("Name=ens5\nName=", Match.NO),
        ("", Match.NO),
    ],
)
def test_whether_a_file_is_about_a_card(match: str, fits: Match) -> None:
    file = ConfigFile("/etc/systemd/network/20.network", f"[Match]\n{match}\n")
    assert matches(file, "ens5", MAC) is fits


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ("Name=enp0s5", Match.YES),
        ("Name=eth0 enp*", Match.YES),
        ("Name=enp0s6", Match.NO),
        ("Name=!enp*", Match.YES),  # ens5 is none of these, and one name is enough
        ("Name=!en*", Match.NO),
    ],
)
def test_an_alternative_name_is_as_good_as_the_name(match: str, fits: Match) -> None:
    """Seen with systemd 257: a card whose alternative name alone is in the file is configured by it."""
    file = ConfigFile("/etc/systemd/network/20.network", f"[Match]\n{match}\n")
    assert matches(file, "ens5", MAC, altnames=("enp0s5", "enxaa0000770021")) is fits


def test_alternative_names_by_slot_move_with_the_card() -> None:
    nic = replace(card("ens5"), altnames=("enp0s5", "enxaa0000770021"))
    assert altnames_as(nic, "ens13") == ("enp0s13", "enxaa0000770021")
    assert altnames_as(nic, "lan") == nic.altnames


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


ETC, RUN = "/etc/systemd/network", "/run/systemd/network"
BY_MAC = f"[Match]\nMACAddress={MAC}\n\n[Link]\nName=ens5\n"
BY_DRIVER = "[Match]\nDriver=virtio_net\n\n[Link]\nName=ens5\n"
ALL = "[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=path\n"
DEFAULT = DEFAULT_LINK.rpartition("/")[2]


@pytest.mark.parametrize(
    ("named_by", "files", "why"),
    [
        # as healthy hosts have it: systemd's own files are not listed
        (DEFAULT_LINK, {}, ""),
        ("/lib/systemd/network/99-default.link", {f"{ETC}/20-lan.network": EN_ALL}, ""),
        ("/usr/lib/systemd/network/73-usb-net-by-mac.link", {}, ""),
        (DEFAULT_LINK, {f"{RUN}/10-netplan-all.network": EN_ALL}, ""),
        (f"{RUN}/10-netplan-a.link", {f"{RUN}/10-netplan-a.link": BY_MAC}, ""),
        (f"{ETC}/10-a.link", {f"{ETC}/10-a.link": BY_DRIVER}, ""),
        (f"{ETC}/10-a.link", {f"{ETC}/10-a.link": ALL, f"{ETC}/20-b.link": BY_DRIVER}, ""),
        (DEFAULT_LINK, {f"{ETC}/10-a.link": BY_MAC.replace(MAC, MAC2), f"{ETC}/zz.link": ALL}, ""),
        (DEFAULT_LINK, {f"{ETC}/99-default.link.d/mac.conf": "[Link]\nMACAddressPolicy=none\n"}, ""),
        # a pin that was written since names it as it is
        (DEFAULT_LINK, {f"{ETC}/10-a.link": BY_MAC}, ""),
        (f"{ETC}/10-a.link", {}, "is gone or masked"),
        (f"{RUN}/10-a.link", {f"{RUN}/10-a.link": BY_DRIVER, f"{ETC}/10-a.link": ""}, "is gone or masked"),
        (f"{ETC}/10-a.link", {f"{ETC}/10-a.link": BY_DRIVER.replace("ens5", "lan0")}, "would not name it so now"),
        (f"{ETC}/10-a.link", {f"{ETC}/10-a.link": BY_MAC.replace(MAC, MAC2)}, "would not name it so now"),
        (f"{ETC}/10-a.link", {f"{ETC}/10-a.link": ALL, f"{ETC}/05-b.link": BY_DRIVER}, "05-b.link may name it"),
        (DEFAULT_LINK, {f"{ETC}/10-a.link": BY_MAC.replace("ens5", "lan0")}, "10-a.link may name it"),
        (DEFAULT_LINK, {f"{ETC}/99-default.link": ALL}, f"{ETC}/99-default.link may name it"),
        (DEFAULT_LINK, {f"{ETC}/99-default.link": ""}, "is gone or masked"),
        (DEFAULT_LINK, {f"{ETC}/99-default.link.d/a.conf": "[Link]\nNamePolicy=mac\n"}, "a.conf changes what"),
        (None, {}, "what has named it is unknown"),
        (None, {f"{ETC}/99-default.link": ""}, "what has named it is unknown"),
    ],
)
def test_whether_the_file_that_named_a_card_still_does(named_by: str | None, files: dict[str, str], why: str) -> None:
    said = overtaken([ConfigFile(path, text) for path, text in files.items()], card(link=named_by))
    assert (why in said) if why else (said == ""), said


def test_a_card_that_no_file_names_keeps_the_kernels_name() -> None:
    masked = [ConfigFile(f"{ETC}/{DEFAULT}", "")]
    assert overtaken(masked, card("eth0", link=None)) == ""
    assert overtaken([], card("eth0", link=None)) != "", "its mask is gone, so the policy may name it"


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
