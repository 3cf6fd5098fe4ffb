"""The observer on the wire: each connection an MX accepted, refused or left unanswered, whatever the MX says of it.

`python3 -m lab.world.observer watch --state DIR --interface br-lab`: until SIGTERM, appends to DIR/wire.jsonl.
`python3 -m lab.world.observer query --state DIR [--mx IP] [--from T] [--to T] [--public-only] [--json]`: what it saw;
exit code 1, and why on standard error, where it has not seen everything.
"""

import argparse
import ctypes
import json
import select
import signal
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lab.world import jsonl, wire
from lab.world.frames import handshake_filter, parse
from lab.world.log import say
from lab.world.places import MAIL_PORTS, MX_ADDRESSES, WorldError

# linux/if_packet.h, asm-generic/socket.h, linux/if_ether.h; the socket module does not know them all.
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_MR_PROMISC = 263, 1, 6, 1
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS, ETH_P_ALL = 26, 33, 35, 0x0003
RECEIVE_BUFFER = 16 * 1024 * 1024
"""Bytes; the kernel takes twice as many, and 832 for each frame: 40,000 wait while this has no processor time."""
_FRAME = 256
_TICK = 1.0
_NOTE_S = 5.0
_LATE_S = 30.0


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Attach a classic BPF program (struct sock_filter[]) to a socket.

    Raises:
        OSError: the kernel does not take the program.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, padding to a pointer, the pointer.
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    )


def open_tap(interface: str, ports: tuple[int, ...]) -> socket.socket:
    """Return a packet socket that sees the handshakes on an interface, in promiscuous mode.

    Raises:
        WorldError: no such interface, or no right to open such a socket.
    """
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        attach_filter(sock, handshake_filter(ports))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        # not SO_RCVBUF, which net.core.rmem_max (0.2 MB) would bound
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        request = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
        sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        sock.bind((interface, ETH_P_ALL))
    except OSError as error:
        raise WorldError(f"cannot watch {interface}: {error}") from error
    return sock


def receive(sock: socket.socket) -> tuple[bytes, float]:
    """Return one frame and the time the kernel saw it, in POSIX seconds."""
    frame, control, _flags, _address = sock.recvmsg(_FRAME, 64)
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@ll", data[:16])
            return frame, seconds + nanoseconds / 1e9
    return frame, time.time()


def watch(
    sock: socket.socket, tracker: wire.Tracker, record: Callable[[jsonl.Line], None], stop: socket.socket
) -> None:
    """Record connections until `stop` becomes readable; every few seconds, also until when all frames were seen."""
    looked, noted = time.time(), 0.0
    readable: list[socket.socket] = []
    while stop not in readable:
        until, lines = time.time(), list[jsonl.Line]()
        readable, _, _ = select.select([sock, stop], [], [], _TICK)
        if sock in readable:
            frame, until = receive(sock)
            segment = parse(frame)
            lines = tracker.see(segment, until) if segment else []
        if time.time() - looked > _TICK:
            looked = time.time()
            lines += tracker.expire(looked)
        if time.time() - noted > _NOTE_S:
            noted = time.time()
            lines.append(_noted("watched", until=jsonl.iso(until), frames_lost=_frames_lost(sock)))
        for line in lines:
            record(line)
    for line in tracker.finish(time.time()):
        record(line)


def _noted(event: str, **more: object) -> jsonl.Line:
    return {"event": event, "time": jsonl.now(), **more}


def _frames_lost(sock: socket.socket) -> int:
    """Return the frames that the kernel had to drop since this was asked last, as we were too slow (packet(7))."""
    _seen, lost = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    return int(lost)


def _watch(args: argparse.Namespace) -> int:
    woken, waker = socket.socketpair()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: waker.send(b"x"))
    file = jsonl.Appender(args.state / wire.FILE_NAME)
    try:
        sock = open_tap(args.interface, tuple(args.ports))
    except WorldError as error:
        say(f"error: {error}")
        return 1
    say(f"watching {args.interface}")
    file.append(_noted("start", interface=args.interface, mx=args.mx))
    watch(sock, wire.Tracker(args.mx, args.ports, args.answer_limit), lambda line: _record(file, line), woken)
    file.append(_noted("stop", frames_lost=_frames_lost(sock)))
    file.close()
    say("stopped")
    return 0


def _record(file: jsonl.Appender, line: jsonl.Line) -> None:
    file.append(line)
    if "outcome" in line:
        say(f"{line['client']} -> {line['mx']} port {line['port']}: {line['outcome']}")
    elif line["frames_lost"]:
        say(f"{line['frames_lost']} frames lost")


def _query(args: argparse.Namespace) -> int:
    start = jsonl.normalise(args.start) if args.start else ""
    end = jsonl.normalise(args.end) if args.end else ""
    lines = list(jsonl.read(args.state / wire.FILE_NAME))
    question = wire.Question(tuple(args.mx), start, end, args.public_only, args.outcome, args.port)
    _show(list(wire.select(lines, question)), as_json=args.json)
    # without an end: all that an observer which runs has noted by now
    fresh = jsonl.iso(time.time() - _LATE_S)
    noted = (line["until"] for line in lines if line.get("until", "") > fresh)
    doubts = wire.doubts(lines, start, end or max(noted, default=jsonl.now()))
    for one in doubts:
        say(one)
    return 1 if doubts else 0


def _show(found: list[jsonl.Line], *, as_json: bool) -> None:
    if as_json:
        for line in found:
            print(json.dumps(line))
        return
    counts = Counter((line["mx"], line["port"], line["outcome"]) for line in found)
    for (mx, port, outcome), count in sorted(counts.items()):
        times = [line["time"] for line in found if (line["mx"], line["port"], line["outcome"]) == (mx, port, outcome)]
        print(f"{mx:18} {port:4} {outcome:10} {count:6}  {min(times)} .. {max(times)}")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.world.observer", description=__doc__)
    commands = parser.add_subparsers(required=True)
    watching = commands.add_parser("watch", help="record until SIGTERM")
    watching.add_argument("--state", type=Path, required=True, help="directory of wire.jsonl")
    watching.add_argument("--interface", default="br-lab")
    watching.add_argument("--mx", nargs="+", default=list(MX_ADDRESSES), help="addresses watched")
    watching.add_argument("--ports", nargs="+", type=int, default=list(MAIL_PORTS))
    watching.add_argument("--answer-limit", type=float, default=wire.ANSWER_LIMIT, help="seconds after the last SYN")
    watching.set_defaults(act=_watch)
    query = commands.add_parser("query", help="what was recorded")
    query.add_argument("--state", type=Path, required=True)
    query.add_argument("--mx", action="append", default=[], help="only this address; may be repeated")
    query.add_argument("--from", dest="start", default="", help="ISO 8601")
    query.add_argument("--to", dest="end", default="", help="ISO 8601; excluded")
    query.add_argument("--public-only", action="store_true", help="only clients outside the lab's networks")
    query.add_argument("--outcome", choices=("accepted", "refused", "unanswered", "open"), default="")
    query.add_argument("--port", type=int, default=0)
    query.add_argument("--json", action="store_true", help="every connection, a JSON line each")
    query.set_defaults(act=_query)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Watch, or answer a question; return the exit code."""
    args = _arguments(argv)
    code: int = args.act(args)
    return code


if __name__ == "__main__":
    sys.exit(main())
