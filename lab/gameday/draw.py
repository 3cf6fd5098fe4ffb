"""What a game is made of, drawn from its seed: the same seed and level, the same choices."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.faults import catalogue
from lab.gameday.monitoring import FiredAlert
from lab.gameday.riddles import HOST, RIDDLES, Riddle
from lab.place import EXCHANGERS, exchanger
from lab.shell import LabError

LEVELS = (1, 2, 3)
HERRING_REASON = "a new certificate is tried here, back at 3 - anna"
"""Why Puppet is disabled where that is the red herring: somebody's own work, to be left alone."""


@dataclass(frozen=True)
class Breakage:
    """A fault, and the short name of the exchanger that it is put on; ignored by faults of a service."""

    fault: str
    mx: str

    @property
    def riddle(self) -> Riddle:
        """What it is in a game."""
        return RIDDLES[self.fault]

    @property
    def where(self) -> str:
        """What is at fault: the exchanger's short name, or a service."""
        return self.mx if self.riddle.where == HOST else self.riddle.where


@dataclass(frozen=True)
class Drawn:
    """What a game begins with.

    Attributes:
        herring: short name of the exchanger on which something looks wrong and is not; empty: none.
    """

    seed: int
    level: int
    breakages: tuple[Breakage, ...]
    herring: str = ""


def draw(seed: int, level: int, only: Sequence[str] = ()) -> Drawn:
    """Draw a game.

    Arguments:
        level: 1, 2 or 3.
        only: names of the faults to draw from; none: all.

    Raises:
        LabError: there is no such level or fault, or two that can be together cannot be drawn from these.
    """
    if level not in LEVELS:
        raise LabError(f"level {level}: expected one of {', '.join(map(str, LEVELS))}")
    names = [catalogue.find(name).name for name in only] or list(RIDDLES)
    dice = random.Random(f"{seed}/{level}")  # noqa: S311
    dice.shuffle(names)
    hosts = [mx.name for mx in EXCHANGERS]
    dice.shuffle(hosts)
    chosen = names[:1] if level == 1 else _pair(names)
    breakages = tuple(Breakage(name, hosts[at]) for at, name in enumerate(chosen))
    return Drawn(seed, level, breakages, dice.choice(hosts) if level == LEVELS[-1] else "")


def unheard(drawn: Drawn, alerts: Iterable[FiredAlert]) -> list[Breakage]:
    """Return the faults of which neither an alert nor a ticket tells.

    A task tells nothing, as a whole lab has them, too, nor does what the red herring fires. What every exchanger has
    is a service's, where one is at fault.
    """
    herring = drawn.herring and exchanger(drawn.herring).fqdn
    told = [
        one for one in alerts
        if one.labels.get("severity") != "task" and (one.labels.get("check"), one.host) != ("puppet", herring)
    ]  # fmt: skip
    hosts = {exchanger(one.mx).fqdn for one in drawn.breakages if one.riddle.where == HOST}
    has_service = len(hosts) < len(drawn.breakages)
    common = [one for one in told if all(_like(one, mx.fqdn) in map(_like, told) for mx in EXCHANGERS)]

    def is_heard(one: Breakage) -> bool:
        if one.riddle.where != HOST:
            return any(alert.host not in hosts or alert in common for alert in told)
        fqdn = exchanger(one.mx).fqdn
        return any(alert.host == fqdn and not (has_service and alert in common) for alert in told)

    return [one for one in drawn.breakages if not is_heard(one)]


def _like(alert: FiredAlert, host: str = "") -> tuple[str, str, str]:
    """Return what an alert is about: its name, its check, and the host, or another one."""
    return (alert.name, alert.labels.get("check", ""), host or alert.host)


def _pair(names: Sequence[str]) -> list[str]:
    """Return the first two of different kinds. Each has a host of its own, so that neither hides the other.

    Raises:
        LabError: there are none.
    """
    first, *others = names
    kind = RIDDLES[first].kind
    for other in others:
        if not kind or RIDDLES[other].kind != kind:
            return [first, other]
    raise LabError(f"two faults that can be together: none among {', '.join(names)}")
