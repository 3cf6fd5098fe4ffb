"""One survey of the whole queue of a host: what waits, for which destinations, and their state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, ParseError
from mxlib.base.text import duration, one_line, plural
from mxlib.drain import judge as drain_judge
from mxlib.drain.judge import Destination, Knowledge
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.mta.backlog import Assumed, GiveUp
from mxlib.mta.find import find
from mxlib.mta.protocol import Mta
from mxlib.protocols.world import World

_AGAIN_S = 3.0
_SILENT_S = 120.0
"""How long a host that does not answer is asked again."""
_SHOWN = 6
_NAME = 80
_T = TypeVar("_T")


@dataclass(frozen=True)
class Survey:
    """One survey of the whole queue.

    Attributes:
        known: what the destinations were judged by.
        destinations: the destinations, judged.
        mark: where the log ended when the queue was counted.
        at: when it was taken, by the monotonic clock.
    """

    known: Knowledge
    destinations: tuple[Destination, ...]
    mark: str
    at: float

    @property
    def total(self) -> int:
        """Messages in the queue."""
        return self.known.backlog.total

    @property
    def triable(self) -> int:
        """Messages to destinations that are tried."""
        return sum(one.count for one in self.destinations if one.way.open)


def first_survey(
    world: World, also: Sequence[Source[Any]] = (), keep: Callable[[Facts], None] = lambda _facts: None
) -> tuple[GiveUp, Survey]:
    """Read when the MTA gives up, and take a survey: in one round trip where no message is told apart by its sender.

    Classes of senders are known only from the rules, so a queue that the rules tell apart is read once more with them;
    an empty one has no sender.

    If the rules are unknown, that is said, and the site's assumption takes their place.

    Arguments:
        also: what is read in the same round trip.
        keep: is given what was read where the queue is empty, so that nothing comes of the survey.

    Raises:
        mxlib.base.errors.ParseError: something else is unknown.
        mxlib.base.errors.HostError: the host does not answer.
    """
    mta = find(world.site.mta)
    facts = patiently(world, lambda: read_facts(world.target, (mta.give_up, *_sources(mta, ()), *also)))
    rules, waiting = _rules(world, facts), facts.get(mta.waiting(()))
    if not waiting.total:
        keep(facts)
    told_apart = rules.classes and waiting.heaps
    return rules, survey(world, rules) if told_apart else _survey(world, rules, facts)


def _rules(world: World, facts: Facts) -> GiveUp:
    try:
        return facts.get(find(world.site.mta).give_up)
    except ParseError as error:
        assumed = world.site.drain.retry_cutoff
        why = one_line(str(error))
        world.operator.line(f"{why}: the MTA is assumed to give up after {duration(assumed)}")
        return Assumed(assumed)


def survey(world: World, rules: GiveUp) -> Survey:
    """Take a survey. The mark is read first, so that nothing is missed between the count and what follows.

    Raises:
        mxlib.base.errors.ParseError: something is unknown.
        mxlib.base.errors.HostError: the host does not answer.
    """
    sources = _sources(find(world.site.mta), rules.classes)
    return _survey(world, rules, patiently(world, lambda: read_facts(world.target, sources)))


def _sources(mta: Mta, classes: tuple[str, ...]) -> tuple[Source[Any], ...]:
    return (mta.mark, mta.waiting(classes), *((mta.hints,) if mta.can.hints else ()))


def _survey(world: World, rules: GiveUp, facts: Facts) -> Survey:
    mta = find(world.site.mta)
    waiting = mta.waiting(rules.classes)
    hints = facts.get(mta.hints) if mta.can.hints else ()
    known = Knowledge(facts.get(waiting), hints, rules)
    return Survey(known, drain_judge.judge(known), facts.get(mta.mark), world.clock.monotonic())


def patiently(world: World, ask: Callable[[], _T]) -> _T:
    """Ask again if the host does not answer: our runners work on, and a host that delivers much is slow.

    Raises:
        mxlib.base.errors.HostError: the host has not answered for two minutes.
    """
    end = world.clock.monotonic() + _SILENT_S
    while True:
        try:
            return ask()
        except (HostUnreachableError, CommandTimeoutError) as error:
            if world.clock.monotonic() >= end:
                raise
            world.operator.live(f"drain: {one_line(str(error), 100)}; asked again")
            world.clock.sleep(_AGAIN_S)


def what_is_left(found: Survey) -> list[str]:
    """Return what is left and why, a line for each destination, those with most messages first."""
    now = found.known.backlog.now
    lines = [drain_judge.verdict(one, now) for one in found.destinations]
    if len(lines) > _SHOWN:
        rest = found.destinations[_SHOWN:]
        lines[_SHOWN:] = [f"{plural(len(rest), 'more destination')}, {sum(one.count for one in rest)} messages"]
    return lines


def by_destination(found: Sequence[Destination]) -> dict[str, int]:
    """Return the number of messages by destination, frozen ones included: the largest by name, the rest in one sum.

    Arguments:
        found: judged destinations, most messages first.
    """
    counts = {one_line(one.domain, _NAME): one.count + one.frozen for one in found[:_SHOWN]}
    rest = sum(one.count + one.frozen for one in found[_SHOWN:])
    return {**counts, **({f"{len(found) - _SHOWN} others": rest} if rest else {})}
