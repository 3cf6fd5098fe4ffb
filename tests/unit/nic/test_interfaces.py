import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.facts.nic import ConfigFile
from mxlib.nic.interfaces import addressed, configured, dependents, logical_lines, physical
from mxlib.nic.rename import rename
from mxlib.nic.twin import TwinError, settle, strip, twin, twinned

DEBIAN = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens5
iface ens5 inet static
	address 10.77.0.10/24
	gateway 10.77.0.1
"""
RICH = """\
auto lo ens5 ens5.100
allow-hotplug ens50 \\
    ens5
# ens5 stays in a comment \\
iface ens5 inet static
    address 192.0.2.11/24
    up ip -6 addr add 2001:db8:77::11/64 dev ens5
    up sysctl -w net.ipv6.conf.ens5.accept_ra=0; echo 1 >/proc/sys/net/ipv4/conf/ens5/rp_filter
    down ip link set "ens5" down
    post-up /usr/local/sbin/tell-ens5 --log /var/log/ens5.log
iface ens5 inet6 static inherits ens5
\taddress 2001:db8:77::11/64
iface ens5.100 inet manual
    vlan-raw-device ens5
iface ens5:1 inet static
    address 192.0.2.12/24
iface br0 inet manual
    bridge_ports ens5 ens6
    bridge_pathcost ens5 4
    x-note ens5 is the uplink
