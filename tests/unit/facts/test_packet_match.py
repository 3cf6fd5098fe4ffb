"""Whether a packet has what one match asks for; what is not understood is neither yes nor no."""

from typing import Any

import pytest

from mxlib.facts.packet_match import Packet, is_one, matches, values

PACKET = Packet("192.0.2.50", "192.0.2.11", 25, "ens5")
PACKET6 = Packet("2001:db8:77::50", "2001:db8:77::11", 25, "ens5")
SETS = {
    "mail": [25, {"range": [465, 587]}],
    "services": [[25, {"accept": None}]],
    "elsewhere": [[26, {"accept": None}]],
    "odd": [25, {"new": 1}],
}
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SENDER = {"payload": {"protocol": "ip", "field": "saddr"}}
FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
NET = {"prefix": {"addr": "192.0.2.0", "len": 24}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def held(left: Any, operator: str, right: Any, packet: Packet = PACKET) -> bool | None:
    return matches(SETS, {"left": left, "op": operator, "right": right}, packet)


@pytest.mark.parametrize(
    ("left", "operator", "right", "holds"),
    [
        (PORT, "==", 25, True),
        (PORT, "==", 26, False),
        (PORT, "!=", 26, True),
        (PORT, "!=", 25, False),
        (PORT, "==", {"range": [20, 25]}, True),
        (PORT, "==", {"range": [26, 30]}, False),
        (PORT, "==", {"set": [465, 25]}, True),
        (PORT, "==", {"set": [465, {"elem": {"val": 25, "timeout": 60}}]}, True),
        (PORT, "==", "@mail", True),
        (PORT, "==", "@services", True),
        (PORT, "==", "@nothing", None),
        (PORT, "==", "@elsewhere", False),
        (PORT, "==", {"range": [25, 30]}, True),
        (PORT, "==", {"range": ["smtp", 30]}, None),
        (PORT, "<", 26, True),
        (PORT, "<", 25, False),
        (PORT, "<=", 25, True),
        (PORT, ">", 24, True),
        (PORT, ">", 25, False),
        (PORT, ">=", 25, True),
        (PORT, ">=", "smtp", None),
        (PORT, "==", "smtp", None),
        (PORT, "==", {"new": 1}, None),
        (PORT, "!=", {"new": 1}, None),
        (PORT, "&", 25, None),
        (SENDER, "==", "192.0.2.50", True),
        (SENDER, "==", NET, True),
        (SENDER, "!=", NET, False),
        (SENDER, "==", {"prefix": {"addr": "198.51.100.0", "len": 24}}, False),
        (SENDER, "==", {"range": ["192.0.2.40", "192.0.2.60"]}, True),
        (SENDER, "==", {"range": ["192.0.2.40", "x"]}, None),
        (SENDER, "==", {"prefix": {"addr": "x", "len": 24}}, None),
        (FLAGS, "==", "syn", True),
        (FLAGS, "==", "ack", False),
        (FLAGS, "==", ["syn"], True),
        (FLAGS, "==", ["syn", "ack"], False),
        ({"&": [FLAGS, ["fin", "syn", "rst", "ack"]]}, "==", "syn", True),
        ({"&": [FLAGS, {"|": ["syn", "ack"]}]}, "==", {"|": ["syn", "ack"]}, False),
        ({"&": [FLAGS, "syn"]}, "==", "syn", True),
        ({"&": [FLAGS, ["odd"]]}, "==", "syn", None),
        ({"payload": {"protocol": "ip", "field": "protocol"}}, "==", "tcp", True),
        (meta("mark"), "==", 0, True),
        (meta("iifname"), "==", 5, None),
        (meta("l4proto"), "==", "tcp", True),
        (meta("l4proto"), "==", "0x06", True),
        (meta("l4proto"), "==", "udp", False),
        (meta("l4proto"), "==", {"set": ["udp", "tcp"]}, True),
        (meta("nfproto"), "==", "ipv4", True),
        (meta("nfproto"), "==", "ipv6", False),
        (meta("protocol"), "==", "ip", True),
        (meta("iifname"), "==", "ens5", True),
        (meta("iifname"), "==", "ens*", True),
        (meta("iifname"), "==", "eth*", False),
        (meta("iif"), "==", "lo", False),
        (meta("length"), "==", 60, None),
        ({"ct": {"key": "state"}}, "in", ["established", "related"], False),
        ({"ct": {"key": "state"}}, "in", ["new", "related"], True),
        ({"ct": {"key": "state"}}, "!=", "new", False),
        ({"ct": {"key": "mark"}}, "==", 1, None),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "==", "local", True),
        ({"fib": {"result": "type", "flags": ["saddr"]}}, "==", "local", False),
        ({"fib": {"result": "type", "flags": ["saddr"]}}, "!=", "local", True),
        ({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "==", False, False),
        ({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "!=", False, True),
        ({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "==", "ens5", None),
        ({"socket": {"key": "transparent"}}, "==", 1, None),
    ],
)
def test_one_match(left: Any, operator: str, right: Any, holds: bool | None) -> None:
    assert held(left, operator, right) is holds


@pytest.mark.parametrize(
    "left",
    [
        {"payload": {"protocol": "udp", "field": "dport"}},
        {"payload": {"protocol": "ip6", "field": "saddr"}},
        {"concat": [{"payload": {"protocol": "ip6", "field": "saddr"}}, PORT]},
        {"&": [{"payload": {"protocol": "icmp", "field": "type"}}, 1]},
    ],
)
@pytest.mark.parametrize("operator", ["==", "!="])
def test_no_match_on_another_protocol_holds_whatever_its_sense(left: Any, operator: str) -> None:
    assert held(left, operator, 25) is False


@pytest.mark.parametrize(("packet", "holds"), [(PACKET, True), (PACKET6, False)])
def test_a_field_of_one_family(packet: Packet, holds: bool) -> None:
    assert held(SENDER, "==", NET, packet) is holds
    assert held(SENDER, "!=", NET, packet) is False, "neither sense holds for the other family"
    assert held(meta("protocol"), "==", "ip6", packet) is not holds
    assert held({"payload": {"protocol": "th", "field": "dport"}}, "==", 25, packet) is True
    assert held(meta("nfproto"), "==", "ipv6", packet) is not holds


JOINED = {"concat": [SENDER, PORT]}


@pytest.mark.parametrize(
    ("right", "holds"),
    [
        ({"concat": ["192.0.2.50", 25]}, True),
        ({"concat": [NET, {"range": [20, 30]}]}, True),
        ({"concat": ["192.0.2.50", "*"]}, True),
        ({"concat": ["192.0.2.50", 26]}, False),
        ({"concat": [{"new": 1}, 25]}, None),
        ({"concat": [{"new": 1}, 26]}, False),
        ({"concat": ["192.0.2.50"]}, None),
        ({"set": [{"concat": ["192.0.2.51", 25]}, {"concat": ["192.0.2.50", 25]}]}, True),
    ],
)
def test_joined_fields(right: Any, holds: bool | None) -> None:
    assert held(JOINED, "==", right) is holds


def test_an_element_that_is_not_understood_matters_only_where_no_other_is_the_one() -> None:
    assert is_one(SETS, (25,), "@odd", PACKET) is True
    assert is_one(SETS, (26,), "@odd", PACKET) is None


def test_values_of_a_field_and_of_what_is_not_known() -> None:
    assert values(JOINED, PACKET) == (values(SENDER, PACKET) or ()) + (25,)
    assert values({"concat": [PORT, meta("length")]}, PACKET) is None
    assert values({"&": [FLAGS, ["syn", "ack"]]}, PACKET) == (2,)
    assert values({"&": [SENDER, 255]}, PACKET) is None


def test_the_family_is_that_of_the_sender() -> None:
    assert (PACKET.family, PACKET6.family) == (4, 6)


def test_an_answer_is_established_and_comes_from_its_port() -> None:
    answer = Packet("192.0.2.50", "192.0.2.11", 45678, "ens5", answer_from=25)
    source = {"payload": {"protocol": "tcp", "field": "sport"}}
    for left, first, reply in (
        ({"ct": {"key": "state"}}, ("new",), ("established",)),
        ({"ct": {"key": "direction"}}, ("original",), ("reply",)),
        (FLAGS, (2,), (18,)),
        (source, (45678,), (25,)),
    ):
        assert (values(left, PACKET), values(left, answer)) == (first, reply)


def test_of_the_link_only_the_kind_of_packet_is_known() -> None:
    kind, sender, vlan = (
        {"payload": {"protocol": protocol, "field": field}}
        for protocol, field in (("ether", "type"), ("ether", "saddr"), ("vlan", "type"))
    )
    assert [values(kind, packet) for packet in (PACKET, PACKET6)] == [(0x800,), (0x86DD,)]
    assert held(kind, "==", "ip6", PACKET6) is True
    assert (values(sender, PACKET), values(vlan, PACKET)) == (None, None)
