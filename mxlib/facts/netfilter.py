"""Rules of a packet filter in one form, whichever tool loaded them."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.facts.packet_path import LoadedChain, Table


class RuleAction(Enum):
    """What a rule does with a packet it matches."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    RETURN = "return"
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        action: what it does.
        conditions: what it matches on: saddr, daddr, iif, proto, sport, dport, syn, state, or ``other:...``; empty for
            a rule that matches everything.
        states: connection states it matches; empty where it does not match on them.
        ports: destination ports it matches; empty where it does not match on them or they are unknown.
        target: the chain it jumps to.
        text: the rule as the tool shows it.
    """

    action: RuleAction
    conditions: frozenset[str]
    states: frozenset[str]
    ports: frozenset[int]
    target: str
    text: str


@dataclass(frozen=True)
class LoadedTable:
    """A loaded table, in the form in which a packet is sent through it.

    Attributes:
        families: address families whose packets come here.
        name: its name, after the family.
        table: its chains and sets.
        hooks: hook, priority and chain of each chain that filters packets on their way; after the hook ``ingress`` a
            blank and the interface, where it is known.
    """

    families: frozenset[int]
    name: str
    table: Table
    hooks: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class Chain:
    """A chain.

    Attributes:
        families: address families whose packets come here.
        table: the name of its table, after the family.
        name: its name.
        hook: the hook it is attached to; empty for a chain that is only jumped to.
        priority: chains of a lower priority come first.
        policy: accept or drop, for packets that no rule decides on; empty for a chain that is only jumped to.
        rules: its rules.
        readable: whether all its rules could be read.
    """

    families: frozenset[int]
    table: str
    name: str
    hook: str
    priority: int
    policy: str
    rules: tuple[Rule, ...]
    readable: bool = True


_NFT_FAMILIES = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_PASSED_FAMILIES = {**_NFT_FAMILIES, "netdev": frozenset({4, 6})}
_LEGACY_HOOKS = {"INPUT": "input", "OUTPUT": "output", "FORWARD": "forward"}
_LEGACY_ACTIONS = {
    "ACCEPT": RuleAction.ACCEPT,
    "DROP": RuleAction.DROP,
    "REJECT": RuleAction.DROP,
    "RETURN": RuleAction.RETURN,
}
_LEGACY_CONDITIONS = {
    "-s": "saddr",
    "-d": "daddr",
    "-i": "iif",
    "-o": "oif",
    "-p": "proto",
    "--sport": "sport",
    "--sports": "sport",
    "--dport": "dport",
    "--dports": "dport",
    "--syn": "syn",
    "--tcp-flags": "syn",
    "--state": "state",
    "--ctstate": "state",
}
# Matches whose meaning is in their options, or that match everything.
_SILENT = frozenset({"tcp", "udp", "state", "conntrack", "multiport", "comment"})
_NO_TARGETS = frozenset({"LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TCPMSS", ""})


def parse_save(text: str, family: int, kind: str) -> list[Chain]:
    """Read the output of a tool such as ``iptables-legacy-save``: its table ``filter``.

    Args:
        family: 4 or 6.
        kind: what precedes the name of a table, such as ``legacy ip``.
    """
    found = re.search(r"^\*filter\n(.*?)^COMMIT$", text, re.DOTALL | re.MULTILINE)
    lines = found[1].splitlines() if found else []
    policies = dict(re.findall(r"^:(\S+) (\S+)", "\n".join(lines), re.MULTILINE))
    rules: dict[str, list[Rule]] = {name: [] for name in policies}
    for line in lines:
        if line.startswith("-A "):
            words = shlex.split(line)
            rules[words[1]].append(_legacy_rule(words[2:], line))
    return [
        Chain(
            frozenset({family}), f"{kind} filter", name, _LEGACY_HOOKS.get(name, ""), 0,
            policy.lower() if policy != "-" else "", tuple(rules[name]),
        )
        for name, policy in policies.items()
    ]  # fmt: skip


def _legacy_rule(words: list[str], text: str) -> Rule:
    conditions, states, ports, target = set(), frozenset[str](), frozenset[int](), ""
    for word, value in zip(words, [*words[1:], ""], strict=True):
        condition = _LEGACY_CONDITIONS.get(word)
        if condition:
            conditions.add(condition)
        if condition == "state":
            states = frozenset(value.lower().split(","))
        elif condition == "dport":
            ports = _legacy_ports(value)
        elif word == "-m" and value not in _SILENT:
            conditions.add(f"other:{value}")
        elif word == "!":
            conditions.add("other:!")
        elif word in ("-j", "-g"):
            target = value
    action = _LEGACY_ACTIONS.get(target, RuleAction.NONE if target in _NO_TARGETS else RuleAction.JUMP)
    return Rule(action, frozenset(conditions), states, ports, target if action is RuleAction.JUMP else "", text)


def _legacy_ports(value: str) -> frozenset[int]:
    ports: set[int] = set()
    for part in value.split(","):
        first, _, last = part.partition(":")
        ports.update(range(int(first), int(last or first) + 1))
    return frozenset(ports)


def parse_nft(text: str) -> list[Chain]:
    """Read ``nft -j list ruleset``.

    Raises:
        mxlib.base.errors.ParseError: it is not a ruleset.
    """
    try:
        objects = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError):
        raise ParseError("nft did not print its rules") from None
    sets = {
        (data["family"], data["table"], data["name"]): data.get("elem", [])
        for data in (item["set"] for item in objects if "set" in item)
    }
    rules = [item["rule"] for item in objects if "rule" in item]
    return [_nft_chain(item["chain"], rules, sets) for item in objects if "chain" in item]


def _nft_chain(chain: Mapping[str, Any], rules: Iterable[Mapping[str, Any]], sets: Mapping[Any, Any]) -> Chain:
    place = (chain["family"], chain["table"], chain["name"])
    own = [rule for rule in rules if (rule["family"], rule["table"], rule["chain"]) == place]
    return Chain(
        families=_NFT_FAMILIES.get(chain["family"], frozenset()),
        table=f"{chain['family']} {chain['table']}",
        name=chain["name"],
        hook=chain.get("hook", ""),
        priority=int(chain.get("prio", 0)),
        policy=chain.get("policy", ""),
        rules=tuple(part for rule in own for part in _nft_rules(rule, sets)),
        readable=not any("xt" in expression for rule in own for expression in rule["expr"]),
    )


def _nft_rules(rule: Mapping[str, Any], sets: Mapping[Any, Any]) -> list[Rule]:
    """The rule; a verdict map over connection states becomes a rule for each state."""
    conditions, states, ports = set(), frozenset[str](), frozenset[int]()
    action, target, mapped = RuleAction.NONE, "", []
    for expression in rule["expr"]:
        for key, value in expression.items():
            if key == "match":
                condition = _nft_condition(value)
                conditions.add(condition if value["op"] in ("==", "in") else f"other:{condition}")
                states = frozenset(map(str, _values(value["right"]))) if condition == "state" else states
                ports = _nft_ports(value["right"], rule, sets) if condition == "dport" else ports
            elif key == "vmap":
                mapped = _nft_map(value)
                conditions |= set() if mapped else {"other:vmap"}
            elif key in ("xt", "limit", "lookup", "quota"):
                conditions.add(f"other:{key}")
            action, target = _nft_action(key, value, action, target)
    text = json.dumps(rule["expr"])
    if mapped:
        return [Rule(a, frozenset({*conditions, "state"}), frozenset({s}), ports, t, text) for s, a, t in mapped]
    return [Rule(action, frozenset(conditions), states, ports, target, text)]


def _nft_action(key: str, value: Any, action: RuleAction, target: str) -> tuple[RuleAction, str]:
    if key in ("jump", "goto"):
        return RuleAction.JUMP, str(value["target"])
    simple = {
        "accept": RuleAction.ACCEPT,
        "drop": RuleAction.DROP,
        "reject": RuleAction.DROP,
        "return": RuleAction.RETURN,
    }
    return simple.get(key, action), target


def _nft_condition(match: Mapping[str, Any]) -> str:
    left = match["left"]
    if "&" in left:
        left = left["&"][0]
    if "payload" in left:
        field = str(left["payload"].get("field", ""))
        return {"flags": "syn", "protocol": "proto", "nexthdr": "proto"}.get(field, field)
    if "ct" in left:
        return "state" if left["ct"].get("key") == "state" else f"other:ct {left['ct'].get('key')}"
    if "meta" in left:
        key = str(left["meta"].get("key", ""))
        return {"l4proto": "proto", "nfproto": "proto", "iifname": "iif", "oifname": "oif"}.get(key, key)
    return f"other:{next(iter(left), '')}"


def _nft_map(value: Mapping[str, Any]) -> list[tuple[str, RuleAction, str]]:
    data = value.get("data", {})
    if value.get("key", {}).get("ct", {}).get("key") != "state" or not isinstance(data, dict):
        return []
    pairs = [(str(state), next(iter(verdict.items()))) for state, verdict in data.get("set", [])]
    return [(state, *_nft_action(key, target, RuleAction.NONE, "")) for state, (key, target) in pairs]


def _values(right: Any) -> list[Any]:
    if isinstance(right, dict) and "set" in right:
        return list(right["set"])
    return list(right) if isinstance(right, list) else [right]


def _nft_ports(right: Any, rule: Mapping[str, Any], sets: Mapping[Any, Any]) -> frozenset[int]:
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get((rule["family"], rule["table"], right[1:]), [])
    ports: set[int] = set()
    for value in _values(right):
        if isinstance(value, dict) and "range" in value:
            ports.update(range(int(value["range"][0]), int(value["range"][1]) + 1))
        elif isinstance(value, int):
            ports.add(value)
    return frozenset(ports)


def nft_tables(text: str) -> list[LoadedTable]:
    """Read ``nft -j list ruleset`` as tables that a packet can be sent through.

    Args:
        text: output that :func:`parse_nft` has accepted.
    """
    objects = json.loads(text)["nftables"]
    places = {(one["family"], one["name"]) for item in objects for one in item.values() if "table" in item}
    places |= {(item["chain"]["family"], item["chain"]["table"]) for item in objects if "chain" in item}
    return [_nft_table(family, name, objects) for family, name in sorted(places) if family in _PASSED_FAMILIES]


def _nft_table(family: str, name: str, objects: list[Any]) -> LoadedTable:
    def own(kind: str) -> list[Any]:
        here = (item[kind] for item in objects if kind in item)
        return [one for one in here if (one["family"], one["table"]) == (family, name)]

    chains = {
        chain["name"]: LoadedChain(
            tuple((tuple(r["expr"]), json.dumps(r["expr"])) for r in own("rule") if r["chain"] == chain["name"]),
            chain.get("policy", "accept") == "accept",
        )
        for chain in own("chain")
    }
    sets = {one["name"]: one.get("elem", []) for kind in ("set", "map") for one in own(kind)}
    hooks = tuple(
        (f"{chain['hook']} {device}".strip(), int(chain.get("prio", 0)), chain["name"])
        for chain in own("chain")
        if "hook" in chain and chain.get("type") != "nat"
        for device in _values(chain.get("dev", ""))  # nft 1.0.6 does not show it
    )
    return LoadedTable(_PASSED_FAMILIES[family], f"{family} {name}", Table(chains, sets), hooks)
