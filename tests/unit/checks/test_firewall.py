"""Whether the mail ports are open, judged by sending a packet through rules of nftables and of iptables."""

import dataclasses
import json

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.firewall import CHECK
from mxlib.config.verify import FirewallPolicy
from tests.unit.support import filter_box
from tests.unit.support.failing import NO_NFT
from tests.unit.support.healthy import FERM, NFTABLES, NO_TABLES, POLICY, host, replaced


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


RULESETS = {name: one["nft"] for name, one in json.loads(filter_box.RECORDED.read_text(encoding="utf-8")).items()}
STATES = "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("a jump on the port", Status.OK),
        ("a goto", Status.OK),
        ("a verdict map", Status.OK),
        ("a named verdict map", Status.OK),
        ("a verdict map of intervals", Status.OK),
        ("a named set of intervals and a limit", Status.OK),
        ("all but some senders", Status.FAILED),
        ("a named list of blocked senders", Status.OK),
        ("a quota", Status.OK),
        ("a goto that never comes back", Status.FAILED),
        ("a concatenation", Status.FAILED),
        ("accepted and dropped", Status.FAILED),
        ("dropped before it is routed", Status.FAILED),
        ("one family", Status.FAILED),
        ("an unknown length", Status.UNKNOWN),
    ],
)
def test_port_25_in_rules_of_nftables(name, status):
    verdict = judge(host(NFTABLES, firewall_nft=RULESETS[name], firewall_tables=NO_TABLES))
    assert verdict.status is status, verdict.why
    assert status is Status.OK or "port 25" in verdict.why


def iptables(rules):
    """A host whose filter of both families has these rules."""
    body = f"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    tables = f"tool iptables-legacy-save\n{body}tool ip6tables-legacy-save\n{body}tool end\n"
    return host(FERM, firewall_nft="absent\n", firewall_tables=tables)


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ("-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT\n", Status.OK),
        ("-A INPUT -p tcp -m multiport --dports 20:25,465 -j ACCEPT\n", Status.OK),
        (":SMTP - [0:0]\n-A INPUT -p tcp -m tcp --dport 25 -j SMTP\n-A SMTP -j ACCEPT\n", Status.OK),
        (":mail - [0:0]\n-A INPUT -p tcp -m multiport --dports 25,465 -g mail\n-A mail -j ACCEPT\n", Status.OK),
        (
            ":SMTP - [0:0]\n-A INPUT -p tcp -m tcp --dport 25 -j SMTP\n-A SMTP -m connlimit --connlimit-above 50"
            " --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with icmp-port-unreachable\n-A SMTP -j ACCEPT\n",
            Status.OK,
        ),
        (
            '-A INPUT -p tcp -m comment --comment "it\'s \\"mail\\" ! -s" -m tcp --dport 25 -j ACCEPT\n',
            Status.OK,
        ),
        ("-A INPUT -p tcp -m tcp ! --dport 26 -j ACCEPT\n", Status.OK),
        ("-A INPUT -p tcp -m tcp --dport 25 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n", Status.OK),
        ("-A INPUT -i ens+ -p tcp -m tcp --dport 25 -m hashlimit --hashlimit-upto 50/sec --hashlimit-name x"
         " -j ACCEPT\n", Status.OK),
        ("-A INPUT -i eth0 -p tcp -m tcp --dport 25 -j ACCEPT\n", Status.FAILED),
        ("-A INPUT -p tcp -m tcp --dport 26 -j ACCEPT\n", Status.FAILED),
        ("-A INPUT -p udp -m udp --dport 25 -j ACCEPT\n", Status.FAILED),
        (":SMTP - [0:0]\n-A INPUT -p tcp -m tcp --dport 25 -j SMTP\n-A SMTP -j RETURN\n", Status.FAILED),
        ("-A INPUT -p tcp -m tcp --dport 25 -m set --match-set allowed src -j ACCEPT\n", Status.UNKNOWN),
        ("-A INPUT -p tcp -m tcp --dport 25 -j NFQUEUE --queue-num 0\n", Status.UNKNOWN),
    ],
)  # fmt: skip
def test_port_25_in_rules_of_iptables(rules, status):
    declared = "".join(line for line in rules.splitlines(keepends=True) if line.startswith(":"))
    verdict = judge(iptables(declared + STATES + rules.removeprefix(declared)))
    assert verdict.status is status, verdict.why
    assert status is Status.OK or "port 25" in verdict.why


