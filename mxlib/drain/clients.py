"""Watching which clients still connect once the ports are closed: internal ones without another MX keep the MTA up."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mxlib.base.errors import HostError, MxlibError, ParseError, StepError
from mxlib.base.text import one_line
from mxlib.drain import client_judge as client_watch
from mxlib.drain.client_judge import Client, Traffic
from mxlib.facts import client_names, depool, sockets
from mxlib.facts.section import read_sections
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.model.record import Record
from mxlib.mta.find import find
from mxlib.protocols.world import Done, World

_PATIENCE_S = 60.0
"""Seconds within which a refused client must show up at another MX."""
_EVERY_S = 10.0
_FRESH_S = 1.0
"""Seconds for which what was read together with something else is a look of now."""
_GLANCE_S = 20.0
"""Seconds between looks while the queue is drained: each reads the log."""


def sources(world: World, since: datetime) -> tuple[Source[Any], ...]:
    """Return what the clients are known by, of those that have come since a time."""
    return (find(world.site.mta).arrivals(since), depool.SOURCE, sockets.SOURCE)


def look(world: World, since: datetime, facts: Facts) -> tuple[Client, ...]:
    """Return the clients that connected to the target since its ports were closed.

    Arguments:
        since: from when on messages count.
        facts: what the host said to :func:`sources`.
    """
    arrivals = find(world.site.mta).arrivals(since)
    refused = facts.get(depool.SOURCE).knocks
    live = Counter(one.peer for one in facts.get(sockets.SOURCE).clients(world.site.ports))
    arrived = facts.get(arrivals)
    names, mxs = _names(world, {*refused, *live, *arrived})
    elsewhere = _elsewhere(world, since) if refused or live or arrived else {}
    seen = Traffic(refused, live, arrived, elsewhere, names)
    return client_watch.clients(seen, world.site.clients.internal, (*world.site.clients.monitoring, *mxs))


def _names(world: World, addresses: set[str]) -> tuple[dict[str, str], frozenset[str]]:
    ordered = sorted(addresses, key=lambda one: not client_watch.within(one, world.site.clients.internal))
    if not ordered:
        return {}, frozenset()
    asked = client_names.names_section(ordered, [host.name for host in world.peers])
    return client_names.parse_names(read_sections(world.target, (asked,))[asked.name].text())


def _elsewhere(world: World, since: datetime) -> Mapping[str, int]:
    """Return how many messages the other MXs took since, by client; a peer that does not answer counts none."""
    found: Counter[str] = Counter()
    source = find(world.site.mta).arrivals(since)
    for peer in world.peers:
        try:
            found.update(read_facts(peer, (source,)).get(source))
        except MxlibError as error:
            world.operator.line(f"which clients {peer.name} serves is unknown: {one_line(str(error))}")
    return found


class ClientsStuckError(StepError):
    """Internal clients connect, were not seen at another MX and are not accepted."""


class ClientWatch:
    """Which clients still connect since the ports were closed, looked at again and again.

    An internal client gets a minute, from the first look at which it is stuck, to show up at another MX.
    """

    def __init__(self, world: World, record: Record, since: datetime) -> None:
        """Nothing is read yet.

        Arguments:
            since: from when on messages count.
        """
        self._world, self._since = world, since
        self._accepted = world.options.accept | set(record.accepted)
        self._stuck: dict[str, float] = {}
        self._known: tuple[Facts, float] | None = None
        self._next = 0.0

    def sources(self, also: Sequence[Source[Any]] = ()) -> tuple[Source[Any], ...]:
        """Return what one look reads, with what else is to be read then."""
        return (*sources(self._world, self._since), *also)

    def take(self, facts: Facts) -> None:
        """Take what was just read of :meth:`sources` as the next look."""
        self._known = facts, self._world.clock.monotonic()

    def glance(self) -> None:
        """Look while something else is done, if the last look is old enough; one that fails proves nothing.

        Whoever has no queue loses mail meanwhile, so this does not wait for the end of a long drain.

        Raises:
            ClientsStuckError: a client's minute is over.
        """
        if self._world.clock.monotonic() < self._next:
            return
        try:
            self._look()
        except (HostError, ParseError) as error:
            self._world.operator.line(f"which clients still connect is unknown: {one_line(str(error))}")
        self._next = self._world.clock.monotonic() + _GLANCE_S

    def settled(self, also: Sequence[Source[Any]] = (), keep: Callable[[Facts], None] | None = None) -> Done:
        """Name the clients that still connect, and wait for internal ones to show up at another MX.

        Arguments:
            also: what is read in the same round trip as the clients.
            keep: is given what was read, each time.

        Raises:
            ClientsStuckError: a client's minute is over.
        """
        while True:
            found, stuck = self._look(also, keep)
            if not stuck:
                return Done(client_watch.summary(found), _evidence(found))
            self._world.operator.live(f"waiting for {stuck[0]} to be seen at another MX")
            self._world.clock.sleep(_EVERY_S)

    def _look(
        self, also: Sequence[Source[Any]] = (), keep: Callable[[Facts], None] | None = None
    ) -> tuple[tuple[Client, ...], tuple[Client, ...]]:
        """Return the clients, and those of them that block the run."""
        known, self._known = self._known, None
        fresh = known is not None and self._world.clock.monotonic() - known[1] <= _FRESH_S
        facts = known[0] if known is not None and fresh else read_facts(self._world.target, self.sources(also))
        if keep is not None:
            keep(facts)
        found = look(self._world, self._since, facts)
        stuck = client_watch.blocking(found, self._accepted)
        now = self._world.clock.monotonic()
        self._stuck = {one.address: self._stuck.get(one.address, now) for one in stuck}
        if any(now - begin >= _PATIENCE_S for begin in self._stuck.values()):
            named = "; ".join(map(str, stuck))
            raise ClientsStuckError(
                f"internal clients still connect and were not seen at another MX: {named}. They may have no failover, "
                f"and lose mail while this host is out. Point them elsewhere, or accept it with "
                f"--accept {stuck[0].accept} for one, --accept {client_watch.ACCEPT} for all",
                _evidence(found),
            )
        return found, stuck


def _evidence(found: tuple[Client, ...]) -> dict[str, object]:
    return {"clients": [str(one) for one in found]}
