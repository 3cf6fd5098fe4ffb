"""What keeps a host from answering, judged from inside and from its screen."""

from dataclasses import replace

import pytest

from mxlib.facts.addresses import AddressFacts, Interface
from mxlib.facts.nic import NicFacts
from mxlib.facts.reachability import AccessFacts
from mxlib.nic.cause import Cause, from_inside, from_screen
from mxlib.nic.screen import Screen, Waiting, look
from tests.unit.support.networkd import BY_MAC, ENS5
from tests.unit.support.nics import (
    MAC,
    ifupdown,
    networkd,
)  # fmt: skip

UP = AccessFacts("active", True, ("policy drop;",))
ROUTES = ((4, "192.0.2.1", "ens5"),)


@pytest.mark.parametrize(
    ("facts", "address", "routes", "access", "cause"),
    [
        (ifupdown(ENS5), "", ROUTES, UP, Cause.NOT_UP),
        (ifupdown(ENS5), "fe80::1", ROUTES, UP, Cause.NOT_UP),
        (networkd({"20.network": BY_MAC}), "", ROUTES, UP, Cause.NOT_UP),
        (networkd({"20.network": "[Match]\nName=ens5\n"}), "", ROUTES, UP, Cause.NO_ADDRESS),
        (ifupdown("auto ens5\niface ens5 inet manual\n"), "fe80::1", ROUTES, UP, Cause.NO_ADDRESS),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=False), Cause.SSHD),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=None), Cause.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", (), UP, Cause.NO_ROUTE),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, rules=()), Cause.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, UP, Cause.FIREWALL),
    ],
)
def test_a_firewall_is_the_cause_only_where_all_else_is_well_and_a_rule_drops(
    facts: NicFacts, address: str, routes: tuple[tuple[int, str, str], ...], access: AccessFacts, cause: Cause
) -> None:
    now = AddressFacts((Interface("ens5", True, MAC, (address,) if address else ()),), routes)
    found = from_inside(facts, now, access)
    assert found.cause is cause
    assert found.advice or cause in (Cause.NOT_UP, Cause.SSHD)


def test_rules_that_cannot_be_read_do_not_send_anybody_to_look_elsewhere() -> None:
    now = AddressFacts((Interface("ens5", True, MAC, ("192.0.2.1",)),), ROUTES)
    unread = replace(UP, rules=(), unread=("there is no nft",))
    found = from_inside(ifupdown(ENS5), now, unread)
    assert found.cause is Cause.UNKNOWN
    assert "there is no nft" in found.why
    assert "nft list ruleset" in found.advice
    assert from_inside(ifupdown(ENS5), now, replace(unread, rules=UP.rules)).cause is Cause.FIREWALL
    assert "nft" not in from_inside(ifupdown(ENS5), now, replace(UP, rules=())).advice


def test_a_screen_of_no_known_kind_has_no_known_cause() -> None:
    found = from_screen(Screen(Waiting.PASSWORD, "", ""), "mx2001")
    assert (found.cause, "gnt-instance console mx2001" in found.advice) == (Cause.UNKNOWN, True)



@pytest.mark.parametrize("waiting", list(Waiting))
def test_every_screen_has_a_cause(waiting: Waiting) -> None:
    screen = look("(initramfs) ") if waiting is Waiting.INITRAMFS else look("")
    told_ = from_screen(type(screen)(waiting, "detail", "last"), "mx2001.lab.test")
    assert told_.advice
    assert "{name}" not in told_.advice
