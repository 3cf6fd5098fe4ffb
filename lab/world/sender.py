"""Senders that deliver to the lab as the rest of the world does.

`python3 -m lab.world.sender send --to A --from B --count N --size BYTES --state DIR [--rate R]`

With --rate and without --count it goes on until SIGTERM, then finishes what is queued within a bound.
"""

import argparse
import functools
import itertools
import json
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lab.world import jsonl
from lab.world.courier import Courier, Patience
from lab.world.ledger import SENT_FILE
from lab.world.log import say
from lab.world.message import make
from lab.world.places import SMTP_PORT
from lab.world.routes import NameServer, NextHop, Router, split_port
from lab.world.submit import Manner, attempt

QUEUE_LIMIT = 2000
ROUND = 8


class StopSignal:
    """SIGTERM or SIGINT came; `due` is when the sender must be done, on the monotonic clock."""

    def __init__(self, drain: float) -> None:
        """Listen to the signals; `drain` is the seconds left to finish after one."""
        self.due = float("inf")
        self._drain = drain
        # Not a threading.Event: setting one in a signal handler can wait for a lock its own thread holds.
        self._woken, self._waker = socket.socketpair()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._come)

    def _come(self, *_: object) -> None:
        if not self.came():
            self.due = time.monotonic() + self._drain
            self._waker.send(b"x")

    def came(self) -> bool:
        """Say whether a signal came."""
        return self.due != float("inf")

    def wait(self, seconds: float) -> None:
        """Wait for a signal, for at most some seconds."""
        select.select([self._woken], [], [], max(0.0, seconds))


def recipients(patterns: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the recipients of one message after the other.

    Arguments:
        patterns: used in turn; `a@x,b@x` is one message to two; `%d` becomes the number of the message, from 1.
    """
    for number, pattern in enumerate(itertools.cycle(patterns), start=1):
        yield tuple(one.strip().replace("%d", str(number)) for one in pattern.split(","))


def feed(courier: Courier, args: argparse.Namespace, stop: StopSignal) -> int:
    """Hand the messages to the courier at the rate wanted; return how many."""
    start = time.monotonic()
    numbers = itertools.count() if args.count is None else range(args.count)
    made = 0
    for number, to in zip(numbers, recipients(args.to), strict=False):
        due = start + number / args.rate if args.rate else start
        if _hold(courier, stop, due):
            break
        courier.put(make(args.sender, to, args.size, args.tag))
        made += 1
    return made


def _hold(courier: Courier, stop: StopSignal, due: float) -> bool:
    """Wait until the message is due and the queue has room; True if a signal came."""
    stop.wait(due - time.monotonic())
    while courier.waiting() >= QUEUE_LIMIT and not stop.came():
        stop.wait(0.05)
    return stop.came()


def _router(args: argparse.Namespace) -> Router:
    server, port = split_port(args.dns, 53)
    families = {"v6first": ("v6", "v4"), "v4first": ("v4", "v6"), "v4": ("v4",), "v6": ("v6",)}[args.families]
    via = [host for hosts in args.via for host in hosts.split(",")]
    return Router(NameServer(server, port), families, via, args.port)


def _manner(args: argparse.Namespace) -> Manner:
    sources = {NextHop("", ip).family: ip for ip in args.source}
    return Manner(args.helo, sources, args.connect_timeout, starttls=args.tls == "may")


def send(args: argparse.Namespace) -> int:
    """Send what the arguments say and print a summary (JSON); 0 only if every message was accepted."""
    stop = StopSignal(args.drain)
    sent = jsonl.Appender(args.state / SENT_FILE)
    tag = {"tag": args.tag} if args.tag else {}
    courier = Courier(
        _router(args),
        functools.partial(attempt, _manner(args)),
        lambda line: sent.append(line | tag),
        say,
        time.monotonic,
        Patience(args.deadline, not args.no_queue, not args.no_failover),
        args.concurrency,
    )
    start = time.monotonic()
    made = feed(courier, args, stop)
    # A message given up at its deadline may be in the middle of a round through all addresses.
    limit = time.monotonic() + args.deadline + ROUND * args.connect_timeout
    courier.drain(lambda: min(limit, stop.due))
    sent.close()
    return _summary(courier, made, time.monotonic() - start)


def _summary(courier: Courier, made: int, seconds: float) -> int:
    counts = {fate: courier.counts[fate] for fate in ("accepted", "refused", "unsent")}
    rate = round(counts["accepted"] / seconds, 1) if seconds else 0.0
    print(json.dumps({"messages": made, **counts, "seconds": round(seconds, 2), "per_second": rate}), flush=True)
    return 0 if counts["refused"] == counts["unsent"] == 0 else 1


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.world.sender", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("send", help="send mail")
    add = command.add_argument
    add("--state", type=Path, required=True, help="directory of sent.jsonl")
    add("--to", action="append", required=True, help="recipient; several are used in turn; `a,b` is one mail to two")
    add("--from", dest="sender", default="sender@world.test", help="envelope sender; empty for a bounce")
    add("--count", type=int, help="how many; left out: until SIGTERM (needs --rate)")
    add("--size", type=int, default=2048, help="bytes of the body")
    add("--rate", type=float, help="messages a second; left out: as fast as they are taken")
    add("--via", action="append", default=[], help="smarthost(s), in order, instead of the MX records")
    add("--no-failover", action="store_true", help="only the first address is ever tried")
    add("--no-queue", action="store_true", help="the first failure is final, as with a program without a queue")
    add("--source", action="append", default=[], help="source address; one for each family")
    add("--families", choices=("v6first", "v4first", "v4", "v6"), default="v6first")
    add("--deadline", type=float, default=300.0, help="seconds until a message is given up")
    add("--drain", type=float, default=30.0, help="seconds to finish what is queued after SIGTERM")
    add("--connect-timeout", type=float, default=8.0, help="seconds")
    add("--concurrency", type=int, default=4)
    add("--dns", default="192.0.2.5", help="name server: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
    add("--port", type=int, default=SMTP_PORT, help="TCP port of the MX hosts")
    add("--helo", default="sender.world.test")
    add("--tls", choices=("may", "never"), default="may", help="may: STARTTLS where it is offered, unverified")
    add("--tag", default="", help="written into sent.jsonl and the subject")
    args = parser.parse_args(argv)
    if args.count is None and not args.rate:
        parser.error("--count or --rate is needed")
    return args


def main(argv: list[str] | None = None) -> int:
    """Send; return the exit code."""
    return send(_arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
