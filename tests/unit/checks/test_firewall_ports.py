"""Whether the mail ports are open, judged by sending a packet through rules of nftables and of iptables."""

import json

import pytest

from mxlib.base.verdict import Status
from tests.unit.checks.test_checks import FERM, NFTABLES, NO_TABLES, host, judge
from tests.unit.support import filter_box

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
    verdict = judge("firewall", host(NFTABLES, firewall_nft=RULESETS[name], firewall_tables=NO_TABLES))
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
    verdict = judge("firewall", iptables(declared + STATES + rules.removeprefix(declared)))
    assert verdict.status is status, verdict.why
    assert status is Status.OK or "port 25" in verdict.why
