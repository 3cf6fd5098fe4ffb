"""The path of one packet through a packet filter, simulated over the loaded rules. Pure.

The rules are statements as in libnftables-json(5); those of iptables are converted. A statement that is not understood
neither matches nor fails: both possibilities are followed from there, and the result may be unknown. Limits are assumed
not to be exceeded: the question is whether a port is open, not whether it is flooded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mxlib.facts.packet_match import Packet, Sets, is_one, matches, values

Statements = tuple[Mapping[str, Any], ...]
_DEPTH = 16
_ENDS = {"accept": True, "drop": False, "reject": False}
_NO_EFFECT = frozenset({"counter", "log", "comment", "ct helper", "ct timeout", "ct expectation", "last", "mangle"})


@dataclass(frozen=True)
class LoadedChain:
    """A loaded chain.

    Attributes:
        rules: the statements and the text of each rule.
        policy: whether packets are accepted that no rule decides on.
    """

    rules: tuple[tuple[Statements, str], ...]
    policy: bool = True


@dataclass(frozen=True)
class Table:
    """The chains of one table, by name, and its sets and maps.

    Attributes:
        chains: by name.
        sets: elements of its sets and maps, by name.
    """

    chains: Mapping[str, LoadedChain]
    sets: Sets = field(default_factory=dict)


@dataclass
class _Way:
    """What may become of a packet: accepted, dropped and by which rules; and the rules that were not understood."""

    accepted: bool = False
    dropped: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Passage:
    """What becomes of a packet in a chain.

    Attributes:
        open: whether it is accepted; None where that is unknown.
        rules: the rules that drop it, or that were not understood.
    """

    open: bool | None
    rules: tuple[str, ...] = ()


def passage(table: Table, chain: str, packet: Packet) -> Passage:
    """Return what becomes of a packet in a chain that has a hook."""
    way = _Way()
    if _through(table, chain, packet, way, _DEPTH):
        if table.chains[chain].policy:
            way.accepted = True
        else:
            way.dropped.append("policy drop")
    if way.accepted and way.dropped:
        return Passage(None, tuple(way.unread or way.dropped))
    return Passage(way.accepted, tuple(way.dropped))


def _through(table: Table, name: str, packet: Packet, way: _Way, depth: int) -> bool:
    """Whether the packet may reach the end of a chain undecided."""
    chain = table.chains.get(name)
    if chain is None or not depth:  # unknown, and never that the packet passes
        _unsure(way, f"no chain {name}" if chain is None else f"chain {name} is nested too deep")
        return True
    for statements, text in chain.rules:
        ends, goes_on = _rule(table, statements, text, packet, way, depth)
        if ends == "return" and not goes_on:
            return True
        if ends == "return":
            rest = LoadedChain(chain.rules[chain.rules.index((statements, text)) + 1 :])
            _through(Table({**table.chains, name: rest}, table.sets), name, packet, way, depth - 1)
            return True
        if not goes_on:
            return False
    return True


def _rule(table: Table, statements: Statements, text: str, packet: Packet, way: _Way, depth: int) -> tuple[str, bool]:
    """Apply a rule to the packet.

    Returns:
        "return" where the packet may leave the chain, else empty; and whether it may reach the next rule.
    """
    sure, strange = True, False
    for statement in statements:
        for key, value in statement.items():
            verdict, target = _verdict(table, key, value, packet)
            if verdict == "no":
                return "", True
            if verdict == "unread":
                way.unread.append(text)
                sure, strange = False, strange or key != "match"
            elif verdict in _ENDS:
                _decide(way, _ENDS[verdict], text)
                return "", not sure
            elif verdict == "return":
                return "return", not sure
            elif verdict in ("jump", "goto"):
                back = _through(table, target, packet, way, depth - 1)
                if verdict == "goto":
                    return ("return" if back else ""), not sure
                return "", back or not sure
    if strange:  # what is not understood may be a verdict
        _decide(way, True, text)
        _decide(way, False, text)
    return "", True


def _unsure(way: _Way, why: str) -> None:
    """The packet may be accepted from here on, or dropped."""
    way.unread.append(why)
    _decide(way, True, why)
    _decide(way, False, why)


def _decide(way: _Way, accepts: bool, text: str) -> None:
    if accepts:
        way.accepted = True
    else:
        way.dropped.append(text)


def _verdict(table: Table, key: str, value: Any, packet: Packet) -> tuple[str, str]:
    """What a statement decides for the packet: a verdict and its target, "go on", "no" (no match) or "unread"."""
    if key == "match":
        return _word(matches(table.sets, value, packet)), ""
    if key == "vmap":
        return _from_map(table, value, packet)
    if key in ("jump", "goto"):
        return key, str(value["target"])
    if key in _ENDS or key == "return":
        return key, ""
    if key in ("limit", "quota", "ct count"):
        # within its limit; one that matches what is over it does not match
        return _word(not (isinstance(value, Mapping) and value.get("inv"))), ""
    if key == "set":
        inner = [_verdict(table, k, v, packet)[0] for one in value.get("stmt", []) for k, v in one.items()]
        return next((verdict for verdict in inner if verdict != "go on"), "go on"), ""
    return ("go on", "") if key in _NO_EFFECT or key == "continue" else ("unread", "")


def _word(holds: bool | None) -> str:
    return {True: "go on", False: "no", None: "unread"}[holds]


def _from_map(table: Table, value: Mapping[str, Any], packet: Packet) -> tuple[str, str]:
    data = value["data"]
    entries = table.sets.get(data[1:]) if isinstance(data, str) else data.get("set")
    known = values(value["key"], packet)
    if entries is None or known is None:
        return "unread", ""
    for wildcard in (False, True):  # the wildcard element comes last
        for element, verdict in entries:
            if (element == "*") is not wildcard:
                continue
            holds = wildcard or is_one(table.sets, known, element, packet)
            if holds is None:
                return "unread", ""
            if holds:
                ((key, inner),) = verdict.items()
                return _verdict(table, key, inner, packet)
    return "no", ""
