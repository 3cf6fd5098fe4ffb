"""Each check is OK, FAILED and UNKNOWN once, from what two real hosts in good order answered."""

import dataclasses
import json
import re
from datetime import timedelta

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.check import Scope, ok
from mxlib.checks.registry import select
from mxlib.config.verify import FirewallPolicy, LogPolicy, QueuePolicy
from mxlib.mta.exim import names as exim
from tests.unit.support.facts import fixture
from tests.unit.support.healthy import (
    CHECKS,
    FERM,
    NFTABLES,
    NO_TABLES,
    POLICY,
    host,
    judge,
    replaced,
    with_hole,
    with_unit,
)


@pytest.mark.parametrize("name", [NFTABLES, FERM])
@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_host_is_all_ok(name, check):
    verdict = judge(check, host(name))
    assert verdict.status is Status.OK, verdict.why
    assert verdict.evidence
    assert all(evidence.command for evidence in verdict.evidence)


@pytest.mark.parametrize("check", CHECKS)
def test_a_host_that_does_not_answer_is_unknown(check):
    silent = host()
    outputs = {
        key: dataclasses.replace(output, exit_code=None, output="", errors="ssh: connect: Connection refused")
        for key, output in silent.outputs.items()
    }
    verdict = judge(check, dataclasses.replace(silent, outputs=outputs))
    assert verdict.status is Status.UNKNOWN
    assert "Connection refused" in verdict.why


@pytest.mark.parametrize("check", CHECKS)
def test_a_section_that_timed_out_is_unknown(check):
    slow = host()
    outputs = {key: dataclasses.replace(output, exit_code=124) for key, output in slow.outputs.items()}
    assert judge(check, dataclasses.replace(slow, outputs=outputs)).status is Status.UNKNOWN


@pytest.mark.parametrize("text", ["", "nan\n", "\x00\x01", "Error: no such thing\n"])
@pytest.mark.parametrize("check", CHECKS)
def test_nonsense_is_unknown_and_never_passes(check, text):
    sections = {section.name for source in CHECKS[check].sources(POLICY) for section in source.sections}
    nonsense = host(**{name.replace("-", "_"): text for name in sections})
    assert judge(check, nonsense).status is Status.UNKNOWN




HUNG = (
    "\nId=gen.service\nLoadState=loaded\nActiveState=activating\nSubState=start\nUnitFileState=static\nResult=success\n"
)
NO_NFT = '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}\n'


def recent(count, line):
    def change(text):
        stamp = re.search(r"zone .*\n", text)[0]
        events = "".join(f"2026-11-21 04:40:00 1xUaVg-0000{number:02d}-2b {line}\n" for number in range(count))
        return f"{stamp}arrived 5\ndelivered 3\ncompleted 3\nwrong {count}\n{events}end\n"

    return change


def counted(arrived, completed):
    def change(text):
        stamp = re.search(r"zone .*\n", text)[0]
        return f"{stamp}arrived {arrived}\ndelivered 1\ncompleted {completed}\nwrong 0\nend\n"

    return change


def waiting(count, hours):
    """Messages received that long ago, which the recorded rule gives up after four days."""

    def change(text):
        now = int(re.search(r"now (\d+)", text)[1])
        seconds, digits = now - hours * 3600, ""
        for _ in range(6):
            seconds, digit = divmod(seconds, 62)
            digits = exim.BASE62[digit] + digits
        lines = "".join(f"{digits}-00{number:04d}-2b -- a@b.test slow.test\n" for number in range(count))
        return f"{lines}now {now}\nend\n"

    return change


STALLED = (
    "== u@provider.test R=r T=t defer (110): Connection timed out H=a [192.0.2.4]: "
    "SMTP timeout after end of data (266176 bytes written)"
)


def with_fault(text):
    """The rules with the lab's fault in front: a drop of answers that come from port 25."""
    rules = json.loads(text)["nftables"]
    return json.dumps({"nftables": rules + json.loads(fixture("host/fault-nft-j-list-ruleset.json"))["nftables"][1:]})


