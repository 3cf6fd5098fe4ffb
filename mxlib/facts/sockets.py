"""Listening TCP sockets and open TCP connections."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

_OWNER = re.compile(r'\("(?P<name>[^"]+)",pid=(?P<pid>\d+)')
# systemd-resolved listens on 127.0.0.53%lo: the name of an interface may end in any letter
_END = re.compile(r"(?:[\]*.:0-9a-fA-F]|%[^%:\]]+):(?:\d+|\*)$")
LISTENING = Section("sockets-listening", "ss -Hltnp")
# Established only: a connection that is closing carries no further reply.
ESTABLISHED = Section("sockets-established", "ss -Htnp state established")


@dataclass(frozen=True)
class Socket:
    """A TCP socket.

    Attributes:
        local: local address without brackets and zone; ``*`` listens on both families.
        port: local port.
        peer: address of the other end, ``0.0.0.0``, ``::`` or ``*`` for a listener.
        peer_port: port of the other end, 0 for a listener.
        processes: name and pid of each owner; empty when they are unknown.
    """

    local: str
    port: int
    peer: str
    peer_port: int
    processes: tuple[tuple[str, int], ...] = ()

    @property
    def families(self) -> frozenset[int]:
        """Address families that a listener serves."""
        if self.local == "*":
            return frozenset({4, 6})
        return frozenset({6 if ":" in self.local else 4})

    @property
    def public(self) -> bool:
        """Whether other hosts can reach the listener."""
        return not (self.local.startswith("127.") or self.local == "::1")


@dataclass(frozen=True)
class SocketFacts:
    """TCP sockets of a host.

    Attributes:
        listening: the listeners.
        established: the open connections.
    """

    listening: tuple[Socket, ...]
    established: tuple[Socket, ...]

    def listeners(self, port: int) -> tuple[Socket, ...]:
        """Return the listeners on a port."""
        return tuple(socket for socket in self.listening if socket.port == port)

    def clients(self, ports: Iterable[int]) -> tuple[Socket, ...]:
        """Return the open connections from other hosts to these local ports."""
        wanted = frozenset(ports)
        return tuple(socket for socket in self.established if socket.port in wanted and socket.public)


def _end(text: str) -> tuple[str, int]:
    """Split ``[fe80::1]%ens5:25``, ``192.0.2.11:25`` or ``*:*``; port 0 for any."""
    address, _, port = text.rpartition(":")
    address = re.sub(r"%[^\]]*", "", address).strip("[]")
    if not address:
        raise ParseError(f"expected ADDRESS:PORT, got {text[:80]!r}")
    return address.removeprefix("::ffff:"), 0 if port == "*" else int(port)


def parse_ss(text: str) -> tuple[Socket, ...]:
    """Read the lines of ``ss -Htn``, with or without the column of the state.

    Raises:
        mxlib.base.errors.ParseError: a line has no two ends.
    """
    return tuple(
        _socket(line) for line in text.splitlines() if line.strip() and not line.startswith(("State", "Recv-Q"))
    )


def _socket(line: str) -> Socket:
    fields = line.split()
    ends = [index for index, field in enumerate(fields) if _END.search(field)]
    if len(ends) < 2:
        raise ParseError(f"not a socket: {line[:120]!r}")
    (local, port), (peer, peer_port) = _end(fields[ends[0]]), _end(fields[ends[1]])
    owners = tuple((name, int(pid)) for name, pid in _OWNER.findall(line))
    return Socket(local, port, peer, peer_port, owners)


def parse(outputs: Outputs) -> SocketFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: ss failed.
    """
    return SocketFacts(parse_listening(outputs), parse_ss(outputs[ESTABLISHED.name].text()))


SOURCE = Source("sockets", (LISTENING, ESTABLISHED), parse)


def parse_listening(outputs: Outputs) -> tuple[Socket, ...]:
    """Read who listens.

    Raises:
        mxlib.base.errors.ParseError: ss failed.
    """
    return parse_ss(outputs[LISTENING.name].text())


LISTENERS = Source("listeners", (LISTENING,), parse_listening)
