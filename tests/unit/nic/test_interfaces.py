import pytest
from hypothesis import given

from mxlib.nic.interfaces import addressed, configured, dependents, logical_lines, physical
from tests.unit.support.interfaces import DEBIAN, FILES, RICH, one


def test_configured_and_physical() -> None:
    assert configured(one(RICH)) == ("ens5", "ens5.100", "ens5:1", "br0", "ens50")
    assert physical(one(RICH)) == ("ens5", "ens6", "ens50")
    bond = "iface ens6 inet manual\n  bond-master bond0\niface uplink inet dhcp\n  bond-slaves ens6\n"
    assert physical(one(bond)) == ("ens6",)


# Debian's own examples: of bridge-utils, vlan, ifenslave (its README) and interfaces(5).
BRIDGE = "auto br0\niface br0 inet static\n\taddress 192.0.2.10/24\n\tbridge_ports ens5\n\tbridge_stp off\n"
VLAN = "auto ens5.100\niface ens5.100 inet static\n\taddress 192.0.2.10/24\n"
RAW_VLAN = "auto vlan100\niface vlan100 inet dhcp\n\tvlan-raw-device ens5\n"
BOND = "auto bond0\niface bond0 inet dhcp\n\tbond-slaves ens5 ens6\n\tbond-mode active-backup\n"
SLAVES = """\
auto bond0
iface bond0 inet dhcp
    bond-slaves none
    bond-mode active-backup

auto ens5
iface ens5 inet manual
    bond-master bond0
    bond-primary ens5 ens6

auto ens6
iface ens6 inet manual
    bond-master bond0
    bond-primary ens5 ens6
"""
OVS = "iface br0 inet dhcp\n ovs_type OVSBridge\n ovs_ports ens5\niface ens5 inet manual\n ovs_type OVSPort\n"


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        (BRIDGE, ("ens5",)),
        (BRIDGE.replace("ens5", "none"), ()),
        (BRIDGE.replace("ens5", "regex ens.* noregex ens7"), ("ens7",)),
        (BRIDGE.replace("ens5", "ens5.100 tap0"), ("ens5",)),
        (VLAN, ("ens5",)),
        (VLAN.replace("ens5.100", "ens5.100.7"), ("ens5",)),
        (RAW_VLAN, ("ens5",)),
        ("iface bond0.7 inet dhcp\n" + BOND, ("ens5", "ens6")),
        (BOND, ("ens5", "ens6")),
        (SLAVES, ("ens5", "ens6")),
        (OVS, ("ens5",)),
        ("auto ens5:smtp\niface ens5:smtp inet static\n\taddress 192.0.2.25/32\n", ("ens5",)),
        ("rename ens5=lan\nauto lan\niface lan inet dhcp\n", ("ens5",)),
        ("auto ens5=office\niface office inet dhcp\n", ("ens5",)),
        ("mapping ens5\n  script /x\n  map home-net home\niface home inet dhcp\nauto ens5\n", ("ens5",)),
        ("auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*\n", ()),
    ],
)
def test_a_card_is_wanted_wherever_it_is_named(text: str, cards: tuple[str, ...]) -> None:
    assert physical(one(text)) == cards


@pytest.mark.parametrize(
    ("text", "above"),
    [
        (BRIDGE, ("br0",)),
        (BRIDGE.replace("auto br0\n", ""), ()),
        (VLAN, ("ens5.100",)),
        (VLAN + BRIDGE.replace("ens5", "ens5.100"), ("ens5.100", "br0")),
        (BRIDGE.replace("ens5", "ens5.100"), ("br0",)),
        ("auto ens5 ens5:smtp\niface ens5 inet dhcp\niface ens5:smtp inet dhcp\n", ("ens5:smtp",)),
        (SLAVES, ()),
        (BOND, ("bond0",)),
    ],
)
def test_what_is_built_on_a_card_is_brought_up_with_it(text: str, above: tuple[str, ...]) -> None:
    assert dependents(one(text), "ens5") == above


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (BRIDGE, ("br0",)),
        (DEBIAN, ("ens5",)),
        (SLAVES, ("bond0",)),
        ("auto ens5 ens5:smtp\niface ens5 inet manual\niface ens5:smtp inet static\n", ("ens5",)),
        ("rename ens5=lan\nauto lan\niface lan inet dhcp\n", ("lan",)),
        ("auto ens5=office\niface office inet dhcp\n", ("ens5",)),
        ("iface wlan9 inet manual\niface br9 inet dhcp\n\tbridge_ports none\n", ()),
    ],
)
def test_which_interfaces_should_carry_an_address(text: str, names: tuple[str, ...]) -> None:
    assert addressed(one(text)) == names


def test_words_of_a_continued_line_are_joined_as_ifupdown_joins_them() -> None:
    assert [line.words for line in logical_lines("auto en\\\ns5\n")] == [["auto", "ens5"]]
    assert [line.words for line in logical_lines("auto ens5 \\\n  ens6\n")] == [["auto", "ens5", "ens6"]]


@given(FILES)
def test_logical_lines_are_the_text(text: str) -> None:
    lines = list(logical_lines(text))
    assert "".join(line.raw for line in lines) == text
    assert all(text.split("\n")[line.number - 1].startswith(line.raw.split("\n")[0]) for line in lines)
