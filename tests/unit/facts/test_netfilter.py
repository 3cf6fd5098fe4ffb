"""Rules in one form, read from real output of nft and of iptables-save."""

import json
from typing import Any

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.netfilter import RuleAction, nft_tables, parse_nft, parse_save
from tests.unit.support.facts import fixture

NFT = fixture("firewall/nft-nft.json")
SAVED = fixture("host/iptables-legacy-save.txt")
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
STATE = {"ct": {"key": "state"}}


def ruleset(*expressions: dict[str, Any], more: Any = (), **chain: Any) -> str:
    """What nft prints for a table with one chain of one rule."""
    where = {"family": "inet", "table": "filter"}
    head = {**where, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop", **chain}
    rule = {**where, "chain": "input", "expr": list(expressions)}
    return json.dumps({"nftables": [{"metainfo": {}}, {"chain": head}, {"rule": rule}, *more]})


def match(left: Any, right: Any, operator: str = "==") -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def rules_of(*expressions: dict[str, Any], more: Any = ()) -> Any:
    return parse_nft(ruleset(*expressions, more=more))[0].rules


def test_a_real_ruleset_of_nft() -> None:
    chains = {chain.name: chain for chain in parse_nft(NFT)}
    own = chains["input"]
    assert (own.families, own.table, own.hook, own.priority, own.policy) == ({4, 6}, "inet filter", "input", 0, "drop")
    assert own.readable
    assert [rule.action for rule in own.rules[:3]] == [RuleAction.ACCEPT, RuleAction.DROP, RuleAction.ACCEPT]
    assert own.rules[0].states == {"established", "related"}
    assert own.rules[2].conditions == {"iif"}
    assert own.rules[5].conditions == {"saddr", "dport"}
    assert (own.rules[7].ports, own.rules[7].action) == ({25, 465, 587}, RuleAction.ACCEPT)
    assert own.rules[8].action is RuleAction.NONE
    assert chains["output"].rules == ()


@pytest.mark.parametrize(
    ("expression", "condition"),
    [
        (match(PORT, 25), "dport"),
        (match(PORT, 25, "!="), "other:dport"),
        (match(STATE, "new", "in"), "state"),
        (match({"ct": {"key": "mark"}}, 1), "other:ct mark"),
        (match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn"]]}, "syn"), "syn"),
        (match({"payload": {"protocol": "ip", "field": "protocol"}}, "tcp"), "proto"),
        (match({"meta": {"key": "oifname"}}, "ens5"), "oif"),
        (match({"meta": {"key": "mark"}}, 1), "mark"),
        (match({"fib": {"result": "type"}}, "local"), "other:fib"),
        ({"xt": None}, "other:xt"),
        ({"limit": {"rate": 5}}, "other:limit"),
        ({"vmap": {"key": PORT, "data": {"set": [[25, {"accept": None}]]}}}, "other:vmap"),
        ({"vmap": {"key": STATE, "data": "@named"}}, "other:vmap"),
    ],
)
def test_what_a_rule_of_nft_looks_at(expression: Any, condition: str) -> None:
    assert rules_of(expression, {"accept": None})[0].conditions == {condition}


@pytest.mark.parametrize(
    ("verdict", "action", "target"),
    [
        ({"accept": None}, RuleAction.ACCEPT, ""),
        ({"drop": None}, RuleAction.DROP, ""),
        ({"reject": {"type": "tcp reset"}}, RuleAction.DROP, ""),
        ({"return": None}, RuleAction.RETURN, ""),
        ({"jump": {"target": "smtp"}}, RuleAction.JUMP, "smtp"),
        ({"goto": {"target": "smtp"}}, RuleAction.JUMP, "smtp"),
        ({"counter": None}, RuleAction.NONE, ""),
    ],
)
def test_what_a_rule_of_nft_does(verdict: Any, action: RuleAction, target: str) -> None:
    assert [(rule.action, rule.target) for rule in rules_of(verdict)] == [(action, target)]


@pytest.mark.parametrize(
    ("right", "ports"),
    [(25, {25}), ({"set": [25, {"range": [465, 467]}]}, {25, 465, 466, 467}), ("@mail", {587}), ("@none", set())],
)
def test_ports_of_a_rule_and_of_a_set(right: Any, ports: set[int]) -> None:
    named = {"set": {"family": "inet", "table": "filter", "name": "mail", "elem": [587]}}
    assert rules_of(match(PORT, right), {"accept": None}, more=[named])[0].ports == ports


def test_each_match_of_a_rule_keeps_what_it_says() -> None:
    sender = match({"payload": {"protocol": "ip", "field": "saddr"}}, "192.0.2.1")
    (found,) = rules_of(match(STATE, "new"), match(PORT, 25), sender, {"accept": None})
    assert (found.conditions, found.states, found.ports) == ({"state", "dport", "saddr"}, {"new"}, {25})


def test_a_verdict_map_over_states_is_a_rule_for_each() -> None:
    data = {"set": [["established", {"accept": None}], ["invalid", {"drop": None}], ["new", {"jump": {"target": "x"}}]]}
    found = rules_of({"vmap": {"key": STATE, "data": data}})
    assert [(rule.action, rule.states, rule.target) for rule in found] == [
        (RuleAction.ACCEPT, {"established"}, ""),
        (RuleAction.DROP, {"invalid"}, ""),
        (RuleAction.JUMP, {"new"}, "x"),
    ]
    assert all(rule.conditions == {"state"} for rule in found)


def test_a_rule_that_nft_cannot_show_is_not_readable() -> None:
    assert not parse_nft(ruleset({"xt": None}, {"accept": None}))[0].readable


@pytest.mark.parametrize("text", ["", "[]", "{}", "nft: not found", '{"nftables"', "null"])
def test_what_is_no_ruleset(text: str) -> None:
    with pytest.raises(ParseError, match="nft did not print its rules"):
        parse_nft(text)


def test_a_table_that_a_packet_can_be_sent_through() -> None:
    (loaded,) = nft_tables(NFT)
    assert (loaded.name, loaded.families) == ("inet filter", {4, 6})
    assert set(loaded.hooks) == {("input", 0, "input"), ("forward", 0, "forward"), ("output", 0, "output")}
    assert [loaded.table.chains[name].policy for name in ("input", "output")] == [False, True]
    assert len(loaded.table.chains["input"].rules) == 9


def test_chains_of_nat_and_families_below_ip_filter_no_packet_to_the_host() -> None:
    assert nft_tables(ruleset({"accept": None}, type="nat"))[0].hooks == ()
    assert nft_tables(ruleset({"accept": None}, family="bridge")) == []


def test_sets_and_maps_belong_to_their_table() -> None:
    def named(kind: str, table: str, elements: Any) -> Any:
        return {kind: {"family": "inet", "table": table, "name": f"{kind}s", "elem": elements}}

    more = [named("set", "filter", [25]), named("map", "filter", [[25, {"drop": None}]]), named("set", "other", [26])]
    (loaded,) = nft_tables(ruleset({"accept": None}, more=more))
    assert loaded.table.sets == {"sets": [25], "maps": [[25, {"drop": None}]]}


def test_a_real_table_of_iptables() -> None:
    chains = {chain.name: chain for chain in parse_save(SAVED, 4, "legacy ip")}
    own = chains["INPUT"]
    assert (own.families, own.table, own.hook, own.policy) == ({4}, "legacy ip filter", "input", "drop")
    assert [rule.action for rule in own.rules[:3]] == [RuleAction.DROP, RuleAction.ACCEPT, RuleAction.ACCEPT]
    assert own.rules[1].states == {"related", "established"}
    assert own.rules[6].ports == {25}
    assert own.rules[6].conditions == {"proto", "dport"}
    assert own.rules[6].text == "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
    assert (chains["OUTPUT"].hook, chains["OUTPUT"].policy, chains["OUTPUT"].rules) == ("output", "accept", ())


@pytest.mark.parametrize(
    ("rule", "action", "conditions", "ports", "target"),
    [
        ("-m multiport --dports 20:22,25 -j ACCEPT", RuleAction.ACCEPT, {"dport"}, {20, 21, 22, 25}, ""),
        ("! -s 192.0.2.1 -j DROP", RuleAction.DROP, {"saddr", "other:!"}, set(), ""),
        ("-m set --match-set x src -j REJECT", RuleAction.DROP, {"other:set"}, set(), ""),
        ("-m comment --comment 'a b' -j LOG", RuleAction.NONE, set(), set(), ""),
        ("-p tcp --syn -j smtp", RuleAction.JUMP, {"proto", "syn"}, set(), "smtp"),
        ("-g smtp", RuleAction.JUMP, set(), set(), "smtp"),
        ("-j RETURN", RuleAction.RETURN, set(), set(), ""),
        ("-o lo", RuleAction.NONE, {"oif"}, set(), ""),
    ],
)
def test_one_rule_of_iptables(rule: str, action: RuleAction, conditions: Any, ports: Any, target: str) -> None:
    (chain, *_) = parse_save(f"*filter\n:INPUT DROP [0:0]\n-A INPUT {rule}\nCOMMIT\n", 4, "legacy ip")
    (found,) = chain.rules
    assert (found.action, found.conditions, found.ports, found.target) == (action, conditions, ports, target)


def test_a_chain_of_ones_own_has_neither_hook_nor_policy() -> None:
    (chain,) = parse_save("*filter\n:smtp - [0:0]\nCOMMIT\n", 6, "nft ip6")
    assert (chain.hook, chain.policy, chain.families, chain.table) == ("", "", {6}, "nft ip6 filter")


@pytest.mark.parametrize("text", ["", "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n"])
def test_other_tables_are_left_alone(text: str) -> None:
    assert parse_save(text, 4, "legacy ip") == []
