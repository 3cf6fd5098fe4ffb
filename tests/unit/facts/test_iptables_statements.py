"""Rules of iptables as statements of nftables."""

from typing import Any

import pytest

from mxlib.facts.iptables_statements import legacy_table, statements
from mxlib.facts.packet_match import Packet
from mxlib.facts.packet_path import Passage, passage
from tests.unit.support.facts import fixture

CHAINS = {"smtp": "-"}


def brought(text: str, family: int = 4) -> list[Any]:
    return list(statements(text.split(), family, CHAINS))


def match(left: Any, right: Any, operator: str = "==") -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("-s 192.0.2.0/24", [match(payload("ip", "saddr"), {"prefix": {"addr": "192.0.2.0", "len": "24"}})]),
        ("-d 192.0.2.0/24", [match(payload("ip", "daddr"), {"prefix": {"addr": "192.0.2.0", "len": "24"}})]),
        ("-d 192.0.2.11", [match(payload("ip", "daddr"), "192.0.2.11")]),
        ("! -s 192.0.2.1", [match(payload("ip", "saddr"), "192.0.2.1", "!=")]),
        ("-i ens5", [match({"meta": {"key": "iifname"}}, "ens5")]),
        ("-i ens+", [match({"meta": {"key": "iifname"}}, "ens*")]),
        ("-p tcp -m tcp --dport 25", [
            match({"meta": {"key": "l4proto"}}, "tcp"), match(payload("th", "dport"), {"set": [25]}),
        ]),
        ("--dport 1000:", [match(payload("th", "dport"), {"set": [{"range": [1000, 65535]}]})]),
        ("--sport :1023", [match(payload("th", "sport"), {"set": [{"range": [0, 1023]}]})]),
        ("-m multiport ! --dports 20:25,465", [
            match(payload("th", "dport"), {"set": [{"range": [20, 25]}, 465]}, "!="),
        ]),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", [
            match({"ct": {"key": "state"}}, {"set": ["related", "established"]}),
        ]),
        ("--syn", [match({"&": [payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, {"|": ["syn"]})]),
        ("--tcp-flags ALL NONE", [
            match({"&": [payload("tcp", "flags"), ["fin", "syn", "rst", "psh", "ack", "urg"]]}, {"|": []}),
        ]),
        ("-m limit --limit 5/min --limit-burst 3", [{"limit": {"inv": False}}]),
        ("-m hashlimit --hashlimit-above 5/min --hashlimit-name x", [{"limit": {"inv": True}}]),
        ("-m connlimit ! --connlimit-above 9 --connlimit-mask 32", [{"limit": {"inv": False}}]),
        ("-m limit ! --limit 5/min", [{"limit": {"inv": True}}]),
        ("--hashlimit-upto 5/min", [{"limit": {"inv": False}}]),
        ("--connlimit-upto 5", [{"limit": {"inv": False}}]),
        ("-m state --state NEW", [match({"ct": {"key": "state"}}, {"set": ["new"]})]),
        ("-m multiport --sports 1,2", [match(payload("th", "sport"), {"set": [1, 2]})]),
        ("-f", [{"xt": "-f "}]),
        ("-j DROP", [{"drop": None}]),
        ("-m comment --comment -s", []),
        ("-m set --match-set x src", [{"xt": "set"}, {"xt": "--match-set x"}]),
        ("-j ACCEPT", [{"accept": None}]),
        ("-j REJECT --reject-with tcp-reset", [{"drop": None}]),
        ("-j RETURN", [{"return": None}]),
        ("-j smtp", [{"jump": {"target": "smtp"}}]),
        ("-g smtp", [{"goto": {"target": "smtp"}}]),
        ("-j LOG --log-prefix x", []),
        ("-j NFQUEUE --queue-num 0", [{"xt": "NFQUEUE --queue-num 0"}]),
        ("", []),
    ],
)  # fmt: skip
def test_one_rule(rule: str, expected: list[Any]) -> None:
    assert brought(rule) == expected


def test_addresses_are_those_of_the_family() -> None:
    assert brought("-s 2001:db8::1", 6) == [match(payload("ip6", "saddr"), "2001:db8::1")]


def test_what_follows_a_negation_alone_is_negated() -> None:
    one, other = brought("! -s 192.0.2.1 -d 192.0.2.11")
    assert (one["match"]["op"], other["match"]["op"]) == ("!=", "==")


def test_the_table_of_a_real_host_is_passed_as_the_host_says() -> None:
    loaded = legacy_table(fixture("host/iptables-legacy-save.txt"), 4, "legacy ip filter")
    assert loaded is not None
    assert (loaded.name, loaded.families, loaded.hooks) == ("legacy ip filter", {4}, (("input", 0, "INPUT"),))
    assert set(loaded.table.chains) == {"INPUT", "FORWARD", "OUTPUT"}
    assert [loaded.table.chains[name].policy for name in ("INPUT", "OUTPUT")] == [False, True]
    mail, other = (passage(loaded.table, "INPUT", Packet("192.0.2.50", "10.77.0.10", p, "ens5")) for p in (25, 465))
    assert mail == Passage(True)
    assert other == Passage(False, ("policy drop",))


@pytest.mark.parametrize("text", ["", "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "*filter\n:INPUT DROP [0:0]\n"])
def test_no_table_called_filter(text: str) -> None:
    assert legacy_table(text, 4, "x") is None


def test_a_table_without_input_is_not_on_the_way() -> None:
    loaded = legacy_table("*filter\n:mine - [0:0]\nCOMMIT\n", 4, "x")
    assert loaded is not None
    assert loaded.hooks == ()
