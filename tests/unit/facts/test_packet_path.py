"""The way of a packet through chains: verdicts, jumps and returns, and what is not understood on it."""

from typing import Any

import pytest

from mxlib.facts.packet_match import Packet
from mxlib.facts.packet_path import LoadedChain, Passage, Table, passage

PACKET = Packet("192.0.2.50", "192.0.2.11", 25, "ens5")
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
HIT = {"match": {"op": "==", "left": PORT, "right": 25}}
MISS = {"match": {"op": "==", "left": PORT, "right": 26}}
MAYBE = {"match": {"op": "==", "left": {"meta": {"key": "length"}}, "right": 60}}
NEW = {"statement-of-2031": 1}
ACCEPT, DROP, RETURN = {"accept": None}, {"drop": None}, {"return": None}


def jump(target: str) -> dict[str, Any]:
    return {"jump": {"target": target}}


def goto(target: str) -> dict[str, Any]:
    return {"goto": {"target": target}}


def sent(*rules: Any, policy: bool = False, sets: Any = None, **chains: Any) -> Passage:
    """Send the packet through these rules; each rule is its statements, its text its number from one."""

    def chain(rules: Any, policy: bool = True) -> LoadedChain:
        return LoadedChain(tuple((tuple(rule), f"rule {n}") for n, rule in enumerate(rules, 1)), policy)

    others = {name: chain(rules) for name, rules in chains.items()}
    return passage(Table({"input": chain(rules, policy), **others}, sets or {}), "input", PACKET)


ACCEPTED, DROPPED = Passage(True), Passage(False, ("policy drop",))


def dropped(rule: int) -> Passage:
    return Passage(False, (f"rule {rule}",))


def unsure(*rules: int) -> Passage:
    return Passage(None, tuple(f"rule {rule}" for rule in rules))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], DROPPED),
        ([[HIT, ACCEPT]], ACCEPTED),
        ([[MISS, ACCEPT]], DROPPED),
        ([[HIT, DROP], [ACCEPT]], dropped(1)),
        ([[MISS, DROP], [ACCEPT]], ACCEPTED),
        ([[HIT], [{"counter": None}], [{"reject": {"type": "tcp reset"}}]], dropped(3)),
        ([[{"log": None}, {"ct helper": "x"}, HIT, ACCEPT]], ACCEPTED),
        ([[HIT, {"continue": None}], [ACCEPT]], ACCEPTED),
        ([[RETURN], [ACCEPT]], DROPPED),
        ([[{"limit": {"rate": 5}}, ACCEPT]], ACCEPTED),
        ([[{"limit": {"rate": 5, "inv": True}}, DROP], [ACCEPT]], ACCEPTED),
        ([[{"quota": {"val": 5}}, ACCEPT]], ACCEPTED),
        ([[{"set": {"op": "add", "stmt": [{"limit": {"inv": True}}]}}, DROP], [ACCEPT]], ACCEPTED),
        ([[{"set": {"op": "add"}}, DROP]], dropped(1)),
    ],
)
def test_rules_that_are_understood(rules: Any, expected: Passage) -> None:
    assert sent(*rules) == expected


def test_a_policy_that_accepts() -> None:
    assert sent(policy=True) == ACCEPTED
    assert sent([HIT, DROP], policy=True) == dropped(1)


@pytest.mark.parametrize(
    ("rules", "smtp", "expected"),
    [
        ([[jump("smtp")]], [[ACCEPT]], ACCEPTED),
        ([[jump("smtp")]], [[HIT, DROP]], dropped(1)),
        ([[jump("smtp")], [ACCEPT]], [[MISS, DROP]], ACCEPTED),
        ([[jump("smtp")], [ACCEPT]], [[HIT, RETURN], [DROP]], ACCEPTED),
        ([[MISS, jump("smtp")]], [[ACCEPT]], DROPPED),
        ([[goto("smtp")], [ACCEPT]], [[MISS, DROP]], DROPPED),
        ([[goto("smtp")], [DROP]], [[ACCEPT]], ACCEPTED),
        ([[MISS, goto("smtp")], [ACCEPT]], [[DROP]], ACCEPTED),
    ],
)
def test_jumps_and_returns(rules: Any, smtp: Any, expected: Passage) -> None:
    assert sent(*rules, smtp=smtp) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([[MAYBE, ACCEPT]], unsure(1)),
        ([[MAYBE, DROP], [ACCEPT]], unsure(1)),
        ([[MAYBE, ACCEPT], [ACCEPT]], ACCEPTED),
        ([[MAYBE, DROP], [HIT, DROP]], Passage(False, ("rule 1", "rule 2"))),
        ([[MISS, MAYBE, ACCEPT]], DROPPED),
        ([[HIT, ACCEPT], [MAYBE, DROP]], ACCEPTED),
        ([[MAYBE, RETURN], [ACCEPT]], unsure(1)),
        ([[NEW]], unsure(1)),
        ([[NEW], [ACCEPT]], unsure(1)),
        ([[MISS, NEW], [ACCEPT]], ACCEPTED),
        ([[NEW, MISS], [ACCEPT]], ACCEPTED),
    ],
)
def test_what_is_not_understood_leaves_both_ways_open(rules: Any, expected: Passage) -> None:
    assert sent(*rules) == expected


@pytest.mark.parametrize("rule", [[MAYBE, jump("smtp")], [MAYBE, goto("smtp")]])
def test_a_jump_that_may_be_taken(rule: Any) -> None:
    assert sent(rule, [MISS, ACCEPT], smtp=[[ACCEPT]]) == unsure(1)
    assert sent(rule, [HIT, ACCEPT], smtp=[[ACCEPT]]) == ACCEPTED


@pytest.mark.parametrize("policy", [True, False])
def test_a_jump_to_a_chain_that_is_not_there_is_unknown(policy: bool) -> None:
    assert sent([jump("nothing")], policy=policy) == Passage(None, ("no chain nothing",))


def test_chains_that_jump_to_one_another_come_to_an_end_and_are_unknown() -> None:
    assert sent([jump("a")], policy=True, a=[[jump("b")]], b=[[jump("a")]]).open is None


def test_a_drop_behind_more_rules_than_are_followed_is_not_lost() -> None:
    assert sent(*[[MAYBE, RETURN]] * 40, [HIT, DROP], policy=True).open is None


def vmap(key: Any, data: Any) -> dict[str, Any]:
    return {"vmap": {"key": key, "data": data}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([[25, ACCEPT], [26, DROP]], ACCEPTED),
        ([["*", DROP], [25, ACCEPT]], ACCEPTED),
        ([[26, ACCEPT], ["*", DROP]], dropped(1)),
        ([[{"range": [20, 30]}, jump("smtp")]], ACCEPTED),
        ([[26, ACCEPT]], DROPPED),
        ([[{"new": 1}, ACCEPT]], unsure(1)),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_verdict_maps(entries: Any, expected: Passage, named: bool) -> None:
    data = "@services" if named else {"set": entries}
    assert sent([vmap(PORT, data)], sets={"services": entries}, smtp=[[ACCEPT]]) == expected


@pytest.mark.parametrize("one", [vmap(PORT, "@nothing"), vmap({"meta": {"key": "length"}}, {"set": [[60, ACCEPT]]})])
def test_a_verdict_map_that_cannot_be_looked_up(one: Any) -> None:
    assert sent([one]) == unsure(1)
