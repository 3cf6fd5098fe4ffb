"""Watching which clients still connect once the ports are closed: internal ones without another MX keep the MTA up."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from mxlib.base.errors import MxlibError, StepError
from mxlib.base.text import one_line
from mxlib.drain import client_judge as client_watch
from mxlib.drain.client_judge import Client, Traffic
from mxlib.facts import client_names, depool, sockets
from mxlib.facts.section import read_sections
from mxlib.facts.source import read_facts
from mxlib.model.record import Record
from mxlib.mta.find import find
from mxlib.protocols.world import Done, World

_PATIENCE_S = 60.0
"""Seconds within which a refused client must show up at another MX."""
_EVERY_S = 10.0


def look(world: World, since: datetime) -> tuple[Client, ...]:
    """Return the clients that connected to the target since its ports were closed.

    Arguments:
        since: from when on messages count.
    """
    arrivals = find(world.site.mta).arrivals(since)
    facts = read_facts(world.target, (arrivals, depool.SOURCE, sockets.SOURCE))
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


def settled(world: World, record: Record, since: datetime) -> Done:
    """Name the clients that still connect, and wait for internal ones to show up at another MX.

    Arguments:
        since: from when on messages count.

    Raises:
        mxlib.base.errors.StepError: internal clients connect, were not seen elsewhere and are not accepted.
    """
    accepted = world.options.accept | set(record.accepted)
    end = world.clock.monotonic() + _PATIENCE_S
    while True:
        found = look(world, since)
        stuck = client_watch.blocking(found, accepted)
        evidence = {"clients": [str(one) for one in found]}
        if not stuck:
            return Done(client_watch.summary(found), evidence)
        if world.clock.monotonic() >= end:
            named = "; ".join(map(str, stuck))
            raise StepError(
                f"internal clients still connect and were not seen at another MX: {named}. They may have no failover, "
                f"and lose mail while this host is out. Point them elsewhere, or accept it with "
                f"--accept {stuck[0].accept} for one, --accept {client_watch.ACCEPT} for all",
                evidence,
            )
        world.operator.live(f"waiting for {stuck[0]} to be seen at another MX")
        world.clock.sleep(_EVERY_S)
