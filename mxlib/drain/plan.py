"""Deciding how a queue is drained: which destinations are tried, which are left alone, and until when. Pure.

Invariants:

* No message is forced: a proven destination has its stale hints cleared, and then an ordinary attempt goes through.
* A message is tried only if a failed attempt would leave it in the queue, or if its destination was just proven: past
  the retry cutoff, counted from the arrival of the message or from the first failure of its hosts, a failed attempt is
  final.
* Frozen messages are not touched.
* Hints are cleared only where a delivery after them proves them stale, and those on a single message only while one
  more failure would leave it in the queue.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mxlib.drain.judge import SAFETY, Destination, Knowledge, Way, is_young
from mxlib.mta.backlog import UNKNOWN, Hint, Try

CANARIES = 3
"""How many messages are tried at a destination of which nothing is known, to see whether it takes mail."""


@dataclass(frozen=True)
class Orders:
    """What is tried now.

    Attributes:
        tries: which messages.
        spared: recipients whose messages are left alone, and keys of single messages that are: one more failure may be
            final.
        clear: hints that a delivery has proven stale.
    """

    tries: tuple[Try, ...]
    spared: tuple[str, ...]
    clear: tuple[Hint, ...]


def order(known: Knowledge, destinations: Iterable[Destination]) -> Orders:
    """Decide what is tried now, and which hints are cleared before."""
    found = tuple(destinations)
    tries = tuple(one for destination in found if destination.way.open for one in _tries(known, destination))
    clear = tuple(_stale(known, found))
    cleared = {hint.key for hint in clear}
    kept = [hint for hint in known.hints if hint.key not in cleared]
    spared = {hint.address for hint in kept if hint.address and _near(known, hint)}
    spared |= {hint.message for hint in kept if hint.message and _message_near(known, hint)}
    return Orders(tries, tuple(sorted(spared)), clear)


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
    """Yield the hints that are older than a delivery to their destination.

    A hint on a single recipient stays if a message is past its cutoff: without the hint the recipient would be tried,
    and a destination that takes mail does not prove that this recipient does. Nor does a host that takes mail prove
    that it takes the one message that it deferred: its hint stays where one more failure may be final. Otherwise the
    message is tried, as what times out after the end of its data leaves such a hint on each message, and these
    wait for hours after the fault is gone.
    """
    proven = {one.domain: one for one in destinations if one.way is Way.PROVEN}
    for hint in known.hints:
        if hint.message and _message_near(known, hint):
            continue
        if hint.host:
            took = _taken_by(known, hint.host)
        else:
            took = known.backlog.took.get(hint.ip) if hint.ip else _proof(known, hint, proven.get(hint.domain))
        # the log has whole seconds
        if took is not None and hint.last_try <= took:
            yield hint


def _proof(known: Knowledge, hint: Hint, destination: Destination | None) -> datetime | None:
    if destination is None or (hint.address and _aged(known, destination.domain)):
        return None
    return known.backlog.lately[destination.domain].delivered


def _taken_by(known: Knowledge, host: str) -> datetime | None:
    """When a host, by its name, last took a message for a destination that has no other host."""
    its_own = (domain for domain, names in known.backlog.names.items() if names == {host})
    times = (known.backlog.lately[domain].delivered for domain in its_own if domain in known.backlog.lately)
    return max((one for one in times if one), default=None)


def _aged(known: Knowledge, domain: str) -> bool:
    """Whether a message to a destination is close to its cutoff, or past it."""
    limit = known.backlog.now + SAFETY
    return any(heap.oldest + known.cutoff(heap) <= limit for heap in known.heaps(domain) if heap.oldest)


def _near(known: Knowledge, hint: Hint) -> bool:
    """Whether one more failure of a recipient may be final."""
    if hint.expired or _aged(known, hint.domain):
        return True
    default = known.give_up.after(hint.domain, "-")
    least = min((known.cutoff(heap) for heap in known.heaps(hint.domain)), default=default)
    return hint.first_failed + least <= known.backlog.now + SAFETY


def _message_near(known: Knowledge, hint: Hint) -> bool:
    """Whether one more failure of the message that a hint is about may be final, by the rules of where it may go."""
    heaps = [heap for heap in known.backlog.heaps if _may_be_at(known, heap.domain, hint)]
    least = min((known.cutoff(heap) for heap in heaps), default=known.give_up.after(UNKNOWN, "-"))
    since = min(hint.first_failed, hint.arrived or hint.first_failed)
    return hint.expired or since + least <= known.backlog.now + SAFETY


def _may_be_at(known: Knowledge, domain: str, hint: Hint) -> bool:
    """Whether mail to a destination may go to the host of a hint: where its hosts are unknown, it may."""
    hosts = known.backlog.names if hint.host else known.backlog.hosts
    return (hint.host or hint.ip) in hosts.get(domain, (hint.host or hint.ip,))


def window(known: Knowledge, destinations: Iterable[Destination], seconds: float) -> tuple[float, str]:
    """Limit the time of a drain: the MTA's own queue runners must stop before they bounce mail to a broken destination.

    Arguments:
        seconds: the time that is left.

    Returns:
        Seconds from now, and why they are fewer than those left; empty if they are not.
    """
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

    While mail arrives, some message is always under way: within the bound, only messages that have settled count.

    Arguments:
        bound: messages that may stay.
        settled: seconds after which a message counts as settled.
    """
    open_ = [one for one in destinations if one.way.open and one.count]
    if known.backlog.total > bound:
        return bool(open_)
    limit = known.backlog.now - timedelta(seconds=settled)
    return any(one.oldest is not None and one.oldest < limit for one in open_)
