"""Whether a packet matches a condition of a rule of a packet filter. Pure.

Fields and values are as in libnftables-json(5). What is not understood, or is unknown of the packet, is None.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Sets = Mapping[str, Any]
_PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "sctp": 132,
}
_NAMES = {**_PROTOCOLS, "ipv4": 2, "ipv6": 10, "ip": 0x800, "ip6": 0x86DD, "ether": 1}
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
EPHEMERAL = 45678
"""A port that whoever opens a connection may have chosen for its own end: Linux takes 32768 to 60999."""
_LINK = frozenset({"ether", "vlan"})
_SYN, _SYN_ACK = 2, 18


@dataclass(frozen=True)
class Packet:
    """The first packet of a TCP connection to the host, or the first answer to one of the host's own.

    Attributes:
        sender: its source address.
        host: its destination, an address of the host.
        port: destination port.
        interface: name of the interface on which it arrives.
        answer_from: of an answer, its source port; None for the first packet of a connection.
    """

    sender: str
    host: str
    port: int
    interface: str
    answer_from: int | None = None

    @property
    def family(self) -> int:
        """Address family: 4 or 6."""
        return ipaddress.ip_address(self.sender).version


def matches(sets: Sets, match: Mapping[str, Any], packet: Packet) -> bool | None:
    """Whether a match holds for the packet; None where that is unknown.

    Args:
        sets: elements of the table's sets.
    """
    left, right, operator = match["left"], match["right"], match["op"]
    if "fib" in left:
        return _fib(left["fib"], right, operator)
    if _other_kind(left, packet):
        return False
    known = values(left, packet)
    if known is None:
        return None
    if operator in ("<", ">", "<=", ">="):
        return _compare(known, right, operator)
    if operator not in ("==", "!=", "in"):
        return None
    holds = is_one(sets, known, right, packet)
    return holds if holds is None or operator != "!=" else not holds


def _fib(fib: Mapping[str, Any], right: Any, operator: str) -> bool | None:
    """A match on the routes: the packet is for the host, and its sender is reached by the interface it came from."""
    if fib.get("result") == "type":
        holds = right == ("local" if "daddr" in fib.get("flags", []) else "unicast")
        return holds if operator == "==" else not holds
    return (right is True) is (operator == "==") if isinstance(right, bool) else None


def _other_kind(left: Any, packet: Packet) -> bool:
    """Whether a field belongs to another protocol than the packet's: then no match on it holds, negated or not."""
    if "concat" in left:
        return any(_other_kind(one, packet) for one in left["concat"])
    if "&" in left:
        return _other_kind(left["&"][0], packet)
    protocol = left.get("payload", {}).get("protocol", "")
    return protocol not in ("", "th", "tcp", *_LINK, "ip" if packet.family == 4 else "ip6")


def values(left: Any, packet: Packet) -> tuple[Any, ...] | None:
    """Return the values of a field, or of a concatenation; None where one is unknown."""
    if "concat" in left:
        parts = [values(one, packet) for one in left["concat"]]
        return None if any(part is None for part in parts) else tuple(value for part in parts if part for value in part)
    if "&" in left:
        inner, mask = values(left["&"][0], packet), _flags(left["&"][1])
        whole = inner is not None and isinstance(inner[0], int) and mask is not None
        return (inner[0] & mask,) if whole and inner is not None and mask is not None else None
    value = _value(left, packet)
    return None if value is None else (value,)


def _value(left: Any, packet: Packet) -> Any:
    ip4 = packet.family == 4
    if left.get("payload", {}).get("protocol") in _LINK:
        is_type = left["payload"] == {"protocol": "ether", "field": "type"}
        return (0x800 if ip4 else 0x86DD) if is_type else None
    if "payload" in left:
        known = {
            "saddr": ipaddress.ip_address(packet.sender),
            "daddr": ipaddress.ip_address(packet.host),
            "sport": EPHEMERAL if packet.answer_from is None else packet.answer_from,
            "dport": packet.port,
            "flags": _SYN if packet.answer_from is None else _SYN_ACK,
            "protocol": 6,
            "nexthdr": 6,
            "version": packet.family,
        }
        return known.get(left["payload"].get("field", ""))
    if "meta" in left:
        family = {"nfproto": 2 if ip4 else 10, "protocol": 0x800 if ip4 else 0x86DD}
        interface = {"iif": packet.interface, "iifname": packet.interface, "pkttype": "host"}
        return {"l4proto": 6, "mark": 0, **family, **interface}.get(left["meta"].get("key", ""))
    if "ct" in left:
        new = packet.answer_from is None
        states = {"state": "new" if new else "established", "direction": "original" if new else "reply"}
        return states.get(left["ct"].get("key", ""))
    return None