FAILING = {
    "depool-claimed-by-rules": ("depool", host(depool=lambda text: "file yes\nunit enabled\n" + text), "closed|partly"),
    "mta-held": ("mta", host(mta_unit=replaced("LoadState=loaded", "LoadState=masked")), "is held"),
    "mta-gone": ("mta", host(mta_processes="end\n"), "no process"),
    "mta-deaf": (
        "mta",
        host(sockets_listening=lambda text: "".join(x for x in text.splitlines(True) if "[::]:25 " not in x)),
        "port 25 over IPv6",
    ),
    "mta-not-at-boot": ("mta", host(mta_unit=lambda text: re.sub("WantedBy=.*", "WantedBy=", text)), "at boot"),
    "mta-unit-dead": ("mta", host(mta_unit=replaced("ActiveState=active", "ActiveState=inactive")), "inactive"),
    "queue-long": ("queue", host(queue_count="2000\n"), "2000 messages, too many"),
    "queue-critical": ("queue", host(queue_count="4000\n"), "critical"),
    "queue-old": ("queue", host(queue_ages="spooled 1000\nold 1000\nfirst 1xUaVg-00006Y-1v\n"), "1000 older"),
    "queue-grows": ("queue-trend", host(maillog_recent=counted(900, 400)), "grew by 500"),
    "queue-bounces": ("bounce-deadline", host(queue_headers=waiting(100, hours=95)), "100 bounce within 2 h"),
    "log-after-data": ("log", host(maillog_recent=recent(5, STALLED)), "after end of data, to provider.test"),
    "log-destination": (
        "log",
        host(maillog_recent=recent(100, "== u@x.test R=r T=t defer (111): Connection refused")),
        "connection refused, to x.test",
    ),
    "log-local": ("log", host(maillog_recent=recent(5, "== u T=mail_spool defer (28): No space left")), "local"),
    "units-failed": (
        "units",
        host(unit_states=with_unit("spamd.service", ActiveState="failed", Result="exit-code")),
        "spamd.service is failed",
    ),
    "units-inactive": (
        "units",
        host(unit_states=with_unit("nftables.service", ActiveState="inactive")),
        "nftables.service is inactive",
    ),
    "units-hung": (
        "units",
        host(unit_states=lambda text: text + HUNG + "InactiveExitTimestampMonotonic=1000000\n"),
        "gen.service has been starting",
    ),
    "units-cleared": (
        "units",
        host(unit_failures="ifup@ens5.service failed=1795234781000000 started=\nend\n"),
        "ifup@ens5.service failed at",
    ),
    "units-cleared-by-another": (
        "units",
        host(unit_failures="ifup@ens5.service failed=1795234781000000 started=\ncleared other.service\nend\n"),
        "ifup@ens5.service failed at",
    ),
    "firewall-not-loaded": ("firewall", host(firewall_nft=NO_NFT), "no packet filter"),
    "firewall-ferm-not-loaded": ("firewall", host(FERM, firewall_tables=NO_TABLES), "no packet filter"),
    "firewall-half-loaded": (
        "firewall",
        host(FERM, firewall_tables=lambda text: re.sub("tool ip6tables-legacy.*?(?=tool)", "", text, flags=re.DOTALL)),
        "for IPv6",
    ),
    "firewall-without-established": (
        "firewall",
        host(FERM, firewall_tables=replaced("-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n", "")),
        "does not accept established",
    ),
    "firewall-drop-before-established": (
        "firewall",
        host(FERM, firewall_tables=replaced("-A INPUT -m state", "-A INPUT -p tcp -j DROP\n-A INPUT -m state")),
        "may drop answers",
    ),
    "firewall-drop-of-answers": ("firewall", host(firewall_nft=lambda text: with_fault(text)), "may drop answers"),
    "firewall-closed-port": ("firewall", host(firewall_nft=replaced("25, 465, 587", "465, 587")), "accepts port 25"),
    "temporary-hole-open": ("temporary-hole", with_hole(FERM), "open for 2001:db8:51::10 until 05:20:00 UTC"),
    "temporary-hole-without-timer": ("temporary-hole", with_hole(FERM, timer="inactive"), "its timer is gone"),
    "temporary-hole-gone": ("temporary-hole", with_hole(FERM, rule=""), "gone before its time"),
    "temporary-hole-stray": ("temporary-hole", with_hole(FERM, timer=None), "nobody has written down"),
    "conntrack-full": (
        "conntrack",
        host(conntrack=lambda text: re.sub("count .*", "count 6000", text)),
        "6000 of 6144",
    ),
    "network-no-address": ("network", host(addresses=replaced('"192.0.2.11"', '"169.254.0.1"')), "no IPv4 address"),
    "network-no-route": ("network", host(routes_v6="[]"), "no IPv6 default route"),
    "network-down": ("network", host(addresses=replaced('"UP","LOWER_UP"', '"UP"')), "which is down"),
    "disk-full": ("disk", host(disk=lambda text: re.sub(r"(?m)^(/var/s\S+ \S+ +\d+) +\d+", r"\1 0", text)), "0 % free"),
    "disk-inodes": ("disk", host(disk=lambda text: re.sub(r"(?m)\d+$", "5", text)), "0 % of the inodes"),
    "clock-behind": ("clock", host(clock="now 1795234000.5\n"), "behind"),
    "puppet-disabled": (
        "puppet",
        host(puppet=replaced("enabled\n", 'disabled {"disabled_message":"kernel work"}\n')),
        "disabled: kernel work",
    ),
    "puppet-old": ("puppet", host(puppet=lambda text: re.sub("age .*", "age 7201", text)), "last ran 2 h"),
    "puppet-failures": ("puppet", host(puppet=lambda text: text + "failed 3\n"), "3 failures"),
    "puppet-absent": ("puppet", host(puppet="absent\n"), "no Puppet"),
    "relay-open": ("relay", host(relay=replaced("550 relay not permitted", "250 Accepted")), "would relay"),
    "boot-one-time": ("boot", host(grub_environment=lambda text: text + "next_entry=other\n"), "one-time boot"),
    "boot-nothing-saved": ("boot", host(grub_environment="x=y\n"), "nothing is saved"),
    "boot-saved-is-gone": ("boot", host(grub_environment="saved_entry=1>9\n"), "not in the menu"),
    "boot-saved-is-recovery": ("boot", host(grub_environment="saved_entry=1>1\n"), "something else than the normal"),
    "kernel-lacks-initrd": (
        "kernel",
        host(kernel=lambda text: re.sub("file /boot/initrd.*\n", "", text)),
        "lacks initrd",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_failed(case):
    check, facts, why = FAILING[case]
    verdict = judge(check, facts)
    assert verdict.status is Status.FAILED, verdict.why
    assert re.search(why, verdict.why), verdict.why
    assert verdict.evidence


@pytest.mark.parametrize("case", FAILING)
def test_no_other_check_cries(case):
    """A fault is named by its own check alone, as far as the checks read different things."""
    check, facts, _ = FAILING[case]
    own = {section.name for source in CHECKS[check].sources(POLICY) for section in source.sections}
    for name, other in CHECKS.items():
        theirs = {section.name for source in other.sources(POLICY) for section in source.sections}
        if name != check and not own & theirs:
            assert judge(name, facts).status is Status.OK, name


def missed(checks):
    """The cases that a set of checks does not judge as it must: its own check says OK."""
    return {case for case, (name, facts, _) in FAILING.items() if checks[name].verdict(facts, POLICY).passed}


def test_a_failure_that_was_cleared_on_purpose_is_no_riddle():
    line = "ifup@ens5.service failed=1795234781000000 started=\ncleared ifup@ens5.service\nend\n"
    assert judge("units", host(unit_failures=line)).status is Status.OK


def test_a_ruleset_that_cannot_be_read_is_not_one_without_holes():
    for broken in ({"firewall_nft": "{}"}, {"firewall_tables": "tool iptables-nft-save\n"}):
        assert judge("temporary-hole", host(**broken)).status is Status.UNKNOWN


def test_every_check_fails_once():
    assert {check for check, _, _ in FAILING.values()} == set(CHECKS) - {"sysctl"}


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"sysctl"}))
def test_a_check_forced_to_ok_is_found_out(name):
    """For each check there is a fault that it alone sees: were it silent, the fault would pass."""
    silenced = dataclasses.replace(CHECKS[name], judge=lambda facts, policy: ok("forced"))
    assert missed(CHECKS) == set()
    cases = missed(CHECKS | {name: silenced})
    assert cases == {case for case, (check, _, _) in FAILING.items() if check == name}
    alone = [
        case
        for case in cases
        if all(CHECKS[other].verdict(FAILING[case][1], POLICY).passed for other in CHECKS if other != name)
    ]
    assert alone, f"no fault is seen by {name} alone"


