"""Interfaces, addresses and default routes, as ip prints them."""

import json

import pytest

from mxlib.facts import addresses
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, fixture

ADDR = fixture("host/ip-j-addr.json")
ROUTE4 = json.dumps(json.loads(fixture("host/ip-j-route.json"))[:1])
ROUTE6 = '[{"dst":"default","gateway":"fe80::1","dev":"ens5"},{"dst":"default","dev":"tun0"},{"dst":"default"}]\n'


def with_address(**info):
    """One interface with one address in each family, the one of IPv6 with these properties."""
    four = {"family": "inet", "local": "192.0.2.11", "scope": "global"}
    six = {"family": "inet6", "local": "2001:DB8:77:0::11", "scope": "global", **info}
    return json.dumps([{"ifname": "ens5", "flags": ["UP", "LOWER_UP"], "addr_info": [four, six]}])


def test_a_real_host():
    facts = fact(addresses.SOURCE, ADDR, ROUTE4, ROUTE6)
    assert [one.name for one in facts.interfaces] == ["ens5"]
    own = facts.find("ens5")
    assert (own.up, own.mac) == (True, "52:54:00:77:00:10")
    assert own.addresses == ("10.77.0.10", "fe80::5054:ff:fe77:10")
    assert facts.global_addresses(4) == ("10.77.0.10",)
    assert facts.global_addresses(6) == ()
    assert facts.find("lo") is None


def test_routes_by_family_and_one_without_a_gateway_is_on_the_link():
    facts = fact(addresses.SOURCE, ADDR, ROUTE4, ROUTE6)
    assert facts.routes(4) == ((4, "10.77.0.1", "ens5"),)
    assert facts.routes(6) == ((6, "fe80::1", "ens5"), (6, "", "tun0"))


def test_an_empty_answer_for_routes_is_that_there_is_none():
    assert fact(addresses.SOURCE, ADDR, "", "[]").gateways == ()


@pytest.mark.parametrize(
    ("info", "usable"),
    [({}, True), ({"tentative": True}, False), ({"dadfailed": True}, False), ({"scope": "host"}, False)],
)
def test_an_address_that_is_not_usable_is_left_out(info, usable):
    found = fact(addresses.SOURCE, with_address(**info), "", "")
    assert found.global_addresses(4) == ("192.0.2.11",)
    assert found.global_addresses(6) == (("2001:db8:77::11",) if usable else ())


@pytest.mark.parametrize(
    ("flags", "up"), [(["UP", "LOWER_UP"], True), (["UP"], False), (["LOWER_UP"], False), (["UP", "NO-CARRIER"], False)]
)
def test_an_interface_is_up_with_a_carrier_only(flags, up):
    text = json.dumps([{"ifname": "ens5", "flags": flags}])
    assert fact(addresses.SOURCE, text, "", "").find("ens5").up is up


@pytest.mark.parametrize(
    "answers", [("[]", "", ""), ("", "", ""), (ADDR, "no json", ""), (ADDR, "", "{"), ("[{}, 5]", "", "")]
)
def test_an_answer_of_another_form_is_unknown(answers):
    with pytest.raises(FactUnknownError):
        fact(addresses.SOURCE, *answers)


@pytest.mark.parametrize(
    ("address", "others"), [("10.0.0.1", True), ("fe80::1", False), ("169.254.1.1", False), ("2001:db8::1", True)]
)
def test_link_local_addresses_are_not_global(address, others):
    assert addresses.is_global(address) is others


def test_a_default_route_over_several_gateways_is_one_by_each():
    hops = [{"gateway": "192.0.2.1", "dev": "ens5", "weight": 1}, {"gateway": "192.0.2.2", "dev": "ens6", "weight": 1}]
    several = json.dumps([{"dst": "default", "protocol": "bird", "flags": [], "nexthops": hops}])
    assert fact(addresses.SOURCE, ADDR, several, "").gateways == ((4, "192.0.2.1", "ens5"), (4, "192.0.2.2", "ens6"))


def test_a_route_that_refuses_is_no_default_route():
    none = '[{"type":"unreachable","dst":"default","dev":"lo","metric":4294967295,"flags":[],"pref":"medium"}]'
    assert fact(addresses.SOURCE, ADDR, "", none).gateways == ()
