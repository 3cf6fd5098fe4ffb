"""Who lives where in the outside world: the places that take mail, and the addresses the proofs look at.

The addresses are documentation prefixes (RFC 5737, RFC 3849); they exist only inside the lab's namespaces.
"""

import ipaddress
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SMTP_PORT = 25
MAIL_PORTS = (25, 465, 587)
FAMILIES = ("v4", "v6")
MX_ADDRESSES = ("192.0.2.11", "2001:db8:77::11", "192.0.2.21", "2001:db8:77::21")
LAB_NETWORKS = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8:77::/64"))


class WorldError(Exception):
    """Base of what the lab's outside world raises on purpose."""


@dataclass(frozen=True)
class Endpoint:
    """Where a place listens: one family, one address, one TCP port."""

    family: str
    address: str
    port: int = SMTP_PORT


@dataclass(frozen=True)
class Place:
    """A mail server of the outside world.

    Attributes:
        name: what behaviour.json and the inbox call it.
        host: the name in its greeting.
        domains: the mail domains it takes mail for; anything else is refused as relaying.
        endpoints: where it listens.
    """

    name: str
    host: str
    domains: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]

    def takes(self, address: str) -> bool:
        """Say whether the place takes mail for an address."""
        return address.rpartition("@")[2].lower() in self.domains


def _place(name: str, host: str, domains: str, last: str) -> Place:
    endpoints = (Endpoint("v4", f"198.51.100.{last}"), Endpoint("v6", f"2001:db8:51::{last}"))
    return Place(name, host, tuple(domains.split()), endpoints)


PLACES: dict[str, Place] = {
    place.name: place
    for place in (
        _place("provider", "mx.provider.test", "provider.test v4.provider.test v6.provider.test", "10"),
        _place("tickets", "mx.tickets.test", "tickets.test", "20"),
        _place("lists", "mx.lists.test", "lists.test", "30"),
        _place("world", "sender.world.test", "world.test sender.world.test", "100"),
    )
}


def load_places(bind_file: Path | None) -> dict[str, Place]:
    """Return the places, with what a bind file says laid over the lab's table.

    Arguments:
        bind_file: JSON, `{"provider": {"v4": ["127.0.0.1", 2501], "v6": null}}`; a family that is null or left out
            does not listen, and only the places named exist. None: the lab's own table.

    Raises:
        WorldError: the file is not readable, or names a place or a family that does not exist.
    """
    if bind_file is None:
        return dict(PLACES)
    try:
        table = json.loads(bind_file.read_text(encoding="utf-8"))
        return {name: _bound(name, binding) for name, binding in table.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise WorldError(f"{bind_file}: expected {{PLACE: {{FAMILY: [ADDRESS, PORT]}}}}: {error!r}") from error


def _bound(name: str, binding: dict[str, Any]) -> Place:
    unknown = set(binding) - set(FAMILIES)
    if unknown:
        raise ValueError(f"{name}: no such family: {', '.join(sorted(unknown))}")
    endpoints = (
        Endpoint(family, str(binding[family][0]), int(binding[family][1])) for family in FAMILIES if binding.get(family)
    )
    return replace(PLACES[name], endpoints=tuple(endpoints))


def is_public(address: str) -> bool:
    """Say whether a client address lies outside the lab's own networks."""
    ip = ipaddress.ip_address(address)
    return not any(ip in network for network in LAB_NETWORKS)
