"""Whether the run that is to be taken over is dead: its lease of the slot says so, if one waits for it."""

from collections.abc import Callable

from mxlib.adapters.etcd_slot import SlotView
from mxlib.base.clock import Clock
from mxlib.base.errors import SlotError
from mxlib.base.text import duration

_POLL_S = 1.0
_GRACE_S = 5.0
"""etcd removes what has run out a moment late."""


def wait_for_silence(look: Callable[[], SlotView], clock: Clock, tell: Callable[[str], None]) -> bool:
    """Wait as long as a run may still be alive: until its lease runs out, or is renewed.

    A run that was killed a moment ago cannot be told from a living one by a single look; who wants to go on with it
    would have to try again and again. A living one renews its lease three times in its length and is known at once.

    Arguments:
        look: reads the slot.
        clock: the time to wait in.
        tell: says what is waited for.

    Returns:
        Whether nobody lives who has the slot; also where that cannot be asked, which the planner finds by itself.
    """
    try:
        first = look()
        if not first.alive:
            return True
        end = clock.monotonic() + first.left_s + _GRACE_S
        tell(f"the last sign of life of {first.alive} is fresh: waiting up to {duration(first.left_s)} for another")
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
