"""What can be ordered, and the bounds that the site sets."""

from dataclasses import replace

import pytest

from mxlib.config.remedy import RemedySection
from mxlib.remedies.bounds import Order, allowed, firewalls, is_stale, restartable
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.healthy import POLICY
from tests.unit.support.remedy_host import SITE


def test_a_required_unit_is_never_a_leftover() -> None:
    site = replace(SITE, remedy=RemedySection(clearable_units=("*",)))
    assert is_stale(site, "ifup@ens5.service")
    assert not is_stale(site, "spamd.service")


def test_what_the_site_requires_may_be_set() -> None:
    site = replace(SITE, verify=replace(POLICY, sysctls={"net.core.somaxconn": "4096"}))
    assert allowed(site, "net.core.somaxconn") == ("4096",)


def test_what_it_requires_may_be_set_however_it_is_written() -> None:
    key = "net.ipv4.tcp_fastopen"
    site = replace(SITE, verify=replace(POLICY, sysctls={key: "1 \t 2"}), remedy=RemedySection(sysctls={key: ("0",)}))
    assert allowed(site, key) == ("0", "1 2")
    assert allowed(site, "kernel.panic") == ()


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order("reload-firewall"), "reload-firewall"),
        (Order("restart-unit", "spamd.service"), "restart-unit spamd.service"),
        (Order("clear-hints", "a b; c"), "clear-hints 'a b; c'"),
        (Order("allow", "2001:db8::1", 1800), "allow --from 2001:db8::1 --for 30m"),
        (Order("allow", "2001:db8::1", 90), "allow --from 2001:db8::1 --for 90s"),
    ],
)
def test_an_order_is_said_as_it_is_typed(order: Order, said: str) -> None:
    assert order.said == said


def test_what_may_be_restarted_and_which_firewalls_are_known() -> None:
    site = replace(SITE, aliases=(GENERATOR,))
    assert {"exim4.service", "spamd.service", "ferm.service", GENERATOR.unit} <= set(restartable(site))
    assert "cron.service" not in restartable(site)
    assert firewalls(site) == ["ferm.service", "nftables.service"]
