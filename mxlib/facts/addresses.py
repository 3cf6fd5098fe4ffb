"""Interfaces, addresses and default routes, as they are now."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

ADDRESSES = Section("addresses", "ip -j addr")
ROUTES4 = Section("routes-v4", "ip -j -4 route show default")
ROUTES6 = Section("routes-v6", "ip -j -6 route show default")


@dataclass(frozen=True)
class Interface:
    """A network interface.

    Attributes:
        name: its name.
        up: whether it is up and has a carrier.
        mac: its hardware address; empty when it has none.
        addresses: its usable addresses, without those of host scope.
    """

    name: str
    up: bool
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class AddressFacts:
    """The addresses and default routes of a host.

    Attributes:
        interfaces: every interface except loopback.
        gateways: address family, gateway and interface of each default route; no gateway (empty) on a direct link.
    """

    interfaces: tuple[Interface, ...]
    gateways: tuple[tuple[int, str, str], ...]

    def global_addresses(self, family: int) -> tuple[str, ...]:
        """Return the addresses of a family that other hosts can reach."""
        return tuple(
            address
            for interface in self.interfaces
            for address in interface.addresses
            if ipaddress.ip_address(address).version == family and is_global(address)
        )

    def routes(self, family: int) -> tuple[tuple[int, str, str], ...]:
        """Return the default routes of a family."""
        return tuple(gateway for gateway in self.gateways if gateway[0] == family)

    def find(self, name: str) -> Interface | None:
        """Return the interface of this name; None without one."""
        return next((interface for interface in self.interfaces if interface.name == name), None)


def is_global(address: str) -> bool:
    """Whether more than the neighbours on the link can reach an address; private networks count."""
    return not ipaddress.ip_address(address).is_link_local


def _interface(data: dict[str, Any]) -> Interface:
    # A tentative address is not usable yet; one whose duplicate detection failed never will be.
    usable = [
        str(ipaddress.ip_address(info["local"]))
        for info in data.get("addr_info", [])
        if info.get("scope") != "host" and not info.get("tentative") and not info.get("dadfailed")
    ]
    flags = data["flags"]
    return Interface(data["ifname"], "UP" in flags and "LOWER_UP" in flags, data.get("address", ""), tuple(usable))


def _routes(text: str, family: int) -> list[tuple[int, str, str]]:
    found = json.loads(text or "[]")
    usable = (route for route in found if route.get("type", "unicast") == "unicast")
    hops = (hop for route in usable for hop in route.get("nexthops", [route]))
    return [(family, str(hop.get("gateway", "")), str(hop["dev"])) for hop in hops if "dev" in hop]


def parse(outputs: Outputs) -> AddressFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: ip did not answer.
    """
    links = json.loads(outputs[ADDRESSES.name].text())
    if not links:
        raise ParseError("ip showed no interface")
    # An empty answer about routes is a valid one: there is no default route.
    routes = _routes(outputs[ROUTES4.name].text().strip(), 4) + _routes(outputs[ROUTES6.name].text().strip(), 6)
    interfaces = tuple(_interface(link) for link in links if link and "LOOPBACK" not in link["flags"])
    return AddressFacts(interfaces, tuple(routes))


SOURCE = Source("addresses", (ADDRESSES, ROUTES4, ROUTES6), parse)