def test_a_blocklist_before_established_is_no_fault():
    facts = host(
        FERM, firewall_tables=replaced("-A INPUT -m state", "-A INPUT -s 203.0.113.0/24 -j DROP\n-A INPUT -m state")
    )
    assert judge(facts).status is Status.OK


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ("-A INPUT -i ens5 -m conntrack --ctstate ESTABLISHED -j DROP\n", Status.FAILED),
        ("-A INPUT -p tcp -m tcp --sport 25 --dport 1024:65535 -j DROP\n", Status.FAILED),
        ("-A INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP\n", Status.FAILED),
        ("-A INPUT -i ens5 -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n", Status.FAILED),
        ("-A INPUT ! -s 192.0.2.0/24 -m conntrack ! --ctstate NEW -j DROP\n", Status.FAILED),
        ("-A INPUT -m conntrack --ctstate ESTABLISHED -j NFQUEUE --queue-num 0 --queue-bypass\n", Status.UNKNOWN),
        ("-A INPUT -i ens5 -p tcp -m tcp --syn -m conntrack --ctstate INVALID -j DROP\n", Status.OK),
        ("-A INPUT -s 8.8.0.0/16 -j DROP\n", Status.OK),
        ("-A INPUT -i eth0 -j DROP\n", Status.OK),
    ],
)
def test_an_answer_is_sent_through_the_rules_as_well(rule, status):
    verdict = judge(host(FERM, firewall_tables=replaced("-A INPUT -m state", f"{rule}-A INPUT -m state")))
    assert verdict.status is status, verdict.why
    assert status is Status.OK or "answers" in verdict.why


def test_answers_are_lost_also_where_nothing_is_dropped_by_default():
    first = {"rule": {"family": "inet", "table": "mangle", "chain": "in", "expr": [
        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "ens5"}},
        {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "established"}},
        {"queue": {"num": 0}},
    ]}}  # fmt: skip
    chain = {"chain": {"family": "inet", "table": "mangle", "name": "in", "type": "filter", "hook": "prerouting",
                       "prio": -150, "policy": "accept"}}  # fmt: skip

    def change(text):
        rules = json.loads(text)
        rules["nftables"] += [chain, first]
        return json.dumps(rules)

    verdict = judge(host(firewall_nft=change))
    assert (verdict.status, "answers" in verdict.why) == (Status.UNKNOWN, True)


@pytest.mark.parametrize(
    ("table", "rule", "status", "said"),
    [
        ("raw", "-A PREROUTING -p tcp -m tcp --sport 25 -j DROP\n", Status.FAILED, "answers"),
        ("mangle", "-A INPUT -m conntrack --ctstate ESTABLISHED -j DROP\n", Status.FAILED, "answers"),
        ("mangle", "-A PREROUTING -p tcp -m tcp --dport 25 -m state --state NEW -j DROP\n", Status.FAILED, "port 25"),
        ("raw", "-A PREROUTING -p tcp -m tcp --sport 25 -j CT --notrack\n", Status.UNKNOWN, "answers"),
        ("mangle", "-A PREROUTING -m conntrack --ctstate INVALID -j DROP\n", Status.OK, ""),
        ("mangle", "-A INPUT -p tcp -m tcp --dport 25 -j DSCP --set-dscp 0x08\n", Status.OK, ""),
        ("mangle", "-A OUTPUT -p tcp -j DROP\n", Status.OK, ""),
    ],
)
def test_the_other_tables_of_iptables_are_on_the_way_as_well(table, rule, status, said):
    chains = ":PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    verdict = judge(host(FERM, firewall_tables=replaced("*filter\n", f"*{table}\n{chains}{rule}COMMIT\n*filter\n")))
    assert (verdict.status, said in verdict.why) == (status, True), verdict.why


DROP_ANSWERS = [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "sport"}}, "right": 25}},
                {"drop": None}]  # fmt: skip
OF_A_NEIGHBOUR = [{"match": {"op": "==", "left": {"payload": {"protocol": "ether", "field": "saddr"}},
                             "right": "00:11:22:33:44:55"}}, {"drop": None}]  # fmt: skip
NOT_IP = [{"match": {"op": "!=", "left": {"payload": {"protocol": "ether", "field": "type"}},
                     "right": {"set": ["ip", "ip6"]}}}, {"drop": None}]  # fmt: skip