@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("1>2", "; the next boot"),
        ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-55-cloud-amd64", ""),
        ("1>Debian GNU/Linux, with Linux 6.1.0-55-cloud-amd64", ""),
        ("Debian GNU/Linux", "; the next boot is 6.1.0-56-cloud-amd64"),
        ("0", "; the next boot is 6.1.0-56-cloud-amd64"),
    ],
)
def test_a_saved_entry_by_title_or_number_is_one(name, leads):
    verdict = judge("boot", host(grub_environment=f"saved_entry={name}\n"))
    assert verdict.status is Status.OK, verdict.why
    if name != "1>2":
        assert verdict.why.partition(";")[2] == leads.removeprefix(";")
    fixed = judge("boot", host(grub_config=lambda text: text.replace("${saved_entry}", name)))
    assert (fixed.status, fixed.why) == (Status.OK, verdict.why)


def test_a_fixed_entry_that_is_not_in_the_menu_is_told():
    verdict = judge("boot", host(grub_config=replaced("${saved_entry}", "7")))
    assert (verdict.status, "not in the menu" in verdict.why) == (Status.FAILED, True)
    chosen = judge("boot", host(grub_config=replaced("${saved_entry}", "${chosen}")))
    assert chosen.status is Status.UNKNOWN


def test_sysctls_the_site_requires():
    key = "net.ipv4.tcp_fastopen_blackhole_timeout_sec"
    assert judge("sysctl", policy=dataclasses.replace(POLICY, sysctls={key: "3600"})).status is Status.FAILED
    assert judge("sysctl", policy=dataclasses.replace(POLICY, sysctls={key: "0"})).status is Status.OK
    absent = dataclasses.replace(POLICY, sysctls={"net.ipv4.no_such_key": "1"})
    assert "not there" in judge("sysctl", policy=absent).why


