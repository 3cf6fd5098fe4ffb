"""Ethernet frames of TCP handshakes: a pure parser, and the kernel filter that lets nothing else through."""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

ETH_IPV4 = 0x0800
ETH_IPV6 = 0x86DD
TCP = 6
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
_ETHERNET = 14
_IPV6 = 40
_TCP = 20


@dataclass(frozen=True)
class Segment:
    """A TCP segment, as far as a handshake needs it."""

    source: str
    source_port: int
    target: str
    target_port: int
    seq: int
    ack: int
    flags: int

    @property
    def opens(self) -> bool:
        """Say whether it is a SYN of a client."""
        return self.flags & (SYN | ACK | RST) == SYN

    @property
    def accepts(self) -> bool:
        """Say whether it is the SYN-ACK of a server."""
        return self.flags & (SYN | ACK | RST) == SYN | ACK

    @property
    def refuses(self) -> bool:
        """Say whether it is a reset."""
        return bool(self.flags & RST)


def parse(frame: bytes) -> Segment | None:
    """Take an Ethernet frame apart; None: not a whole, unfragmented TCP header over IPv4 or IPv6."""
    if len(frame) < _ETHERNET:
        return None
    kind = struct.unpack_from("!H", frame, 12)[0]
    packet = frame[_ETHERNET:]
    if kind == ETH_IPV4:
        return _ipv4(packet)
    return _ipv6(packet) if kind == ETH_IPV6 else None


def _ipv4(packet: bytes) -> Segment | None:
    if len(packet) < _TCP or packet[9] != TCP or struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
        return None
    return _tcp(packet[12:16], packet[16:20], packet[(packet[0] & 0x0F) * 4 :])


def _ipv6(packet: bytes) -> Segment | None:
    if len(packet) < _IPV6 or packet[6] != TCP:
        return None
    return _tcp(packet[8:24], packet[24:40], packet[_IPV6:])


def _tcp(source: bytes, target: bytes, segment: bytes) -> Segment | None:
    if len(segment) < _TCP:
        return None
    source_port, target_port, seq, ack, _offset, flags = struct.unpack_from("!HHIIBB", segment)
    return Segment(_address(source), source_port, _address(target), target_port, seq, ack, flags)


def _address(raw: bytes) -> str:
    return str(ipaddress.ip_address(raw))


# Classic BPF (linux/bpf_common.h): opcodes as class | size | mode.
_LDH_ABS, _LDB_ABS, _LDH_IND, _LDB_IND, _LDX_MSH, _LDX_IMM = 0x28, 0x30, 0x48, 0x50, 0xB1, 0x01
_JEQ, _JSET, _RET = 0x15, 0x45, 0x06
_SNAP = 128
_Step = tuple[int, int, str, str]


def handshake_filter(ports: Sequence[int]) -> bytes:
    """Return the socket filter (struct sock_filter[]) for SYN and RST segments from or to these ports.

    It looks at untagged Ethernet frames; IPv6 extension headers are not followed (the lab's hosts send none with TCP).
    """
    return _assemble(
        [
            ("", (_LDH_ABS, 12, "", "")),
            ("", (_JEQ, ETH_IPV6, "ipv6", "")),
            ("", (_JEQ, ETH_IPV4, "", "drop")),
            ("", (_LDB_ABS, _ETHERNET + 9, "", "")),
            ("", (_JEQ, TCP, "", "drop")),
            ("", (_LDH_ABS, _ETHERNET + 6, "", "")),
            ("", (_JSET, 0x1FFF, "drop", "")),
            ("", (_LDX_MSH, _ETHERNET, "", "")),
            ("", (_JEQ, 0, "tcp", "tcp")),  # goes on at tcp either way
            ("ipv6", (_LDB_ABS, _ETHERNET + 6, "", "")),
            ("", (_JEQ, TCP, "", "drop")),
            ("", (_LDX_IMM, _IPV6, "", "")),
            ("tcp", (_LDB_IND, _ETHERNET + 13, "", "")),
            ("", (_JSET, SYN | RST, "", "drop")),
            ("", (_LDH_IND, _ETHERNET, "", "")),
            *[("", (_JEQ, port, "keep", "")) for port in ports],
            ("", (_LDH_IND, _ETHERNET + 2, "", "")),
            *[("", (_JEQ, port, "keep", "")) for port in ports],
            ("drop", (_RET, 0, "", "")),
            ("keep", (_RET, _SNAP, "", "")),
        ]
    )


def _assemble(program: list[tuple[str, _Step]]) -> bytes:
    places = {label: number for number, (label, _) in enumerate(program) if label}

    def distance(number: int, label: str) -> int:
        return places[label] - number - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", code, distance(number, yes), distance(number, no), value)
        for number, (_, (code, value, yes, no)) in enumerate(program)
    )