@pytest.mark.parametrize(
    ("device", "rule", "status"),
    [
        ({"dev": "ens5"}, DROP_ANSWERS, Status.FAILED),
        ({"dev": ["ens6", "ens5"]}, DROP_ANSWERS, Status.FAILED),
        ({"dev": "ens6"}, DROP_ANSWERS, Status.OK),
        ({}, DROP_ANSWERS, Status.UNKNOWN),  # as nft 1.0.6 of Debian 12 prints it
        ({"dev": "ens5"}, OF_A_NEIGHBOUR, Status.UNKNOWN),
        ({"dev": "ens5"}, NOT_IP, Status.OK),
    ],
)
@pytest.mark.parametrize("family", ["netdev", "inet"])
def test_a_chain_at_the_card_comes_first(family, device, rule, status):
    place = {"family": family, "table": "guard"}
    hooked = {"type": "filter", "hook": "ingress", "prio": -500, "policy": "accept", **device}
    added = [
        {"table": {"family": family, "name": "guard"}},
        {"chain": {**place, "name": "in", **hooked}},
        {"rule": {**place, "chain": "in", "expr": rule}},
    ]

    def change(text):
        rules = json.loads(text)
        rules["nftables"] += added
        return json.dumps(rules)

    verdict = judge(host(firewall_nft=change))
    assert verdict.status is status, verdict.why


def test_established_in_a_chain_that_is_jumped_to():
    def change(text):
        text = text.replace("-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -j base")
        rule = "-A base -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        return text.replace(":FORWARD", ":base - [0:0]\n:FORWARD").replace("COMMIT", f"{rule}\nCOMMIT")

    assert judge(host(FERM, firewall_tables=change)).status is Status.OK


def test_established_in_a_verdict_map():
    def change(text):
        rules = json.loads(text)
        states = [["established", {"accept": None}], ["related", {"accept": None}], ["invalid", {"drop": None}]]
        vmap = {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": states}}}
        first = next(item["rule"] for item in rules["nftables"] if "rule" in item)
        first["expr"] = [vmap]
        return json.dumps(rules)

    assert judge(host(firewall_nft=change)).status is Status.OK


def test_rules_that_nft_cannot_show_are_unknown():
    def change(text):
        rules = json.loads(text)
        first = next(item["rule"] for item in rules["nftables"] if "rule" in item)
        first["expr"] = [{"xt": None}, {"accept": None}]
        return json.dumps(rules)

    assert judge(host(firewall_nft=change)).status is Status.UNKNOWN


def test_our_own_closed_ports_are_no_fault_of_the_firewall():
    def change(text):
        rules = json.loads(text)
        place = {"family": "inet", "table": "mx_depool", "chain": "input"}
        chain = place | {"name": "input", "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}
        rules["nftables"] += [{"chain": chain}, {"rule": place | {"expr": [{"drop": None}]}}]
        return json.dumps(rules)

    assert judge(host(firewall_nft=change)).status is Status.OK


@pytest.mark.parametrize(
    ("rule", "port", "status"),
    [
        ("ip saddr 192.0.2.0/24 tcp dport 22", 22, Status.OK),
        ("ip saddr 192.0.2.0/24 tcp dport 25", 25, Status.FAILED),
        ("ip saddr 192.0.2.0/24 tcp dport 23", 22, Status.FAILED),
    ],
)
def test_a_port_that_is_not_for_mail_may_be_open_to_a_named_network_only(rule, port, status):
    wanted = int(rule.rpartition(" ")[2])
    net = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                     "right": {"prefix": {"addr": "192.0.2.0", "len": 24}}}}  # fmt: skip
    dport = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": wanted}}
    answers = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
    where = {"family": "inet", "table": "filter", "chain": "input"}
    chain = {**where, "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    rules = [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "filter", "handle": 4}},
        {"chain": chain},
        {"rule": {**where, "handle": 2, "expr": [answers, {"accept": None}]}},
        {"rule": {**where, "handle": 3, "expr": [net, dport, {"accept": None}]}},
    ]
    policy = dataclasses.replace(POLICY, families=(4,), firewall=FirewallPolicy(accepted_ports=(port,)))
    verdict = judge(host(firewall_nft=json.dumps({"nftables": rules})), policy)
    assert verdict.status is status, verdict.why


def test_the_site_decides_what_the_packet_filter_must_do():
    strict = dataclasses.replace(POLICY, firewall=FirewallPolicy(min_rules=50))
    assert CHECK.verdict(host(), strict).status is Status.FAILED
    loose = dataclasses.replace(POLICY, firewall=FirewallPolicy(required=False))
    assert CHECK.verdict(host(firewall_nft=NO_NFT), loose).status is Status.OK
