"""What one run of the campaign is made of, drawn from its seed: the same seed, the same choices."""

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.campaign.before import BEFORE
from lab.campaign.disturbances import DISTURBANCES
from lab.place import EXCHANGERS
from lab.shell import LabError

STEPS = (
    "guard", "slot", "claim", "silence", "pool out", "close ports", "drain", "stop and hold", "ledger",
    "boot entries", "reboot", "await boot", "power on", "await boot again", "repair", "prove outbound", "start MTA",
    "prove inbound", "open ports", "pool in", "keep kernel", "soak", "unsilence", "release",
)  # fmt: skip
"""Steps of a run after which a disturbance may begin; "guard" is before the first.

The others (mend, turn back, found boot and the like) are taken only where something has gone wrong before.
"""
COLD = ("power on", "await boot again")
"""Those of a cold start alone, whose first wait ends when the machine is off."""
_AGAIN = " again"
AHEAD = "before"
"""Instead of a step: it is so before the run begins."""
NAMES = (*DISTURBANCES, *BEFORE)
"""All that can be drawn."""
DEPTHS = (0, 10, 60)
SAME_KERNEL = 0.25
"""Share of the cold starts that boot the running kernel again."""
LATEST_S = 150.0
"""A disturbance without a step begins this long after the run at the latest."""


@dataclass(frozen=True)
class TimedDisturbance:
    """A disturbance and its time.

    Attributes:
        name: of the disturbance.
        step: the step after which it begins; empty: a time; :data:`AHEAD`.
        after: seconds after the step, or after the beginning of the run.
        lasts: seconds.
    """

    name: str
    step: str
    after: float
    lasts: float

    def due(self, taken: Sequence[str]) -> bool:
        """Whether its step is among those that were done, or it has none; "again": for the second time."""
        step = self.step.removesuffix(_AGAIN)
        return step in ("", STEPS[0]) or taken.count(step) > (step != self.step)


@dataclass(frozen=True)
class Scenario:
    """One run.

    Attributes:
        seed: of the campaign.
        number: of the run in it, from 1.
        mx: name of the exchanger.
        host: which management host begins, 0 or 1.
        level: "guest" or "cold".
        depth: messages in the queue at the beginning.
        moments: what happens, in no order.
        options: of the command, beside seed and number: they narrow what is drawn.
        kernel: release into which the exchanger is rebooted; empty: what it runs when the run begins decides.
        same_kernel: it is started cold into the kernel that it runs; else it is rebooted into the other one.
    """

    seed: int
    number: int
    mx: str
    host: int
    level: str
    depth: int
    moments: tuple[TimedDisturbance, ...]
    options: str = ""
    kernel: str = ""
    same_kernel: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def draw(seed: int, number: int, only: Sequence[str] = (), step: str = "", *, deal: bool = False) -> Scenario:
    """Draw a run.

    Arguments:
        seed: of the campaign.
        number: of the run in it; it decides, with the seed, on everything.
        only: names of the disturbances to draw from; none: all.
        step: the step after which they begin; empty: drawn as well.
        deal: one disturbance, dealt instead of drawn: see :func:`_dealt`.

    Raises:
        LabError: there is no disturbance, or no step, of that name.
    """
    for name in only:
        if name not in NAMES:
            raise LabError(f"unknown disturbance {name!r}: expected one of {', '.join(NAMES)}")
    if step and step not in STEPS:
        raise LabError(f"unknown step {step!r}: expected one of {', '.join(STEPS)}")
    dice = random.Random(f"{seed}/{number}")  # noqa: S311
    level = dice.choice(("guest", "guest", "cold"))
    mx, host, depth = dice.choice(EXCHANGERS).name, dice.randrange(2), dice.choice(DEPTHS)
    names = [name for name in NAMES if not only or name in only]
    if deal:
        name, at = _dealt(seed, number, names)
        chosen, step = [name], step or at
    else:
        chosen = _together(dice.sample(names, min(len(names), dice.choice((1, 1, 2, 3)))))
    level = "cold" if step in COLD else next((BEFORE[name].level for name in chosen if name in BEFORE), "") or level
    steps = [one for one in STEPS if level == "cold" or one not in COLD]
    moments = tuple(_moment(dice, name, step, steps) for name in chosen)
    # what is so before a run needs the boot of the other kernel, or is about the network of a cold start alone
    same_kernel = level == "cold" and not BEFORE.keys() & chosen and dice.random() < SAME_KERNEL
    return Scenario(seed, number, mx, host, level, depth, moments, same_kernel=same_kernel)


def _dealt(seed: int, number: int, names: Sequence[str]) -> tuple[str, str]:
    """Return the disturbance and the step of a run, each from a deck of its own that the seed has shuffled.

    As many runs as there are disturbances play each of them once, and their product with the number of steps plays
    every pair; what is so before a run has no step. Nothing else happens in such a run, as it might end it first.
    """
    shuffle = random.Random(seed)  # noqa: S311
    names, steps = shuffle.sample(names, len(names)), shuffle.sample(STEPS, len(STEPS))
    deals, card = divmod(number - 1, len(names))
    if names[card] in BEFORE:
        return names[card], ""
    # no step is dealt to what is so before
    stepping = [name for name in names if name not in BEFORE]
    turn = deals * len(stepping) + stepping.index(names[card])
    # both decks begin again together after this many runs: one card of one of them is passed over then
    together = math.lcm(len(stepping), len(steps))
    return names[card], steps[(turn + turn // together) % len(steps)]


def _together(names: Sequence[str]) -> list[str]:
    """Return what can be in one run of what was drawn: one fault before it, and one that stands alone does."""
    ahead = [name for name in names if name in BEFORE]
    if ahead and BEFORE[ahead[0]].alone:
        return ahead[:1]
    return [name for name in names if name not in ahead[1:]]


def _moment(dice: random.Random, name: str, step: str, steps: Sequence[str]) -> TimedDisturbance:
    if name in BEFORE:
        return TimedDisturbance(name, AHEAD, 0.0, 0.0)
    lasts = DISTURBANCES[name].lasts
    at = dice.choice((*steps, *[""] * 5))
    after = dice.uniform(0, LATEST_S) if not at else dice.choice((0.0, dice.uniform(0, 5)))
    seconds = dice.uniform(lasts / 3, lasts)
    if step:
        at, after = step, 0.0
    return TimedDisturbance(name, at, round(after, 1), round(seconds, 1))