# --- the right side of a match


def is_one(sets: Sets, known: tuple[Any, ...], right: Any, packet: Packet) -> bool | None:
    """Whether known values are among those on the right side; None where one of those is not understood.

    Args:
        sets: elements of the table's sets.
        known: the values; several for a concatenation.
        right: what they are compared with.
    """
    if isinstance(right, str) and right.startswith("@"):
        elements = sets.get(right[1:])
        return None if elements is None else _any(sets, known, _keys(elements), packet)
    if isinstance(right, Mapping) and "set" in right:
        return _any(sets, known, right["set"], packet)
    if isinstance(right, Mapping) and "elem" in right:
        return is_one(sets, known, right["elem"]["val"], packet)
    if isinstance(right, Mapping) and "concat" in right:
        pairs = zip(known, right["concat"], strict=False)
        held = [is_one(sets, (value,), part, packet) for value, part in pairs]
        if len(right["concat"]) != len(known):
            return None
        return False if False in held else None if None in held else True
    if isinstance(right, list):
        flags = _flags(right) if isinstance(known[0], int) else None
        return known == (flags,) if flags is not None else _any(sets, known, right, packet)
    return _fits(known[0], right)


def _keys(elements: Iterable[Any]) -> Iterable[Any]:
    """The elements of a set; for a map, its keys."""
    return (element[0] if isinstance(element, list) else element for element in elements)


def _any(sets: Sets, known: tuple[Any, ...], elements: Iterable[Any], packet: Packet) -> bool | None:
    held = [is_one(sets, known, element, packet) for element in elements]
    return True if True in held else None if None in held else False


def _fits(value: Any, wanted: Any) -> bool | None:
    """Whether one value is a value, a range or a prefix."""
    if wanted == "*":
        return True
    try:
        if isinstance(wanted, Mapping) and "prefix" in wanted:
            prefix = wanted["prefix"]
            return bool(value in ipaddress.ip_network(f"{prefix['addr']}/{prefix['len']}", strict=False))
        if isinstance(wanted, Mapping) and "range" in wanted:
            low, high = (_scalar(value, end) for end in wanted["range"])
            return None if low is None or high is None else bool(low <= value <= high)
        if isinstance(wanted, Mapping):
            flags = _flags(wanted)
            return None if flags is None else bool(value == flags)
        scalar = _scalar(value, wanted)
    except (ValueError, TypeError, KeyError):
        return None
    if isinstance(value, str) and isinstance(scalar, str) and scalar.endswith("*"):
        return value.startswith(scalar[:-1])
    return None if scalar is None else bool(value == scalar)


def _scalar(value: Any, text: Any) -> Any:
    """A text converted to the type of another value; None where that is impossible."""
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return ipaddress.ip_address(text)
    if isinstance(value, str):
        return text if isinstance(text, str) else None
    if isinstance(text, int):
        return text
    return int(text, 0) if str(text)[:1].isdigit() else _NAMES.get(text, _FLAGS.get(text))


def _flags(mask: Any) -> int | None:
    """A mask of bits: a number, names, or names joined by a vertical bar."""
    if isinstance(mask, int):
        return mask
    if isinstance(mask, Mapping):
        mask = mask.get("|", [None])
    names = [mask] if isinstance(mask, str) else mask
    parts = [_flags(name) if isinstance(name, Mapping | int) else _FLAGS.get(name) for name in names]
    return None if None in parts else sum({part for part in parts if part is not None})


def _compare(known: tuple[Any, ...], right: Any, operator: str) -> bool | None:
    value = known[0]
    try:
        wanted = _scalar(value, right)
        order = {"<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted}
    except (ValueError, TypeError):
        return None
    return bool(order[operator])
