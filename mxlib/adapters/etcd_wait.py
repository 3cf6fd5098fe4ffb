"""Whether a run that is to be taken over is dead: its lease of the slot shows it, in time."""

from collections.abc import Callable

from mxlib.adapters.etcd_slot import SlotView
from mxlib.base.clock import Clock
from mxlib.base.errors import SlotError
from mxlib.base.text import duration

_POLL_S = 1.0
_GRACE_S = 5.0
"""etcd removes what has run out a moment late."""


def wait_for_silence(look: Callable[[], SlotView], clock: Clock, say: Callable[[str], None]) -> bool:
    """Wait as long as a run may still be alive: until its lease runs out, or is renewed.

    In a single look a run that was killed a moment ago is like one that is alive; who wants to resume it would have to
    try again and again. A run that is alive renews its lease three times in the lease's length.

    Arguments:
        look: reads the slot.
        say: says what is waited for.

    Returns:
        Whether no run is alive that has the slot; True also where etcd does not answer, which the planner finds itself.
    """
    try:
        first = look()
        if not first.alive:
            return True
        end = clock.monotonic() + first.left_s + _GRACE_S
        say(f"the last sign of life of {first.alive} is fresh: waiting up to {duration(first.left_s)} for another")
        while clock.monotonic() < end:
            clock.sleep(_POLL_S)
            now = look()
            if not now.alive:
                return True
            if (now.alive, now.beat) != (first.alive, first.beat):
                return False
    except SlotError:
        return True
    return False
