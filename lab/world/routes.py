"""Where a message goes: the MX records of its domain, or a smarthost, as addresses in the order a sender tries them."""

import ipaddress
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.exception
import dns.resolver

from lab.world.places import SMTP_PORT, WorldError

CACHE_SECONDS = 15.0


class NoRouteError(WorldError):
    """The name server gave no usable answer: try again later."""


@dataclass(frozen=True)
class NextHop:
    """One address of one host."""

    host: str
    ip: str
    port: int = SMTP_PORT

    @property
    def family(self) -> str:
        """Return v4 or v6."""
        return f"v{ipaddress.ip_address(self.ip).version}"


class Names(Protocol):
    """What is asked of a name server; a name that does not exist gives an empty list."""

    def mx(self, domain: str) -> list[tuple[int, str]]:
        """Return preference and host of each MX record."""

    def addresses(self, host: str, family: str) -> list[str]:
        """Return the A (v4) or AAAA (v6) records of a host."""


class NameServer:
    """The lab's name server, asked with dnspython; answers are kept for a few seconds, as a caching resolver would."""

    def __init__(self, server: str, port: int = 53, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask one server only: the machine's own resolver knows nothing of the lab."""
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = [server]
        self._resolver.port = port
        self._resolver.lifetime = 10.0
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}

    def mx(self, domain: str) -> list[tuple[int, str]]:
        """Return preference and host of each MX record."""
        answers = (text.split() for text in self._ask(domain, "MX"))
        return [(int(preference), host.rstrip(".")) for preference, host in answers]

    def addresses(self, host: str, family: str) -> list[str]:
        """Return the A (v4) or AAAA (v6) records of a host."""
        return self._ask(host, "A" if family == "v4" else "AAAA")

    def _ask(self, name: str, kind: str) -> list[str]:
        with self._lock:
            kept = self._kept.get((name, kind))
            if kept is None or self._clock() - kept[0] > CACHE_SECONDS:
                kept = self._clock(), self._query(name, kind)
                self._kept[name, kind] = kept
            return kept[1]

    def _query(self, name: str, kind: str) -> list[str]:
        try:
            return [record.to_text() for record in self._resolver.resolve(name, kind, search=False)]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise NoRouteError(f"{kind} {name}: {error}") from error


@dataclass(frozen=True)
class Router:
    """Finds the targets of a domain.

    Attributes:
        names: the name server.
        families: in the order they are tried, v6 first by default, as most MTAs do.
        via: smarthosts in order (`host`, `address`, `host:port` or `[v6]:port`) instead of the MX records.
        port: TCP port of the MX hosts.
        shuffle: puts hosts of equal preference in random order (RFC 5321, 5.1).
    """

    names: Names
    families: Sequence[str] = ("v6", "v4")
    via: Sequence[str] = ()
    port: int = SMTP_PORT
    shuffle: Callable[[list[str]], None] = random.shuffle

    def targets(self, domain: str) -> list[NextHop]:
        """Return the addresses to try, in order.

        Raises:
            NoRouteError: there is none, or the name server does not answer.
        """
        hosts = [split_port(host, self.port) for host in self.via] or [(host, self.port) for host in self._mx(domain)]
        found = [NextHop(host, ip, port) for host, port in hosts for ip in self._addresses(host)]
        if not found:
            raise NoRouteError(f"no address for {', '.join(host for host, _ in hosts)}")
        return found

    def _mx(self, domain: str) -> list[str]:
        records = self.names.mx(domain)
        if not records:
            return [domain]
        ordered: list[str] = []
        for preference in sorted({preference for preference, _ in records}):
            equals = [host for its, host in records if its == preference]
            self.shuffle(equals)
            ordered += equals
        return ordered

    def _addresses(self, host: str) -> list[str]:
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            return [ip for family in self.families for ip in self.names.addresses(host, family)]
        return [str(literal)] if f"v{literal.version}" in self.families else []


def split_port(text: str, default: int) -> tuple[str, int]:
    """Take `host`, `host:port`, `[v6]:port` or a bare address apart.

    Raises:
        ValueError: the port is not a number.
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.lstrip(":") or default)
    host, colon, port = text.partition(":")
    return (host, int(port)) if colon and ":" not in port else (text, default)
