"""Judging the watch between two hosts of a roll: whether a kernel has proven itself under real mail. Pure.

Evidence ends it, never the clock alone: enough recipients got real mail, the queue does not grow, and no class of error
has come up that the MXs did not have before the roll and no other MX has now. The bound only says when to stop waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median

from mxlib.base.text import duration, plural
from mxlib.config.roll import RollSoak
from mxlib.mta.event import Cause
from mxlib.protocols.operator import Share


class SoakState(Enum):
    """What the watch says so far."""

    PASSED = "passed"
    WAIT = "wait"
    FAILED = "failed"
    """Something is wrong: the roll stops, until a person has looked."""
    SHORT = "short"
    """The bound is reached, the evidence is not enough, and nothing was wrong: the roll stops, the next one watches."""


@dataclass(frozen=True)
class Watched:
    """What was seen since the watch began.

    Attributes:
        seconds: how long it has lasted.
        delivered: recipients that got real mail, all hosts together.
        queues: for each host the messages in its queue, look by look.
        causes: messages that each class of error hit, all hosts together.
        known: classes that the MXs had before the roll, or that other MXs have now.
        alerts: what fires, or why that is unknown; empty: nothing does, or the site has nobody to ask.
        unread: why a host could not be read the last time; empty: all could.
    """

    seconds: float
    delivered: int = 0
    queues: Mapping[str, Sequence[int]] = field(default_factory=dict)
    causes: Mapping[Cause, int] = field(default_factory=dict)
    known: frozenset[Cause] = frozenset()
    alerts: str = ""
    unread: str = ""


def judge(seen: Watched, limits: RollSoak) -> tuple[SoakState, str]:
    """Return what the watch says, and why."""
    if wrong := _new_errors(seen, limits):
        return SoakState.FAILED, wrong
    missing = [*_missing(seen, limits)]
    said = f"{plural(seen.delivered, 'real delivery').replace('deliverys', 'deliveries')} in {duration(seen.seconds)}"
    if not missing and seen.seconds >= limits.seconds:
        return SoakState.PASSED, f"{said}, queue flat, no new class of error"
    if seen.seconds >= limits.limit:
        # a later watch would begin with the long queue, and find it flat
        bad = SoakState.FAILED if _grown(seen, limits) else SoakState.SHORT
        return bad, f"after {duration(limits.limit)}: {'; '.join(missing)}"
    return SoakState.WAIT, f"{said}; {'; '.join(missing) or 'all is well so far'}"


def so_far(seen: Watched, limits: RollSoak) -> Share:
    """How much of the least evidence there is: of the time or of the deliveries, whichever lacks more.

    Arguments:
        seen: what was seen.
        limits: what the site says.
    """
    delivered = seen.delivered / limits.deliveries if limits.deliveries else 1.0
    return Share(min(1.0, seen.seconds / limits.seconds, delivered), 1.0)


def _new_errors(seen: Watched, limits: RollSoak) -> str:
    known = seen.known | {Cause.UNTRIED}
    new = {cause: count for cause, count in seen.causes.items() if cause not in known}
    for cause, count in sorted(new.items(), key=lambda one: one[0].value):
        if count > (0 if cause is Cause.TIMEOUT_AFTER_DATA else limits.errors):
            return f"a new class of error: {cause.value}, {plural(count, 'message')}, which no other MX has now"
    return ""


def _missing(seen: Watched, limits: RollSoak) -> list[str]:
    """What the proof still lacks."""
    wrong = []
    if seen.unread:
        wrong.append(seen.unread)
    if seen.alerts:
        wrong.append(seen.alerts)
    if seen.delivered < limits.deliveries:
        wrong.append(f"{seen.delivered} of {limits.deliveries} real deliveries")
    return [*wrong, *_grown(seen, limits)]


def _grown(seen: Watched, limits: RollSoak) -> list[str]:
    grown = {host: growth(counts) for host, counts in seen.queues.items()}
    return [f"the queue of {host} has grown by {by:.0f} messages" for host, by in grown.items() if by > limits.growth]


def growth(counts: Sequence[int]) -> float:
    """Messages by which a queue has grown: the median of the last third of the looks less that of the first third.

    A spike in a single look does not count.
    """
    if not counts:
        return 0.0
    third = max(1, len(counts) // 3)
    return median(counts[-third:]) - median(counts[:third])
