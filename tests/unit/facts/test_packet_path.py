"""The simulation of a packet filter against a real one: connections tried for real, and sent through on paper."""

import json
from typing import Any

import pytest

from mxlib.facts import firewall
from mxlib.facts.firewall import FirewallFacts
from mxlib.facts.packet_match import Packet
from tests.unit.support import filter_box
from tests.unit.support.facts import fact

RECORDED = json.loads(filter_box.RECORDED.read_text(encoding="utf-8"))
NOTHING = "tool end\n"
# Rules of which the answer is unknown on paper: what they look at is not known of a packet that has not come yet.
UNSURE = {"an unknown length"}


def read(nft: str, tables: str = NOTHING) -> FirewallFacts:
    found: FirewallFacts = fact(firewall.SOURCE, nft, tables)
    return found


def on_paper(found: FirewallFacts, family: int, sender: str, port: int) -> bool | None:
    packet = Packet(sender, filter_box.HOSTS[family], port, filter_box.INTERFACE)
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
    return wrong


def test_the_paper_says_what_was_measured() -> None:
    assert set(RECORDED) == set(filter_box.RULESETS)
    assert differences(RECORDED) == []


def test_what_was_measured_is_not_all_the_same() -> None:
    answers = {name: tuple(known["reached"]) for name, known in RECORDED.items()}
    assert len(set(answers.values())) > 12
    assert all(len(reached) == len(filter_box.ways()) for reached in answers.values())


def test_a_rule_that_asks_for_what_is_not_known_is_unsure_where_it_matters() -> None:
    found = read(RECORDED["an unknown length"]["nft"])
    assert on_paper(found, 4, "192.0.2.50", 25) is None
    assert on_paper(found, 4, "192.0.2.50", 26) is True
    assert on_paper(found, 4, "192.0.2.50", 465) is False


@pytest.mark.skipif(bool(filter_box.why_not()), reason=filter_box.why_not())
def test_the_paper_says_what_the_world_does() -> None:
    """With the nft of this machine, in namespaces of its own."""
    measured = filter_box.measure(filter_box.RULESETS)
    assert differences(measured) == []
    assert {name: one["reached"] for name, one in measured.items()} == {
        name: one["reached"] for name, one in RECORDED.items()
    }
