"""Rules of iptables as statements of nftables, so that a packet is sent through one form only. Pure."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mxlib.facts.netfilter import LoadedTable
from mxlib.facts.packet_path import LoadedChain, Statements, Table

Statement = Mapping[str, Any]
# Matches whose meaning is in their options, or that match everything.
_SILENT = frozenset({"tcp", "udp", "state", "conntrack", "multiport", "comment", "limit", "hashlimit", "connlimit"})
_NO_EFFECT = frozenset(
    {"LOG", "NFLOG", "TRACE", "TCPMSS", "CONNMARK", "MARK", "CONNSECMARK", "SECMARK", "DSCP", "TOS", "TTL", "HL", ""}
)
HOOKED: Mapping[str, Mapping[str, int]] = {
    "raw": {"PREROUTING": -300},
    "mangle": {"PREROUTING": -150, "INPUT": -150},
    "filter": {"INPUT": 0},
    "security": {"INPUT": 50},
}
"""Tables that may stop a packet on its way to the host: their chains, with priorities as in nft(8)."""
# Options that do not decide whether a packet matches.
_REMARKS = frozenset({"--log-prefix", "--log-level", "--reject-with", "--limit-burst", "--nflog-group"})
_ENDS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}


def legacy_table(text: str, family: int, name: str, table: str = "filter") -> LoadedTable | None:
    """Read a table from the output of a tool such as ``iptables-legacy-save``; None where there is none.

    Args:
        family: 4 or 6.
        name: what the table is called in the result.
        table: one of :data:`HOOKED`.
    """
    found = re.search(rf"^\*{table}\n(.*?)^COMMIT$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return None
    policies = dict(re.findall(r"^:(\S+) (\S+)", found[1], re.MULTILINE))
    rules: dict[str, list[tuple[Statements, str]]] = {chain: [] for chain in policies}
    for line in found[1].splitlines():
        if line.startswith("-A "):
            words = shlex.split(line)
            rules[words[1]].append((tuple(statements(words[2:], family, policies)), line))
    chains = {chain: LoadedChain(tuple(rules[chain]), policies[chain] != "DROP") for chain in policies}
    hooks = tuple((chain.lower(), priority, chain) for chain, priority in HOOKED[table].items() if chain in chains)
    return LoadedTable(frozenset({family}), name, Table(chains), hooks)


def statements(words: list[str], family: int, chains: Mapping[str, str]) -> Iterator[Statement]:
    """Yield the statements of a rule.

    Args:
        words: its words after the name of the chain.
        family: 4 or 6.
        chains: chains of the table, by name.
    """
    left, target = list(words), ""
    negated = False
    while left:
        word = left.pop(0)
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            target = f"{word} {left.pop(0)}"
            break
        yield from _option(word, left, "!=" if negated else "==", family)
        negated = False
    yield from _target(target, left, chains)


def _option(word: str, left: list[str], operator: str, family: int) -> Iterator[Statement]:
    if word == "--comment":
        del left[:1]
        return
    if word == "--syn":
        yield from _flags("FIN,SYN,RST,ACK", "SYN", operator)
        return
    values = []
    while left and not left[0].startswith(("-", "!")):
        values.append(left.pop(0))
    value = values[0] if values else ""
    if word == "-m":
        yield from () if value in _SILENT else ({"xt": value},)
    elif word == "--tcp-flags":
        yield from _flags(value, values[-1], operator)
    elif word in ("--limit", "--hashlimit-upto", "--connlimit-upto"):
        yield {"limit": {"inv": operator == "!="}}
    elif word in ("--hashlimit-above", "--connlimit-above"):
        yield {"limit": {"inv": operator != "!="}}
    elif word not in _REMARKS and not word.startswith(("--hashlimit-", "--connlimit-")):
        yield _match(word, value, operator, family)


def _match(word: str, value: str, operator: str, family: int) -> Statement:
    ip = "ip" if family == 4 else "ip6"
    lefts: Mapping[str, Any] = {
        "-s": {"payload": {"protocol": ip, "field": "saddr"}},
        "-d": {"payload": {"protocol": ip, "field": "daddr"}},
        "-i": {"meta": {"key": "iifname"}},
        "-p": {"meta": {"key": "l4proto"}},
        "--sport": {"payload": {"protocol": "th", "field": "sport"}},
        "--sports": {"payload": {"protocol": "th", "field": "sport"}},
        "--dport": {"payload": {"protocol": "th", "field": "dport"}},
        "--dports": {"payload": {"protocol": "th", "field": "dport"}},
        "--state": {"ct": {"key": "state"}},
        "--ctstate": {"ct": {"key": "state"}},
    }
    if word not in lefts:
        return {"xt": f"{word} {value}"}
    return {"match": {"op": operator, "left": lefts[word], "right": _right(word, value)}}


def _right(word: str, value: str) -> Any:
    if word in ("-s", "-d"):
        address, _, length = value.partition("/")
        return {"prefix": {"addr": address, "len": length}} if length else address
    if word == "-i":
        return f"{value[:-1]}*" if value.endswith("+") else value
    if word in ("--state", "--ctstate"):
        return {"set": value.lower().split(",")}
    if word in ("--sport", "--sports", "--dport", "--dports"):
        return {"set": [_ports(part) for part in value.split(",")]}
    return value


def _ports(part: str) -> Any:
    first, colon, last = part.partition(":")
    return {"range": [int(first or 0), int(last or 65535)]} if colon else int(first)


def _flags(mask: str, wanted: str, operator: str) -> Iterator[Statement]:
    names = {"ALL": ["fin", "syn", "rst", "psh", "ack", "urg"], "NONE": []}
    asked, there = (names.get(text, text.lower().split(",")) for text in (mask, wanted))
    left = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, asked]}
    yield {"match": {"op": operator, "left": left, "right": {"|": there}}}


def _target(target: str, left: list[str], chains: Mapping[str, str]) -> Iterator[Statement]:
    how, _, name = target.partition(" ")
    if name in chains:
        yield {"goto" if how == "-g" else "jump": {"target": name}}
    elif name in _ENDS:
        yield {_ENDS[name]: None}
    elif name not in _NO_EFFECT:
        yield {"xt": " ".join((name, *left))}