iface ens50 inet manual"""


def one(text: str, path: str = "/etc/network/interfaces") -> tuple[ConfigFile, ...]:
    return (ConfigFile(path, text),)


def test_the_incident_itself() -> None:
    rewrite = rename(one(DEBIAN), {"ens5": "ens13"})
    assert rewrite.after[0].text == DEBIAN.replace("ens5", "ens13")
    assert rewrite.uncertain == ()
    assert "-allow-hotplug ens5\n-iface ens5 inet static\n+allow-hotplug ens13\n" in rewrite.diff()


def test_every_certain_place_and_no_other() -> None:
    rewrite = rename(one(RICH), {"ens5": "ens13"})
    kept = ("# ens5 stays in a comment \\", "tell-ens5 --log /var/log/ens5.log", "x-note ens5 is the uplink")
    wanted = re.sub(r"\bens5\b(?!0)", "ens13", RICH)
    for text in kept:
        wanted = wanted.replace(text.replace("ens5", "ens13"), text)
    assert rewrite.after[0].text == wanted
    assert [place.line for place in rewrite.uncertain] == [10, 20]
    assert "tell-ens5" in str(rewrite.uncertain[0])


def test_a_chain_and_a_swap_are_renamed_at_once() -> None:
    text = "auto ens13 ens14\niface ens13 inet dhcp\niface ens14 inet dhcp\n"
    chain = rename(one(text), {"ens13": "ens14", "ens14": "ens15"}).after[0].text
    assert chain == "auto ens14 ens15\niface ens14 inet dhcp\niface ens15 inet dhcp\n"
    swap = rename(one(text), {"ens13": "ens14", "ens14": "ens13"}).after[0].text
    assert swap == "auto ens14 ens13\niface ens14 inet dhcp\niface ens13 inet dhcp\n"


@pytest.mark.parametrize("names", [{"ens5": "ens50"}, {"ens5": "x", "ens6": "x"}, {"ens5": "a b"}, {"inet": "ens5"}])
def test_what_would_make_two_of_one_or_is_no_name_is_refused(names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"configured already|not names"):
        rename(one(RICH), names)


def test_mappings_renames_and_logical_names() -> None:
    text = "rename ens5=lan0\nmapping ens5\n  script /x\n  map ens5-home\nallow-hotplug ens5=office\n"
    after = rename(one(text), {"ens5": "ens13"})
    assert (
        after.after[0].text
        == "rename ens13=lan0\nmapping ens13\n  script /x\n  map ens5-home\nallow-hotplug ens13=office\n"
    )
    assert [place.line for place in after.uncertain] == [4]


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


# What ifquery of ifupdown 0.8.41 listed for these files, with the devices of the names there.
@pytest.mark.parametrize(
    ("line", "after", "told"),
    [
        ("auto /ens*", "auto /ens* enp0s5", False),
        ("allow-hotplug /ens*=lan ens7", "allow-hotplug /ens*=lan enp0s5=lan ens7", False),
        ("auto /en*", "auto /en*", False),
        ("auto mac/aa:00:00:77:00:21", "auto mac/aa:00:00:77:00:21", False),
        ("auto /ens*/1", "auto /ens*/1", True),
        ("rename /ens*=lan", "rename /ens*=lan", True),
        ("mapping ens*", "mapping ens*", True),
        ("iface br0 inet dhcp\n bridge_ports regex ens.*", "iface br0 inet dhcp\n bridge_ports regex ens.*", True),
        ("iface br0 inet dhcp\n bridge_ports regex en.*", "iface br0 inet dhcp\n bridge_ports regex en.*", False),
    ],
)
def test_a_pattern_that_loses_the_card_gets_its_name_or_is_reported(line: str, after: str, told: bool) -> None:
    rewrite = rename(one(f"{line}\n"), {"ens5": "enp0s5"})
    assert rewrite.after[0].text == f"{after}\n"
    assert bool(rewrite.uncertain) is told


def test_a_label_may_be_any_word() -> None:
    text = "auto ens5 ens5:smtp\niface ens5:smtp inet static\n\tup ip addr add 192.0.2.9/32 dev ens5 label ens5:out\n"
    rewrite = rename(one(text), {"ens5": "ens6"})
    assert rewrite.after[0].text == text.replace("ens5", "ens6")
    assert rewrite.uncertain == ()


def test_a_name_that_the_kernel_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 15 characters: enp0s5:smtp-out1"):
        rename(one("iface ens5:smtp-out1 inet dhcp\n"), {"ens5": "enp0s5"})


def test_words_of_a_continued_line_are_joined_as_ifupdown_joins_them() -> None:
    assert [line.words for line in logical_lines("auto en\\\ns5\n")] == [["auto", "ens5"]]
    assert [line.words for line in logical_lines("auto ens5 \\\n  ens6\n")] == [["auto", "ens5", "ens6"]]


NAMES = st.sampled_from(["ens5", "ens13", "ens6", "eth0", "ens5.7", "ens5:1", "ens50", "br0", "lo", "enp0s5"])
LINES = st.one_of(
    st.builds(
        lambda k, n: f"{k} {' '.join(n)}", st.sampled_from(["auto", "allow-hotplug"]), st.lists(NAMES, max_size=3)
    ),
    st.builds(lambda n: f"iface {n} inet static", NAMES),
    st.builds(
        lambda i, k, n: f"{i}{k} {n}",
        st.sampled_from(["\t", "  "]),
        st.sampled_from(["bridge_ports", "up ip l set"]),
        NAMES,
    ),
    st.sampled_from(
        ["", "# ens5", "\taddress 192.0.2.11/24", "source interfaces.d/*", "auto \\", "up a \\\\", "é\x0b\u2028 x"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
)
FILES = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINES, max_size=12), st.sampled_from(["", "\n"]))


@given(FILES)
def test_logical_lines_are_the_text(text: str) -> None:
    lines = list(logical_lines(text))
    assert "".join(line.raw for line in lines) == text
    assert all(text.split("\n")[line.number - 1].startswith(line.raw.split("\n")[0]) for line in lines)


@given(FILES)
def test_renaming_and_renaming_back_is_nothing(text: str) -> None:
    there = rename(one(text), {"ens5": "zz9", "ens6": "yy8"})
    assert rename(there.after, {"zz9": "ens5", "yy8": "ens6"}).after[0].text == text


@given(FILES)
def test_renaming_keeps_lines_layout_comments_and_other_names(text: str) -> None:
    after = rename(one(text), {"ens5": "zz9"}).after[0].text
    assert after.count("\n") == text.count("\n")
    assert after.replace("zz9", "ens5") == text
    assert [c for c in configured(one(text)) if not re.fullmatch(r"ens5([.:]\d+)*", c)] == [
        c for c in configured(one(after)) if not c.startswith("zz9")
    ]


@given(FILES)
def test_what_is_left_is_told(text: str) -> None:
    rewrite = rename(one(text), {"ens5": "zz9"})
    told = {place.line for place in rewrite.uncertain}
    for line in logical_lines(rewrite.after[0].text):
        if line.words and line.keyword != "source" and re.search(r"(?<![A-Za-z0-9_])ens5(?![A-Za-z0-9_])", line.raw):
            assert line.number in told


def test_a_twin_is_the_same_interface_under_the_other_name() -> None:
    files = one(DEBIAN)
    rewrite = twin(files, {"ens5": "ens13"}, "run 7\nby me")
    text = rewrite.after[0].text
    assert text.startswith(DEBIAN)
    assert "\nallow-hotplug ens13\niface ens13 inet static\n\taddress 10.77.0.10/24\n\tgateway 10.77.0.1\n#" in text
    assert twinned(rewrite.after)
    assert not twinned(files)
    assert settle(rewrite.after, {}).after == files
    assert settle(rewrite.after, {"ens5": "ens13"}).after == rename(files, {"ens5": "ens13"}).after


def test_auto_becomes_hotplug_while_there_are_two() -> None:
    text = "auto lo ens5\niface lo inet loopback\niface ens5 inet dhcp\niface ens5 inet6 auto\n"
    after = twin(one(text), {"ens5": "ens13"}, "x").after[0].text
    active = [line for line in after.splitlines() if not line.startswith("#")]
    assert active[:2] == ["auto lo", "allow-hotplug ens5"]
    assert active[-3:] == ["allow-hotplug ens13", "iface ens13 inet dhcp", "iface ens13 inet6 auto"]
    assert strip(after) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("iface ens5 inet dhcp\n", "by itself"),
        ("auto lo\n", "no iface stanza"),
        ("auto ens5 ens13\niface ens5 inet dhcp\niface ens13 inet dhcp\n", "configured already"),
        ("auto ens5\niface ens5 inet manual\niface ens5.7 inet dhcp\n", r"builds on ens5: iface ens5.7"),
        (
            "auto ens5\niface ens5 inet manual\niface br0 inet dhcp\n bridge_ports ens5\n",
            r"builds on ens5: bridge_ports",
        ),
        ("auto /ens*\nauto ens5\niface ens5 inet dhcp\n", "pattern"),
        ("auto ens5=x\nauto ens5\niface ens5 inet dhcp\n", "builds on"),
    ],
)
def test_no_twin_where_it_is_not_certain(text: str, why: str) -> None:
    with pytest.raises(TwinError, match=why):
        twin(one(text), {"ens5": "ens13"}, "x")


def test_two_interfaces_of_one_line_and_back() -> None:
    text = "auto lo ens5 ens6\niface ens5 inet dhcp\niface ens6 inet dhcp\n"
    after = twin(one(text), {"ens5": "ens13", "ens6": "ens14"}, "x")
    assert configured(after.after) == ("ens5", "ens6", "ens13", "ens14")
    assert "allow-hotplug ens5 ens6\n" in after.after[0].text
    assert strip(after.after[0].text) == text


def _twin_or_none(files: Sequence[ConfigFile]) -> tuple[ConfigFile, ...] | None:
    try:
        return twin(files, {"ens5": "qq7"}, "n").after
    except TwinError:
        return None


@given(FILES)
def test_a_twin_can_be_taken_away_byte_for_byte(text: str) -> None:
    after = _twin_or_none(one(text))
    if after is not None:
        assert strip(after[0].text) == text
        assert "qq7" in configured(after)
        assert twin(after, {"ens5": "qq7"}, "another run").after == after


@given(head=FILES)
def test_a_twin_of_a_usual_file_after_anything(head: str) -> None:
    text = head.rstrip("\\\n") + "\n" + DEBIAN
    after = _twin_or_none(one(text))
    if after is not None:
        assert strip(after[0].text) == text
