"""Judging which clients still come to an MX that is out of service, and which may have nowhere else to go. Pure.

A client that has another MX knocks here, is refused, and hands its mail to that one: seen there it has moved. An
internal client that was refused and is seen nowhere else may lose what it wanted to send.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mxlib.base.text import plural

ACCEPT = "clients"
"""``--accept`` with this name accepts them all; with ``client-ADDRESS`` one."""
_SHOWN = 10


@dataclass(frozen=True)
class Client:
    """A client that still comes.

    Attributes:
        address: where from.
        name: what it is called; empty if that is not known.
        refused: connections that were refused lately.
        live: connections that are open.
        arrivals: messages it has handed over since the ports are closed, in sessions that were open before.
        elsewhere: messages it has handed to another MX meanwhile.
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
        """Whether nothing shows that it has somewhere else to go."""
        return self.internal and not self.elsewhere

    @property
    def accept(self) -> str:
        """The name by which it is accepted."""
        return f"client-{self.address}"

    def __str__(self) -> str:
        """The client as it is told."""
        who = f"{self.name} ({self.address})" if self.name else self.address
        did = [
            f"{plural(self.refused, 'refused connection')}" if self.refused else "",
            f"{self.live} open" if self.live else "",
            f"{plural(self.arrivals, 'message')} taken" if self.arrivals else "",
            f"{self.elsewhere} handed to another MX" if self.elsewhere else "",
        ]
        return f"{who}: {', '.join(filter(None, did))}"


@dataclass(frozen=True)
class Seen:
    """What was seen of clients, by address.

    Attributes:
        refused: connections that were refused lately.
        live: connections that are open.
        arrivals: messages handed over since the ports are closed.
        elsewhere: messages handed to other MXs meanwhile.
        names: what addresses are called.
    """

    refused: Mapping[str, int]
    live: Mapping[str, int]
    arrivals: Mapping[str, int]
    elsewhere: Mapping[str, int]
    names: Mapping[str, str]


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of some networks.

    Arguments:
        address: of either family.
        networks: or single addresses.
    """
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


def clients(seen: Seen, internal: Iterable[str], ignored: Iterable[str]) -> tuple[Client, ...]:
    """Everybody who still comes, internal ones first, then those that come most.

    Arguments:
        seen: what was seen.
        internal: networks of clients that may have no failover.
        ignored: networks or addresses of those whose connections carry no mail: monitoring, the other MXs.
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


def _elsewhere(seen: Seen, address: str) -> int:
    """Messages handed to other MXs, over whichever family: a name stands for all addresses that have it."""
    name = seen.names.get(address)
    same = {address} | {one for one, called in seen.names.items() if name and called == name}
    return sum(seen.elsewhere.get(one, 0) for one in same)


def blocking(found: Iterable[Client], accepted: Iterable[str]) -> tuple[Client, ...]:
    """Those that stand against stopping the MTA.

    Arguments:
        found: who still comes.
        accepted: names the operator has accepted.
    """
    names = frozenset(accepted)
    return tuple(one for one in found if one.stuck and not names & {ACCEPT, one.accept})


def told(found: Iterable[Client]) -> str:
    """Who still comes, in one line.

    Arguments:
        found: who still comes.
    """
    known = tuple(found)
    if not known:
        return "no client has come since the ports are closed"
    internal = tuple(one for one in known if one.internal)
    said = f"{plural(len(known), 'client')} still came"
    if not internal:
        return f"{said}, none internal: {_list(known)}"
    rest = f"; {plural(len(known) - len(internal), 'other')}" if len(known) > len(internal) else ""
    return f"{said}, {len(internal)} internal: {_list(internal)}{rest}"


def _list(found: tuple[Client, ...]) -> str:
    more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(map(str, found[:_SHOWN])) + more
