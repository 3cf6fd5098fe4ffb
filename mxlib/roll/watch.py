"""The watch between two hosts of a roll: reads their logs and queues until the evidence is there, or the bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mxlib.base.clock import Clock
from mxlib.base.errors import HostError, ParseError
from mxlib.base.parallel import at_once
from mxlib.base.text import one_line
from mxlib.config.roll import RollSoak
from mxlib.facts.source import read_facts
from mxlib.mta.event import Cause, EventKind, LogEvent, LogGrowth
from mxlib.mta.growth import read_growth
from mxlib.mta.protocol import Mta
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Operator
from mxlib.roll.soak import SoakState, Watched, judge, so_far

MAX_PARALLEL = 32
# From so many lines on that are not understood, a log proves nothing.
_UNREAD = 5
_WRONG = frozenset({EventKind.DEFERRED, EventKind.FAILED, EventKind.ATTEMPT})


@dataclass
class Tally:
    """What one host's log has shown since the watch began.

    Attributes:
        mark: where the next look reads on, as the MTA has it.
        delivered: recipients that got real mail.
        hit: ids of the messages that each class of error hit.
        queue: messages in the spool, look by look.
        ours: ids of the run's own test mails, which prove nothing about real mail.
        unread: why the last look failed; empty: it did not.
        holes: what of its log will never be read; empty: nothing.
    """

    mark: str
    delivered: int = 0
    hit: dict[Cause, set[str]] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)
    unread: str = ""
    holes: str = ""

    def count(self, event: LogEvent) -> None:
        """Count one line of the log."""
        if event.kind is EventKind.ARRIVED and " id=mx-probe." in event.text:
            self.ours.add(event.message_id)
        if event.message_id in self.ours:
            return
        self.delivered += event.delivered
        if event.kind in _WRONG and event.cause is not None:
            self.hit.setdefault(event.cause, set()).add(event.message_id)


class Watch:
    """One watch over one or several hosts."""

    def __init__(
        self,
        mta: Mta,
        hosts: Mapping[str, Host],
        others: Mapping[str, Host],
        before: frozenset[Cause],
        limits: RollSoak,
        *,
        alerts: Callable[[], str],
        clock: Clock,
        operator: Operator,
    ):
        """Look at nothing yet.

        Arguments:
            hosts: those that are watched, by name.
            others: MXs that surely run another kernel: an error that they have, too, is not its doing.
            before: classes of error that were there before the roll touched a host.
            alerts: what fires, or why that is unknown; empty: nothing does.
        """
        self._mta = mta
        self._hosts, self._others, self._before, self._limits = hosts, others, before, limits
        self._alerts, self._clock, self._operator = alerts, clock, operator

    def run(self, limit_s: float | None) -> tuple[SoakState, str]:
        """Watch until the evidence is there, something is wrong, or the bound is reached.

        Arguments:
            limit_s: seconds after which it is broken off with WAIT; None: only its own bound holds.

        Raises:
            mxlib.base.errors.HostError: a host cannot be asked where its log ends.
            mxlib.base.errors.ParseError: the same.
        """
        mark = self._mta.mark
        tallies = {name: Tally(read_facts(host, (mark,)).get(mark)) for name, host in self._hosts.items()}
        begin = self._clock.monotonic()
        while True:
            self._look(tallies)
            seconds = self._clock.monotonic() - begin
            seen = self._seen(tallies, seconds)
            proof, why = judge(seen, self._limits)
            if proof is not SoakState.WAIT or (limit_s is not None and seconds >= limit_s):
                return proof, why
            self._operator.live(f"soak: {why}", so_far(seen, self._limits))
            self._clock.sleep(self._limits.every)

    def _look(self, tallies: Mapping[str, Tally]) -> None:
        at_once(lambda name: _read(self._mta, self._hosts[name], tallies[name]), tallies)

    def _seen(self, tallies: Mapping[str, Tally], seconds: float) -> Watched:
        causes: dict[Cause, int] = {}
        for tally in tallies.values():
            for cause, messages in tally.hit.items():
                causes[cause] = causes.get(cause, 0) + len(messages)
        known = self._before if causes.keys() <= self._before else self._before | causes_of(self._mta, self._others)
        return Watched(
            seconds=seconds,
            delivered=sum(tally.delivered for tally in tallies.values()),
            queues={name: tally.queue for name, tally in tallies.items()},
            causes=causes,
            known=known,
            alerts=self._alerts(),
            unread="; ".join(tally.unread for tally in tallies.values() if tally.unread),
        )


def _read(mta: Mta, host: Host, tally: Tally) -> None:
    """Look at a host once; what cannot be read is named, and read at the next look."""
    try:
        growth = read_growth(mta, host, tally.mark)
        for event in growth.events:
            tally.count(event)
        # with the mark, as no later look sees them
        tally.mark, tally.holes = growth.mark, tally.holes or _holes(growth)
        tally.queue.append(read_facts(host, (mta.length,)).get(mta.length))
        tally.unread = tally.holes
    except (HostError, ParseError) as error:
        tally.unread = f"{host.name}: {one_line(str(error))}"


def _holes(growth: LogGrowth) -> str:
    """What of a log is lost, or of a form that is not understood."""
    if growth.lost:
        return "lines of its log are lost"
    if len(growth.unread) < _UNREAD:
        return ""
    return f"{len(growth.unread)} lines of its log are not understood: {one_line(growth.unread[0], 160)}"


def causes_of(mta: Mta, hosts: Mapping[str, Host]) -> frozenset[Cause]:
    """Return the classes of error of the last quarter of an hour on some hosts; one that cannot be asked adds none."""
    return frozenset().union(*at_once(lambda host: _causes(mta, host), hosts.values()))


def _causes(mta: Mta, host: Host) -> frozenset[Cause]:
    try:
        found = read_facts(host, (mta.recent,)).get(mta.recent)
    except (HostError, ParseError):
        return frozenset()
    return frozenset(cause for causes in found.causes().values() for cause in causes)
