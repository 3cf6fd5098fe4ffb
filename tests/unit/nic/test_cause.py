"""What keeps a host from answering, judged from inside and from its screen."""

from dataclasses import replace

import pytest

from mxlib.facts.addresses import AddressFacts, Interface
from mxlib.facts.nic import NicFacts
from mxlib.facts.reachability import AccessFacts
from mxlib.nic.cause import Outage, from_inside, from_screen
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
        (ifupdown(ENS5), "", ROUTES, UP, Outage.NOT_UP),
        (ifupdown(ENS5), "fe80::1", ROUTES, UP, Outage.NOT_UP),
        (networkd({"20.network": BY_MAC}), "", ROUTES, UP, Outage.NOT_UP),
        (networkd({"20.network": "[Match]\nName=ens5\n"}), "", ROUTES, UP, Outage.NO_ADDRESS),
        (ifupdown("auto ens5\niface ens5 inet manual\n"), "fe80::1", ROUTES, UP, Outage.NO_ADDRESS),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=False), Outage.SSHD),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, listening=None), Outage.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", (), UP, Outage.NO_ROUTE),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, replace(UP, rules=()), Outage.UNKNOWN),
        (ifupdown(ENS5), "192.0.2.1", ROUTES, UP, Outage.FIREWALL),
    ],
)
def test_a_firewall_is_the_cause_only_where_all_else_is_well_and_a_rule_drops(
    facts: NicFacts, address: str, routes: tuple[tuple[int, str, str], ...], access: AccessFacts, cause: Outage
) -> None:
    now = AddressFacts((Interface("ens5", True, MAC, (address,) if address else ()),), routes)
    found = from_inside(facts, now, access)
    assert found.cause is cause
    assert found.advice or cause in (Outage.NOT_UP, Outage.SSHD)


def test_rules_that_cannot_be_read_do_not_send_anybody_to_look_elsewhere() -> None:
    now = AddressFacts((Interface("ens5", True, MAC, ("192.0.2.1",)),), ROUTES)
    unread = replace(UP, rules=(), unread=("there is no nft",))
    found = from_inside(ifupdown(ENS5), now, unread)
    assert found.cause is Outage.UNKNOWN
    assert "there is no nft" in found.why
    assert "nft list ruleset" in found.advice
    assert from_inside(ifupdown(ENS5), now, replace(unread, rules=UP.rules)).cause is Outage.FIREWALL
    assert "nft" not in from_inside(ifupdown(ENS5), now, replace(UP, rules=())).advice


def test_a_screen_of_no_known_kind_has_no_known_cause() -> None:
    found = from_screen(Screen(Waiting.PASSWORD, "", ""), "mx2001")
    assert (found.cause, "gnt-instance console mx2001" in found.advice) == (Outage.UNKNOWN, True)


def test_a_silent_console_may_be_a_panic_that_nobody_was_attached_to_see() -> None:
    found = from_screen(Screen(Waiting.SILENT, "", ""), "mx2001")
    assert found.cause is Outage.SILENT
    assert "panicked before this looked" in found.advice
    assert "gnt-instance reboot --type=soft mx2001" in found.advice



def test_a_console_that_fails_does_not_prove_a_machine_off() -> None:
    """One that runs on another node than its own fails alike: started, it would run twice."""
    advice = from_screen(Screen(Waiting.NOT_RUNNING, "", ""), "mx2001").advice
    assert 0 < advice.index("gnt-instance info mx2001") < advice.index("gnt-instance start mx2001")


@pytest.mark.parametrize("waiting", list(Waiting))
def test_every_screen_has_a_cause(waiting: Waiting) -> None:
    screen = look("(initramfs) ") if waiting is Waiting.INITRAMFS else look("")
    told_ = from_screen(type(screen)(waiting, "detail", "last"), "mx2001.lab.test")
    assert told_.advice
    assert "{name}" not in told_.advice
