"""Judging which clients still connect to an MX that is out of service, and which may have no other. Pure.

A client with failover is refused here and hands its mail to another MX: once seen there, it has moved. An internal
client that was refused and is seen nowhere else may lose its mail.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mxlib.base.text import plural

ACCEPT = "clients"
"""``--accept`` with this name accepts all clients, with ``client-ADDRESS`` a single one."""
_SHOWN = 10
_SINCE = "since the ports were closed"


@dataclass(frozen=True)
class Client:
    """A client that still connects.

    Attributes:
        address: its IP address.
        name: its host name; empty if unknown.
        refused: connections that were refused recently.
        live: open connections.
        arrivals: messages it has handed over since the ports were closed, in sessions opened before.
        elsewhere: messages it has handed to other MXs since then.
        internal: whether it may have no failover of its own.
    """

    address: str
    name: str = ""
    refused: int = 0
    live: int = 0
    arrivals: int = 0
    elsewhere: int = 0
    internal: bool = False

    @property
    def stuck(self) -> bool:
        """Whether nothing shows that it has another MX."""
        return self.internal and not self.elsewhere

    @property
    def accept(self) -> str:
        """The word after ``--accept`` that accepts it."""
        return f"client-{self.address}"

    def __str__(self) -> str:
        """Return the client in words."""
        who = f"{self.name} ({self.address})" if self.name else self.address
        did = [
            f"{plural(self.refused, 'refused connection')}" if self.refused else "",
            f"{self.live} open" if self.live else "",
            f"{plural(self.arrivals, 'message')} taken" if self.arrivals else "",
            f"{self.elsewhere} handed to another MX" if self.elsewhere else "",
        ]
        return f"{who}: {', '.join(filter(None, did))}"


@dataclass(frozen=True)
class Traffic:
    """The traffic of clients, by address.

    Attributes:
        refused: connections that were refused recently.
        live: open connections.
        arrivals: messages handed over since the ports were closed.
        elsewhere: messages handed to other MXs since then.
        names: host name of each address.
    """

    refused: Mapping[str, int]
    live: Mapping[str, int]
    arrivals: Mapping[str, int]
    elsewhere: Mapping[str, int]
    names: Mapping[str, str]


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of some networks."""
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


def clients(seen: Traffic, internal: Iterable[str], ignored: Iterable[str]) -> tuple[Client, ...]:
    """Return the clients that still connect: internal ones first, then by number of connections.

    Arguments:
        internal: networks of clients that may have no failover.
        ignored: networks or addresses whose connections carry no mail: monitoring, the other MXs.
    """
    networks, others = tuple(internal), tuple(ignored)
    addresses = {*seen.refused, *seen.live, *seen.arrivals}
    found = (
        Client(
            one,
            seen.names.get(one, ""),
            seen.refused.get(one, 0),
            seen.live.get(one, 0),
            seen.arrivals.get(one, 0),
            _elsewhere(seen, one),
            within(one, networks),
        )
        for one in addresses
        if not within(one, others) and not ipaddress.ip_address(one).is_loopback
    )
    return tuple(sorted(found, key=lambda one: (not one.internal, -(one.refused + one.live), one.address)))


def _elsewhere(seen: Traffic, address: str) -> int:
    """Return how many messages a client handed to other MXs, over either family: one host name is one client."""
    name = seen.names.get(address)
    same = {address} | {one for one, called in seen.names.items() if name and called == name}
    return sum(seen.elsewhere.get(one, 0) for one in same)


def blocking(found: Iterable[Client], accepted: Iterable[str]) -> tuple[Client, ...]:
    """Return the clients that block the stop of the MTA.

    Arguments:
        accepted: names that the operator has accepted.
    """
    names = frozenset(accepted)
    return tuple(one for one in found if one.stuck and not names & {ACCEPT, one.accept})


def summary(found: Iterable[Client]) -> str:
    """Return in one line which clients have connected since the ports were closed."""
    known = tuple(found)
    if not known:
        return f"no client has connected {_SINCE}"
    internal = tuple(one for one in known if one.internal)
    said = f"{plural(len(known), 'client')} {'has' if len(known) == 1 else 'have'} connected {_SINCE}"
    if not internal:
        return f"{said}, none internal: {_list(known)}"
    rest = f"; {plural(len(known) - len(internal), 'other')}" if len(known) > len(internal) else ""
    return f"{said}, {len(internal)} internal: {_list(internal)}{rest}"


def _list(found: tuple[Client, ...]) -> str:
    more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(map(str, found[:_SHOWN])) + more
