"""The drain: survey the queue, judge each destination, start our queue runners on what may be tried, watch, repeat."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mxlib.base.clock import pauses
from mxlib.base.errors import HostError, ParseError, StepError
from mxlib.base.text import duration, one_line, plural
from mxlib.config.probes import OutboundProbe
from mxlib.drain import judge as drain_judge
from mxlib.drain import plan as drain_plan
from mxlib.drain import runners
from mxlib.drain.judge import Way
from mxlib.drain.plan import Orders
from mxlib.drain.survey import Survey, by_destination, first_survey, patiently, survey, what_is_left
from mxlib.facts.source import Facts, Source
from mxlib.model.record import Record
from mxlib.mta.backlog import Assumed, GiveUp
from mxlib.mta.find import find
from mxlib.probes import outbound as probe_outbound
from mxlib.protocols.operator import Share
from mxlib.protocols.world import Done, World

_POLL_S = 3.0
"""Longest pause between looks at our runners: a queue of three messages is empty after a moment."""
_FIRST_POLL_S = 1.0
"""Each look costs the host what a delivery does."""
_LOOKING = 0.1
"""Most of the time that looks may take: on a slow host they are further apart, as deliveries are slow there, too."""
_LONGEST_POLL_S = 10.0
_PAUSE_S = 10.0
"""Pause after a round without effect."""
_SETTLED_S = 60.0
_TELLING = 10
"""How many messages must be completed before their rate says how long the rest takes: the first second said 3 hours."""


def empty(
    world: World,
    meanwhile: Callable[[], None] = lambda: None,
    also: Sequence[Source[Any]] = (),
    keep: Callable[[Facts], None] = lambda _facts: None,
    *,
    mine: Record | None = None,
    acting: Callable[[], None] = lambda: None,
) -> Done:
    """Empty the queue as far as the remote ends allow; then the bound decides. Needs no claim on the host.

    Arguments:
        meanwhile: is called every few seconds; what it raises ends the drain.
        also: what is read in the same round trip as the queue is first.
        keep: is given what was read so where the queue is empty, and nothing is done.
        mine: the record of our own run on the host; None: nobody may have claimed it.
        acting: is called once something may have been changed; test mails change nothing.

    Raises:
        mxlib.base.errors.StepError: more is left than the bound allows; its evidence is what is left, and why.
        mxlib.base.errors.FencedError: another run has claimed the host: its queue is left to that run.
    """
    return _Drain(world, meanwhile, mine, acting).run(also, keep)


def forget_stale(world: World, known: Facts | None = None, *, mine: Record | None = None) -> None:
    """Before the MTA starts, clear the retry hints that a delivery proves stale: past their cutoff they bounce mail.

    If there are hints, a small test mail goes to each destination that has a probe. A destination that is not proven
    keeps its hints. Works while the MTA is held.

    Arguments:
        known: what was just read of the host; where it shows that there are no hints, nothing is read again.
        mine: the record of our own run on the host; None: nobody may have claimed it.
    """
    if known is not None and _has_no_hints(world, known):
        return
    try:
        _Drain(world, mine=mine).forget_stale()
    except (ParseError, StepError) as error:
        world.operator.line(f"no retry hint was cleared: {one_line(str(error))}")


def _has_no_hints(world: World, known: Facts) -> bool:
    mta = find(world.site.mta)
    return mta.can.hints and known.all_known([mta.hints]) and not known.get(mta.hints)


def rehearse(world: World) -> Done:
    """Survey and judge as :func:`empty` does, and show what it would do; no test mail is sent, no hint cleared."""
    return _Drain(world).rehearse()


class _Drain:
    """One drain."""

    def __init__(
        self,
        world: World,
        meanwhile: Callable[[], None] = lambda: None,
        mine: Record | None = None,
        acting: Callable[[], None] = lambda: None,
    ):
        self._world = world
        # not for test mails: they take minutes, and nobody may be kept from the host's lock for so long
        self._guarded = runners.guarded(world, mine, acting)
        self._meanwhile = meanwhile
        self._mta = find(world.site.mta)
        self._rules: GiveUp = Assumed(world.site.drain.retry_cutoff)
        self._begin = world.clock.monotonic()
        self._end = self._begin + world.options.drain_timeout
        self._short = ""
        self._before = 0
        self._delivered = 0
        self._started = False

    def run(self, also: Sequence[Source[Any]], keep: Callable[[Facts], None]) -> Done:
        found = self._first_survey(also, keep)
        self._before = found.total
        if self._prove(found):
            found = self._survey()
        self._say(found)
        try:
            found = self._rounds(found)
        finally:
            if self._started:
                runners.stop(self._guarded)
        return self._result(found)

    def rehearse(self) -> Done:
        found = self._first_survey()
        self._say(found)
        for probe in self._probes(found):
            self._world.operator.line(f"would send a test mail to {probe.to}")
        orders = drain_plan.order(found.known, found.destinations)
        for hint in orders.clear:
            self._world.operator.line(f"would clear the retry hint {hint.key}")
        for one in orders.tries:
            what = f"{plural(one.limit, 'message')} to {one.domain}"
            self._world.operator.line(f"would try {what}: {self._mta.attempt_words}")
        return Done("dry run: nothing was tried")

    def forget_stale(self) -> None:
        if not self._mta.can.hints:
            return
        found = self._first_survey()
        if not found.known.hints:
            return
        self._send([_small(probe) for probe in self._world.site.probes.outbound])
        found = self._survey()
        runners.clear(self._guarded, drain_plan.order(found.known, found.destinations).clear)

    # --- reading

    def _first_survey(
        self, also: Sequence[Source[Any]] = (), keep: Callable[[Facts], None] = lambda _facts: None
    ) -> Survey:
        self._rules, found = first_survey(self._world, also, keep)
        return self._seen(found)

    def _survey(self) -> Survey:
        return self._seen(survey(self._world, self._rules))

    def _seen(self, found: Survey) -> Survey:
        self._world.events.write("queue", left=found.total, by=by_destination(found.destinations))
        return found

    def _prove(self, found: Survey) -> bool:
        """Send a small test mail to each unproven destination that has a probe; return whether any was sent."""
        chosen = self._probes(found)
        if not chosen:
            return False
        names = ", ".join(probe.name for probe in chosen)
        self._world.operator.line(f"drain: a test mail to each of {names} shows which take mail now")
        self._send(chosen)
        return True

    def _send(self, chosen: Sequence[OutboundProbe]) -> None:
        """Send test mails, even where hints forbid an attempt: their result is in the log afterwards."""
        section, mails = self._world.site.probes, probe_outbound.plan_mails(chosen)
        target, run = self._world.target, self._world.run
        self._world.operator.busy(f"drain: {plural(len(mails), 'test mail')} under way")
        try:
            probe_outbound.send(self._mta, target, mails, section.sender, run, section.timeout, force=True)
        except (HostError, ParseError) as error:
            self._world.operator.line(f"drain: the test mails prove nothing: {one_line(str(error))}")

    def _probes(self, found: Survey) -> list[OutboundProbe]:
        wanted = {one.domain for one in found.destinations if one.count and one.way is not Way.PROVEN}
        outbound = self._world.site.probes.outbound
        return [_small(probe) for probe in outbound if probe.to.rpartition("@")[2].lower() in wanted]

    # --- trying

    def _rounds(self, found: Survey) -> Survey:
        idle = 0
        while idle < 2 and self._left() > 0 and self._may_go_on(found):
            self._shorten(found)
            orders = drain_plan.order(found.known, found.destinations)
            if not orders.tries:
                break
            runners.clear(self._guarded, orders.clear)
            self._start(orders)
            completed = self._follow(found)
            idle = 0 if completed else idle + 1
            if not completed and self._left() > _PAUSE_S:
                self._world.clock.sleep(_PAUSE_S)
            found = self._survey()
        return found

    def _may_go_on(self, found: Survey) -> bool:
        bound = self._world.options.max_residual
        return drain_plan.may_go_on(found.known, found.destinations, bound, _SETTLED_S)

    def _left(self) -> float:
        return self._end - self._world.clock.monotonic()

    def _shorten(self, found: Survey) -> None:
        """Stop earlier if the MTA's own queue runners would bounce mail to a broken destination."""
        seconds, why = drain_plan.window(found.known, found.destinations, self._left())
        if why and why != self._short:
            self._short = why
            self._world.operator.line(f"drain: {duration(max(0.0, seconds))} at most, as {why}")
        self._end = min(self._end, self._world.clock.monotonic() + seconds)

    def _start(self, orders: Orders) -> None:
        self._started = True
        runners.start(self._guarded, orders, self._rules, max(1, int(self._left())))

    def _follow(self, found: Survey) -> int:
        """Watch until our runners are done or the time is over; return how many messages were completed."""
        mark, completed, arrived, pause = found.mark, 0, 0, pauses(_POLL_S, _FIRST_POLL_S)
        cost = 0.0
        while True:
            wait = max(next(pause), min(cost / _LOOKING, _LONGEST_POLL_S))
            self._world.clock.sleep(min(wait, max(0.1, self._left())))
            self._meanwhile()
            begin = self._world.clock.monotonic()
            now = patiently(self._world, partial(runners.look, self._world, mark))
            cost = self._world.clock.monotonic() - begin
            mark = now.mark
            completed, arrived = completed + now.completed, arrived + now.arrived
            left = max(0, found.total + arrived - completed)
            through = self._delivered + completed
            self._world.operator.live(self._progress(found, left, completed), Share(through, max(1, through + left)))
            self._world.events.write("queue", left=left, completed=self._delivered + completed)
            if not now.runs or self._left() <= 0:
                self._delivered += completed
                return completed

    def _progress(self, found: Survey, left: int, completed: int) -> str:
        rate = completed / max(self._world.clock.monotonic() - found.at, 1.0)
        to_go = max(0, left - (found.total - found.triable))
        eta = f", about {duration(to_go / rate)} to go" if completed >= _TELLING and to_go else ""
        known = found.known.backlog
        oldest = f", oldest {duration((known.now - known.oldest).total_seconds())}" if known.oldest and left else ""
        kept = f", {found.total - found.triable} of them not tried" if found.total > found.triable else ""
        ends = duration(max(0.0, self._left()))
        return f"drain: {plural(left, 'message')} left{kept}, {rate:.1f}/s{eta}{oldest}; draining ends within {ends}"

    # --- reporting

    def _say(self, found: Survey) -> None:
        self._world.operator.line(
            f"drain: {plural(found.total, 'message')} to {plural(len(found.destinations), 'destination')}"
        )
        for line in what_is_left(found):
            self._world.operator.line(f"  {line}")

    def _result(self, found: Survey) -> Done:
        bound = self._world.options.max_residual
        took = duration(self._world.clock.monotonic() - self._begin)
        kept = what_is_left(found)
        evidence = {
            "before": self._before,
            "completed": self._delivered,
            "after": found.total,
            "left": [drain_judge.row(one) for one in found.destinations],
        }
        short = f"; ended early, as {self._short}" if self._short else ""
        for line in kept:
            self._world.operator.line(f"  left: {line}")
        if found.total > bound:
            raise StepError(
                f"{plural(found.total, 'message')} left of {self._before} after {took}, more than the bound of {bound} "
                f"(--max-residual){short}: {' | '.join(kept)}",
                evidence,
            )
        stay = f"; {found.total} stay on disk, within the bound of {bound}: {' | '.join(kept)}" if found.total else ""
        return Done(f"{plural(self._delivered, 'message')} completed in {took}{short}{stay}", evidence)


def _small(probe: OutboundProbe) -> OutboundProbe:
    return dataclasses.replace(probe, sizes=(min(probe.sizes),), times=1)
