"""Judging the state of each destination of a queue, and when the MTA would give up on its mail. Pure.

A delivery in the log proves a destination, a real attempt that failed speaks against it, and no attempt proves nothing.
Past the retry cutoff, counted from the arrival of a message or from the first failure of its hosts, a failed attempt is
final: that moment is the destination's bounce deadline.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from mxlib.base.text import duration, plural
from mxlib.mta.backlog import LOCAL, UNKNOWN, Backlog, GiveUp, Heap, Hint, Lately

SAFETY = timedelta(minutes=10)
"""A message this close to its cutoff is tried at proven destinations only, as an attempt takes time."""
AGAIN = timedelta(minutes=1)
"""After this time a destination that failed is tried again with a few messages, unless retry hints forbid it."""
_SKEW = timedelta(seconds=5)
_ADDRESS_FAILS = 3
"""From this many recipients who failed without a delivery, the destination is at fault, not a full mailbox."""


class Way(Enum):
    """The state of a destination."""

    PROVEN = "delivers"
    UNTRIED = "not tried lately"
    HINTED = "not tried: retry hints"
    FINAL = "not tried: past the retry cutoff"
    BROKEN = "remote at fault"
    UNROUTED = "not tried: where it goes is unknown"

    @property
    def open(self) -> bool:
        """Whether messages to it are tried."""
        return self in (Way.PROVEN, Way.UNTRIED)


@dataclass(frozen=True)
class Knowledge:
    """What destinations are judged by.

    Attributes:
        backlog: the queue by destination.
        hints: the MTA's retry hints.
        give_up: when it gives up.
    """

    backlog: Backlog
    hints: tuple[Hint, ...]
    give_up: GiveUp

    def cutoff(self, heap: Heap) -> timedelta:
        """Return the shortest time after which the MTA may give up on messages of a heap, by its domain and hosts."""
        # rules may be about the remote host, whatever the domain; where none is known, about any
        hosts = self.backlog.names.get(heap.domain) or ({UNKNOWN} if heap.domain != LOCAL else ())
        about = (heap.domain, *hosts)
        return min(self.give_up.after(one, heap.senders) for one in about)

    def heaps(self, domain: str) -> tuple[Heap, ...]:
        """Return the heaps of one destination."""
        return tuple(heap for heap in self.backlog.heaps if heap.domain == domain)


@dataclass(frozen=True)
class Destination:
    """One destination, judged.

    Attributes:
        domain: its name.
        count: messages that are not frozen.
        frozen: messages that wait for a person.
        oldest: arrival of the oldest message that is not frozen.
        way: its state.
        why: the reason for that judgement.
        deadline: from when on a failed attempt bounces a message; None where nothing is waiting.
    """

    domain: str
    count: int
    frozen: int
    oldest: datetime | None
    way: Way
    why: str
    deadline: datetime | None


def judge(known: Knowledge) -> tuple[Destination, ...]:
    """Return every destination of the queue, most messages first."""
    domains = dict.fromkeys(heap.domain for heap in known.backlog.heaps)
    found = [_destination(known, domain) for domain in domains]
    return tuple(sorted(found, key=lambda one: (-one.count, one.domain)))


def _destination(known: Knowledge, domain: str) -> Destination:
    heaps = known.heaps(domain)
    deadline = _deadline(known, domain, heaps)
    way, why = _way(known, domain, deadline)
    oldest = min((heap.oldest for heap in heaps if heap.oldest), default=None)
    count, frozen = sum(heap.count for heap in heaps), sum(heap.frozen for heap in heaps)
    return Destination(domain, count, frozen, oldest, way, why, deadline)


def _way(known: Knowledge, domain: str, deadline: datetime | None) -> tuple[Way, str]:
    if domain == UNKNOWN:
        return Way.UNROUTED, "its header, or what the MTA said of its recipients, is incomplete"
    now = known.backlog.now
    lately = known.backlog.lately.get(domain, Lately())
    # a delivery in the future has a time that we do not understand
    known_time = lately.delivered is not None and lately.delivered <= now + _SKEW
    if lately.delivered and known_time and not lately.host_fails and lately.fails < _ADDRESS_FAILS:
        but = f"; since then {plural(lately.fails, 'recipient')} failed: {_said(lately, now)}" if lately.fails else ""
        return Way.PROVEN, f"took a message {duration((now - lately.delivered).total_seconds())} ago{but}"
    waits = _waits_until(known, domain)
    if lately.fails and (_just_now(lately, now) or waits):
        return Way.BROKEN, _said(lately, now)
    last = f"; last failure: {_said(lately, now)}" if lately.text else ""
    if final := _hints_final(known, domain):
        if final <= now + SAFETY:
            return Way.FINAL, f"its hosts have failed so long that one more failure is final{last}"
        if waits:
            return Way.HINTED, f"not before {waits:%H:%M} UTC{last}"
    if deadline and not any(is_young(known, heap) for heap in known.heaps(domain)):
        return Way.FINAL, f"every message there is near or past the time after which a failure is final{last}"
    return Way.UNTRIED, f"no delivery and no attempt in the last minutes{last}"


def _just_now(lately: Lately, now: datetime) -> bool:
    """Whether a failure is so recent that another attempt would show nothing new."""
    return lately.failed is not None and now - lately.failed < AGAIN


def _said(lately: Lately, now: datetime) -> str:
    assert lately.failed is not None
    cause = lately.cause.value if lately.cause else "failure"
    return f'{cause} {duration(max(0.0, (now - lately.failed).total_seconds()))} ago: "{lately.text}"'


def is_young(known: Knowledge, heap: Heap) -> bool:
    """Whether the newest message of a heap may fail once more without a bounce."""
    return heap.newest is not None and heap.newest + known.cutoff(heap) > known.backlog.now + SAFETY


def _barriers(known: Knowledge, domain: str) -> tuple[dict[str, list[Hint]], ...]:
    """Return the hints that stop a destination: those on its routing, on all its hosts, or on all their names.

    Each of these alone stops every message; hints on only some of the hosts stop none, nor do those on one message.

    Returns:
        A mapping for each of these that applies: hints by host, with "" for the routing.
    """
    hints = [hint for hint in known.hints if not hint.message]
    routing = [hint for hint in hints if not hint.address and hint.domain == domain]
    about: dict[str, list[Hint]] = {ip: [] for ip in known.backlog.hosts.get(domain, ())}
    for hint in hints:
        if (ip := hint.ip) in about:
            about[ip].append(hint)
    names = known.backlog.names.get(domain, ())
    named = {name: [hint for hint in hints if hint.host == name] for name in names}
    return tuple(one for one in ({"": routing}, about, named) if one and all(one.values()))


def _waits_until(known: Knowledge, domain: str) -> datetime | None:
    """Return until when hints keep every message from being tried; None if one may be tried."""
    ends = [
        min(max(hint.next_try for hint in hints) for hints in barrier.values()) for barrier in _barriers(known, domain)
    ]
    return max(ends) if ends and max(ends) > known.backlog.now else None


def _hints_final(known: Knowledge, domain: str) -> datetime | None:
    """Return from when on hints on its routing, or on all its hosts, make a failure final; None if none do."""
    heaps = known.heaps(domain)
    if not heaps:
        return None
    least = min(known.cutoff(heap) for heap in heaps)
    ends = [
        max(
            min(hint.first_failed if hint.expired else hint.first_failed + least for hint in hints)
            for hints in barrier.values()
        )
        for barrier in _barriers(known, domain)
    ]
    return min(ends, default=None)


def _deadline(known: Knowledge, domain: str, heaps: Sequence[Heap]) -> datetime | None:
    ends = [heap.oldest + known.cutoff(heap) for heap in heaps if heap.oldest]
    if not ends:
        return None
    least = min(known.cutoff(heap) for heap in heaps)
    ends += [hint.first_failed + least for hint in known.hints if hint.address and hint.domain == domain]
    final = _hints_final(known, domain)
    return min([*ends, final] if final else ends)


# --- in words


def verdict(one: Destination, now: datetime) -> str:
    """Return what is left for a destination and why, in one line."""
    parts = []
    if one.count:
        assert one.oldest is not None
        parts.append(f"{plural(one.count, 'message')}, oldest {duration((now - one.oldest).total_seconds())}")
    if one.frozen:
        parts.append(f"{one.frozen} frozen (a person has to look)")
    if one.count:
        parts += [f"{one.way.value}: {one.why}" if one.way is not Way.PROVEN else f"{one.way.value}, {one.why}"]
        parts += [_bounces(one, now)] if one.way is not Way.PROVEN else []
    return f"{one.domain}: {'; '.join(parts)}"


def _bounces(one: Destination, now: datetime) -> str:
    if one.deadline is None:
        return "no bounce deadline is known"
    if one.deadline <= now:
        return f"A FAILED ATTEMPT BOUNCES since {one.deadline:%Y-%m-%d %H:%M} UTC"
    return f"a failed attempt bounces from {one.deadline:%Y-%m-%d %H:%M} UTC"


def row(one: Destination) -> dict[str, str | int]:
    """Return a destination as plain values, for the report."""
    raw = dataclasses.asdict(one)
    times = {key: raw[key].isoformat(timespec="seconds") if raw[key] else "" for key in ("oldest", "deadline")}
    return {**raw, **times, "way": one.way.value}