def bad_kernel(**sysctls):
    facts = host(
        kernel=lambda text: text.replace("6.1.0-55-cloud-amd64", "5.10.0-9-amd64").replace("6.1.192-1", "5.10.70-1"),
        sysctl=lambda text: "".join(
            next((f"{line.partition(':')[0]}:{value}\n" for key, value in sysctls.items() if f"/{key}:" in line), line)
            for line in text.splitlines(keepends=True)
        ),
    )
    return judge("kernel", facts)


def test_the_kernel_of_2021_is_known_to_be_bad():
    verdict = bad_kernel()
    assert verdict.status is Status.FAILED
    assert "2021-12-mx-conntrack" in verdict.why
    assert "https://" in verdict.why


def test_mitigations_and_exceptions_make_it_harmless():
    assert bad_kernel(tcp_fastopen_blackhole_timeout_sec=3600).status is Status.OK
    assert bad_kernel(tcp_fastopen=0).status is Status.OK


def test_the_build_that_runs_is_judged_and_not_the_one_on_the_disk():
    """The release is the same: a fixed build is installed, the bad one still runs."""
    facts = host(kernel=replaced("build #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1", "build #1 SMP Debian 5.10.70-1"))
    verdict = judge("kernel", facts)
    assert verdict.status is Status.FAILED
    assert "2021-12-mx-conntrack" in verdict.why
    assert verdict.why.endswith("; 6.1.192-1 is installed and not booted yet")


def test_a_kernel_that_does_not_say_its_build_is_not_known_to_be_good():
    facts = host(kernel=replaced("Debian 6.1.192-1 ", ""))
    assert judge("kernel", facts).status is Status.UNKNOWN


def test_a_new_build_of_the_same_release_is_told():
    facts = host(kernel=replaced("Debian 6.1.192-1 ", "Debian 6.1.191-1 "))
    verdict = judge("kernel", facts)
    assert (verdict.status, verdict.why) == (
        Status.OK,
        "6.1.0-55-cloud-amd64, package 6.1.191-1; 6.1.192-1 is installed and not booted yet",
    )


def test_an_older_mta_does_not_hurt():
    facts = host(
        kernel=lambda text: text.replace("6.1.192-1", "5.10.70-1"), mta_version=replaced("version 4.96", "version 4.92")
    )
    assert judge("kernel", facts).status is Status.OK


def test_a_blocklist_before_established_is_no_fault():
    facts = host(
        FERM, firewall_tables=replaced("-A INPUT -m state", "-A INPUT -s 203.0.113.0/24 -j DROP\n-A INPUT -m state")
    )
    assert judge("firewall", facts).status is Status.OK


