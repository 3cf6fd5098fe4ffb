"""Deciding how a queue is drained: which destinations are tried, which are left alone, and until when. Pure.

What holds for every order:

* A message is forced by nobody: what is proven has its stale hints cleared, and then an ordinary attempt goes through.
* A message is tried only if an attempt that fails would leave it in the queue, or if its destination was just proven:
  past the retry cutoff, counted from the arrival of the message or from the first failure of its hosts, a failed
  attempt is final.
* Frozen messages are not touched.
* Hints are cleared only where a delivery after them proves them stale.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mxlib.drain.judge import SAFETY, Destination, Knowledge, Way, is_young
from mxlib.mta.backlog import Hint, Try

CANARIES = 3
"""So many messages show whether an end that nothing is known of takes mail."""


@dataclass(frozen=True)
class Orders:
    """What is tried now.

    Attributes:
        tries: which messages.
        spared: recipients whose messages are left alone, as one more failure about them may be final.
        clear: hints that a delivery has proven stale.
    """

    tries: tuple[Try, ...]
    spared: tuple[str, ...]
    clear: tuple[Hint, ...]


def order(known: Knowledge, destinations: Iterable[Destination]) -> Orders:
    """What is tried now, and which hints are cleared before.

    Arguments:
        known: what is known.
        destinations: as judged.
    """
    found = tuple(destinations)
    tries = tuple(one for destination in found if destination.way.open for one in _tries(known, destination))
    clear = tuple(_stale(known, found))
    cleared = {hint.key for hint in clear}
    kept = (hint for hint in known.hints if hint.address and hint.key not in cleared)
    return Orders(tries, tuple(sorted({hint.address for hint in kept if _near(known, hint)})), clear)


def _tries(known: Knowledge, destination: Destination) -> Iterator[Try]:
    for heap in known.heaps(destination.domain):
        if not heap.count:
            continue
        if destination.way is Way.PROVEN:
            yield Try(heap.domain, heap.senders, None, heap.count)
        elif is_young(known, heap):
            youngest = known.backlog.now + SAFETY - known.cutoff(heap)
            yield Try(heap.domain, heap.senders, youngest, CANARIES)


def _stale(known: Knowledge, destinations: Iterable[Destination]) -> Iterator[Hint]:
    """Hints older than a delivery to what they are about.

    Those about a single recipient stay where a message is past its cutoff: cleared, the recipient would be tried, and
    that the destination takes mail does not prove that this recipient does.
    """
    proven = {one.domain: one for one in destinations if one.way is Way.PROVEN}
    for hint in known.hints:
        took = known.backlog.took.get(hint.ip) if hint.ip else _proof(known, hint, proven.get(hint.domain))
        # the log tells whole seconds
        if took is not None and hint.last_try <= took:
            yield hint


def _proof(known: Knowledge, hint: Hint, destination: Destination | None) -> datetime | None:
    if destination is None or (hint.address and _aged(known, destination.domain)):
        return None
    return known.backlog.lately[destination.domain].delivered


def _aged(known: Knowledge, domain: str) -> bool:
    """Whether a message to a destination is near or past its own cutoff."""
    limit = known.backlog.now + SAFETY
    return any(heap.oldest + known.cutoff(heap) <= limit for heap in known.heaps(domain) if heap.oldest)


def _near(known: Knowledge, hint: Hint) -> bool:
    """Whether one more failure about a recipient may be final."""
    if hint.expired or _aged(known, hint.domain):
        return True
    default = known.give_up.after(hint.domain, "-")
    least = min((known.cutoff(heap) for heap in known.heaps(hint.domain)), default=default)
    return hint.first_failed + least <= known.backlog.now + SAFETY


def window(known: Knowledge, destinations: Iterable[Destination], seconds: float) -> tuple[float, str]:
    """How long may be drained: the MTA's own runners go on meanwhile, and where a way is known to be broken they must
    be stopped before they give up on a message.

    Arguments:
        known: what is known.
        destinations: as judged.
        seconds: how long it may take anyway.

    Returns:
        Seconds from now, and why they are fewer than given; empty if they are not.
    """  # noqa: D205
    now = known.backlog.now
    ahead = [
        (one.deadline, one.domain)
        for one in destinations
        if not one.way.open and one.count and one.deadline and one.deadline > now + SAFETY
    ]
    if not ahead:
        return seconds, ""
    deadline, domain = min(ahead)
    left = (deadline - SAFETY - now).total_seconds()
    if left >= seconds:
        return seconds, ""
    return left, f"from {deadline:%H:%M} UTC on a failed attempt to {domain} bounces"


def may_go_on(known: Knowledge, destinations: Iterable[Destination], bound: int, settled: float) -> bool:
    """Whether another round has something to do.

    While mail arrives there is always a message under way: within the bound, only those that lie there longer count.

    Arguments:
        known: what is known.
        destinations: as judged.
        bound: messages that may stay.
        settled: seconds after which a message counts as lying there.
    """
    open_ = [one for one in destinations if one.way.open and one.count]
    if known.backlog.total > bound:
        return bool(open_)
    limit = known.backlog.now - timedelta(seconds=settled)
    return any(one.oldest is not None and one.oldest < limit for one in open_)
