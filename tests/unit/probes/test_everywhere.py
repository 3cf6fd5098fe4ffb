"""Addresses asked for from outside, at every MX."""

import dataclasses
import threading

from mxlib.config.verify import VerifyPolicy
from mxlib.probes.everywhere import ask_everywhere
from tests.unit.support.aliases import PROBES, A, B, session


def test_every_mx_is_asked_at_most_so_many_and_over_a_family_it_has():
    asked = []

    def question(name, family, probe, sender, *, timeout_s):
        asked.append((name, family, probe.accepted, probe.relay))
        found = session(name)
        return found if family == 6 else dataclasses.replace(found, address="")

    ask_everywhere([A], [f"q{n}@lab.test" for n in range(30)], PROBES, VerifyPolicy(), question=question)
    assert [family for _, family, _, _ in asked] == [4, 6]
    assert len(asked[0][2]) == 20
    assert asked[0][3] is None


def test_an_mx_that_has_the_first_family_is_asked_once():
    asked = []

    def question(name, family, probe, sender, *, timeout_s):
        asked.append((name, family, sender, timeout_s, probe.refused))
        return session(name, q1=250)

    found = ask_everywhere([A, B], ["q1@lab.test"], PROBES, VerifyPolicy(answer_s=7), question=question)
    assert sorted(asked) == [(name, 4, "probe@world.test", 7, ()) for name in (A, B)]
    assert {name: result.host for name, result in found.items()} == {A: A, B: B}


def test_all_are_asked_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def question(name, family, probe, sender, *, timeout_s):
        both.wait()
        return session(name)

    assert list(ask_everywhere([A, B], ["q1@lab.test"], PROBES, VerifyPolicy(), question=question)) == [A, B]


def test_nobody_to_ask():
    assert ask_everywhere([], ["q1@lab.test"], PROBES, VerifyPolicy()) == {}