def test_established_in_a_chain_that_is_jumped_to():
    def change(text):
        text = text.replace("-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -j base")
        rule = "-A base -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        return text.replace(":FORWARD", ":base - [0:0]\n:FORWARD").replace("COMMIT", f"{rule}\nCOMMIT")

    assert judge("firewall", host(FERM, firewall_tables=change)).status is Status.OK


def test_established_in_a_verdict_map():
    def change(text):
        rules = json.loads(text)
        states = [["established", {"accept": None}], ["related", {"accept": None}], ["invalid", {"drop": None}]]
        vmap = {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": states}}}
        first = next(item["rule"] for item in rules["nftables"] if "rule" in item)
        first["expr"] = [vmap]
        return json.dumps(rules)

    assert judge("firewall", host(firewall_nft=change)).status is Status.OK


def test_rules_that_nft_cannot_show_are_unknown():
    def change(text):
        rules = json.loads(text)
        first = next(item["rule"] for item in rules["nftables"] if "rule" in item)
        first["expr"] = [{"xt": None}, {"accept": None}]
        return json.dumps(rules)

    assert judge("firewall", host(firewall_nft=change)).status is Status.UNKNOWN


def test_our_own_closed_ports_are_no_fault_of_the_firewall():
    def change(text):
        rules = json.loads(text)
        place = {"family": "inet", "table": "mx_depool", "chain": "input"}
        chain = place | {"name": "input", "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}
        rules["nftables"] += [{"chain": chain}, {"rule": place | {"expr": [{"drop": None}]}}]
        return json.dumps(rules)

    assert judge("firewall", host(firewall_nft=change)).status is Status.OK


def test_the_site_decides():
    assert judge("queue", host(queue_count="50\n"), dataclasses.replace(POLICY, queue=QueuePolicy(10, 20))).status is (
        Status.FAILED
    )
    strict = dataclasses.replace(POLICY, firewall=FirewallPolicy(min_rules=50))
    assert judge("firewall", policy=strict).status is Status.FAILED
    loose = dataclasses.replace(POLICY, firewall=FirewallPolicy(required=False))
    assert judge("firewall", host(firewall_nft=NO_NFT), loose).status is Status.OK
    lenient = dataclasses.replace(POLICY, log=LogPolicy(after_data=6))
    assert judge("log", host(maillog_recent=recent(5, STALLED)), lenient).status is Status.OK
    no_puppet = dataclasses.replace(POLICY, puppet=False)
    assert judge("puppet", host(puppet="absent\n"), no_puppet).status is Status.OK
    ignoring = dataclasses.replace(POLICY, ignored_units=("gen.service",))
    hung = host(unit_states=lambda text: text + HUNG + "InactiveExitTimestampMonotonic=1000000\n")
    assert judge("units", hung, ignoring).status is Status.OK


def test_a_unit_that_recovered_is_no_fault():
    failures = "spamd.service failed=1795234781000000 started=1795234791000000\nend\n"
    assert judge("units", host(unit_failures=failures)).status is Status.OK


def test_a_clock_within_the_time_the_question_took_is_right():
    facts = host()
    later = (facts.when + timedelta(seconds=1)).timestamp()
    assert judge("clock", host(clock=f"now {later:.3f}\nNTPSynchronized=yes\n")).status is Status.OK
    far = (facts.when + timedelta(seconds=400)).timestamp()
    assert "ahead" in judge("clock", host(clock=f"now {far:.3f}\n")).why


def test_a_deferred_relay_test_is_unknown():
    deferred = host(relay=replaced("550 relay not permitted", "451 try later"))
    assert judge("relay", deferred).status is Status.UNKNOWN
    refused_sender = host(relay=replaced("250 OK\r\n550 relay not permitted", "550 go away\r\n503 no sender"))
    assert judge("relay", refused_sender).status is Status.OK


def test_what_is_asked_of_a_host_whose_mta_is_held():
    names = {check.name for check in CHECKS.values() if check.scope is Scope.CONDITION}
    assert names == {
        *("units", "firewall", "temporary-hole", "conntrack", "network", "disk", "sysctl", "clock"),
        "kernel",
    }
    assert exim.UNIT in POLICY.unit_names


def test_selection():
    assert [check.name for check in select(CHECKS.values(), only=["disk", "clock"])] == ["disk", "clock"]
    assert "disk" not in [check.name for check in select(CHECKS.values(), skip=["disk"])]


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
    verdict = judge("firewall", host(firewall_nft=json.dumps({"nftables": rules})), policy)
    assert verdict.status is status, verdict.why
