"""The packet filter as it is loaded: what every tool says of it, and connections tried for real and on paper."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mxlib.facts import firewall
from mxlib.facts.firewall import FirewallFacts
from mxlib.facts.netfilter import RuleAction
from mxlib.facts.packet_match import EPHEMERAL, Packet
from mxlib.facts.source import FactUnknownError
from tests.unit.support import filter_box
from tests.unit.support.facts import fact, fixture

RECORDED = json.loads(filter_box.RECORDED.read_text(encoding="utf-8"))
NOTHING = "tool end\n"
# Rules of which the answer is unknown on paper: what they look at is not known of a packet that has not come yet.
UNSURE = {"an unknown length", "answers dropped at the card"}


def read(nft: str, tables: str = NOTHING) -> FirewallFacts:
    found: FirewallFacts = fact(firewall.SOURCE, nft, tables)
    return found


def on_paper(
    found: FirewallFacts, family: int, sender: str, port: int, answer_from: int | None = None
) -> bool | None:
    packet = Packet(sender, filter_box.HOSTS[family], port, filter_box.INTERFACE, answer_from)
    ways = [passage.open for _, passage in found.passages(packet)]
    return False if False in ways else None if None in ways else True


def differences(measured: dict[str, Any]) -> list[str]:
    """Where the paper says something else than the world."""
    wrong = []
    for name, known in measured.items():
        found = read(known["nft"])
        for way, reached in zip(filter_box.ways(), known["reached"], strict=True):
            said = on_paper(found, *way)
            if said is not reached and not (said is None and name in UNSURE):
                wrong.append(f"{name}: {way}: reached {reached}, on paper {said}")
        for peer, answered in zip(filter_box.peers(), known["answered"], strict=True):
            said = on_paper(found, 6 if ":" in peer else 4, peer, EPHEMERAL, filter_box.ANSWERED)
            if said is not answered and not (said is None and name in UNSURE):
                wrong.append(f"{name}: {peer} answered {answered}, on paper {said}")
    return wrong


def test_the_paper_says_what_was_measured() -> None:
    assert set(RECORDED) == set(filter_box.RULESETS)
    assert differences(RECORDED) == []


def test_what_was_measured_is_not_all_the_same() -> None:
    answers = {name: tuple(known["reached"]) for name, known in RECORDED.items()}
    assert len(set(answers.values())) > 12
    assert len({tuple(known["answered"]) for known in RECORDED.values()}) > 2
    assert all(len(reached) == len(filter_box.ways()) for reached in answers.values())


def test_a_rule_that_asks_for_what_is_not_known_is_unsure_where_it_matters() -> None:
    found = read(RECORDED["an unknown length"]["nft"])
    assert on_paper(found, 4, "192.0.2.50", 25) is None
    assert on_paper(found, 4, "192.0.2.50", 26) is True
    assert on_paper(found, 4, "192.0.2.50", 465) is False


@pytest.mark.once
@pytest.mark.skipif(bool(filter_box.why_not()), reason=filter_box.why_not())
def test_the_paper_says_what_the_world_does() -> None:
    """With the nft of this machine, in namespaces of its own."""
    measured = filter_box.measure(filter_box.RULESETS)
    assert differences(measured) == []
    for what in ("reached", "answered"):
        recorded = {name: one[what] for name, one in RECORDED.items()}
        assert {name: one[what] for name, one in measured.items()} == recorded


@pytest.mark.parametrize("name", sorted(filter_box.RULESETS))
def test_a_statement_that_is_not_understood_leaves_the_way_of_a_packet_or_makes_it_unknown(name: str) -> None:
    known = RECORDED[name]
    objects = json.loads(known["nft"])["nftables"]
    for number, item in enumerate(objects):
        for place in range(len(item["rule"]["expr"]) + 1) if "rule" in item else ():
            expressions = list(item["rule"]["expr"])
            expressions.insert(place, {"statement-of-2031": {"with": "value"}})
            odd = [*objects]
            odd[number] = {"rule": {**item["rule"], "expr": expressions}}
            found = read(json.dumps({"nftables": odd}))
            for (family, sender, port), reached in zip(filter_box.ways(), known["reached"], strict=True):
                said = on_paper(found, family, sender, port)
                assert said in (reached, None), (name, expressions, family, sender, port)


NFT, NFT_TABLES = fixture("firewall/nft-nft.json"), fixture("firewall/nft-tables.txt")
FERM_NFT, FERM_TABLES = fixture("firewall/ferm-nft.json"), fixture("firewall/ferm-tables.txt")
SAVED = "*filter\n:INPUT DROP [0:0]\n:smtp - [0:0]\n{}COMMIT\n"
STATES = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}}


def nft_chain(table: str, name: str, *rules: Any, **head: Any) -> list[dict[str, Any]]:
    """A chain of nft with its rules; with a hook only if one is given."""
    family, _, label = table.partition(" ")
    where = {"family": family, "table": label}
    return [
        {"chain": {**where, "name": name, **head}},
        *({"rule": {**where, "chain": name, "expr": rule}} for rule in rules),
    ]


def printed(*parts: Any) -> str:
    return json.dumps({"nftables": [one for part in parts for one in part]})


def hooked(priority: int) -> dict[str, Any]:
    return {"type": "filter", "hook": "input", "prio": priority, "policy": "accept"}


@pytest.mark.parametrize(("nft", "tables"), [(NFT, NFT_TABLES), (FERM_NFT, FERM_TABLES), ("absent\n", FERM_TABLES)])
def test_a_filter_is_there_by_whichever_tool_it_was_loaded(nft: str, tables: str) -> None:
    found = read(nft, tables)
    for family in (4, 6):
        (chain,) = found.input_chains(family)
        assert chain.policy == "drop"
        ways = [on_paper(found, family, filter_box.SENDERS[family][1], port) for port in (25, 465, 22)]
        assert ways == [True, True, False]


def test_no_filter_at_all_lets_everybody_in() -> None:
    found = read("absent\n")
    assert (found.chains, found.tables, found.input_chains(4)) == ((), (), ())
    assert found.passages(Packet("192.0.2.50", "192.0.2.11", 25, "ens5")) == ()


@pytest.mark.parametrize("tables", ["", "tool iptables-legacy-save\n", FERM_TABLES.replace("tool end\n", "")])
def test_tables_that_are_cut_short_are_unknown(tables: str) -> None:
    with pytest.raises(FactUnknownError, match="cut short"):
        read(FERM_NFT, tables)


def test_chains_of_a_family_come_in_the_order_of_their_priority_without_our_own() -> None:
    found = read(
        printed(
            nft_chain("inet late", "b", **hooked(10)),
            nft_chain("ip early", "a", **hooked(-10)),
            nft_chain("inet mx_depool", "input", [{"drop": None}], **hooked(-10)),
            nft_chain("ip6 other", "c", **hooked(0)),
            nft_chain("inet late", "unhooked"),
        )
    )
    assert [chain.table for chain in found.input_chains(4)] == ["ip early", "inet late"]
    assert [chain.table for chain in found.input_chains(6)] == ["ip6 other", "inet late"]
    ways = found.passages(Packet("192.0.2.50", "192.0.2.11", 25, "ens5"))
    assert [name for name, _ in ways] == ["ip early a", "inet late b"]


def test_rules_of_a_chain_that_is_jumped_to_stand_in_its_place_under_its_conditions() -> None:
    port = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 25}}
    found = read(
        printed(
            nft_chain("inet filter", "input", [STATES, {"jump": {"target": "smtp"}}], [{"drop": None}], **hooked(0)),
            nft_chain("inet filter", "smtp", [port, {"accept": None}]),
            nft_chain("inet other", "smtp", [{"drop": None}]),
        )
    )
    (chain,) = found.input_chains(4)
    assert [(rule.action, rule.conditions, rule.states, rule.ports) for rule in found.flat(chain)] == [
        (RuleAction.ACCEPT, {"state", "dport"}, {"established"}, {25}),
        (RuleAction.DROP, set(), set(), set()),
    ]


def test_chains_that_jump_to_one_another_are_flat_all_the_same() -> None:
    there, back = ([{"jump": {"target": target}}] for target in "ba")
    chains = (nft_chain("inet f", "a", there, [{"accept": None}], **hooked(0)), nft_chain("inet f", "b", back))
    found = read(printed(*chains))
    assert {rule.action for rule in found.flat(found.input_chains(4)[0])} == {RuleAction.ACCEPT}


def test_senders_that_rules_and_sets_name() -> None:
    found = read(RECORDED["a named list of blocked senders"]["nft"])
    assert found.named_senders(4) == ("198.51.100.0",)
    assert found.named_senders(6) == ()
    assert set(read(NFT).named_senders(6)) == {"2001:db8:77::"}


def of_iptables_nft(rule: str, family: str = "ip") -> str:
    name = "iptables-nft-save" if family == "ip" else "ip6tables-nft-save"
    return f"tool {name}\n{SAVED.format(rule)}tool end\n"


def test_what_nft_cannot_show_is_taken_from_the_tool_that_loaded_it() -> None:
    hidden = [{"xt": None}, {"drop": None}]
    nft = printed(nft_chain("ip filter", "INPUT", hidden, **hooked(0)), nft_chain("inet own", "i", **hooked(1)))
    rule = "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT\n"
    found = read(nft, of_iptables_nft(rule))
    assert [(chain.table, chain.readable) for chain in found.input_chains(4)] == [
        ("nft ip filter", True), ("inet own", True),
    ]  # fmt: skip
    assert on_paper(found, 4, "192.0.2.50", 25) is True
    assert on_paper(found, 4, "192.0.2.50", 26) is False
    alone = read(nft)
    assert [chain.readable for chain in alone.input_chains(4)] == [False, True]
    assert on_paper(alone, 4, "192.0.2.50", 25) is None


def test_the_rules_of_each_family_are_taken_from_its_own_tool() -> None:
    hidden = [{"xt": None}, {"drop": None}]
    tables = [nft_chain(f"{family} filter", "INPUT", hidden, **hooked(0)) for family in ("ip", "ip6")]
    found = read(printed(*tables), of_iptables_nft("-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT\n", "ip6"))
    assert on_paper(found, 6, "2001:db8:77::50", 25) is True
    assert on_paper(found, 4, "192.0.2.50", 25) is None


def test_what_nft_can_show_is_not_taken_twice() -> None:
    nft = printed(nft_chain("ip filter", "INPUT", [{"accept": None}], **hooked(0)))
    found = read(nft, of_iptables_nft("-A INPUT -j DROP\n"))
    assert [chain.table for chain in found.input_chains(4)] == ["ip filter"]
    assert [loaded.name for loaded in found.tables] == ["ip filter"]


# --- the sections, in a shell with tools of its own


def asked(folder: Path, script: str, **programs: str) -> str:
    """What a section prints where only these programs are there."""
    for name, body in {"grep": "exit 0", **programs}.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)
    argv = ["/bin/sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": str(folder)})
    return f"{done.stdout}code {done.returncode}"


def test_each_tool_that_is_there_is_asked(tmp_path: Path) -> None:
    legacy = {"iptables_legacy_save": "echo four", "ip6tables_legacy_save": "echo six"}
    said = asked(tmp_path, firewall.TABLES.script, **legacy, ip6tables_nft_save="echo new")
    assert said == (
        "tool iptables-legacy-save\nfour\ntool ip6tables-legacy-save\nsix\n"
        "tool ip6tables-nft-save\nnew\ntool end\ncode 0"
    )


def test_tables_of_the_kernel_that_no_tool_can_show_are_unknown(tmp_path: Path) -> None:
    said = asked(tmp_path, firewall.TABLES.script, iptables_nft_save="echo new")
    assert said == "tool iptables-legacy-save\ncode 127"


def test_a_legacy_tool_is_not_asked_where_the_kernel_has_none_of_its_tables(tmp_path: Path) -> None:
    programs = {"grep": "exit 1", "iptables_legacy_save": "echo four", "iptables_nft_save": "echo new"}
    assert asked(tmp_path, firewall.TABLES.script, **programs) == "tool iptables-nft-save\nnew\ntool end\ncode 0"


def test_a_tool_that_fails_ends_the_section(tmp_path: Path) -> None:
    assert asked(tmp_path, firewall.TABLES.script, iptables_legacy_save="exit 3") == "tool iptables-legacy-save\ncode 3"


def test_an_nft_that_fails_is_not_one_that_is_absent(tmp_path: Path) -> None:
    assert asked(tmp_path, firewall.NFT.script) == "absent\ncode 0"
    assert asked(tmp_path, firewall.NFT.script, nft="exit 1") == "code 1"
