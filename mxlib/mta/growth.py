"""Everything that was written to an MTA's log since a mark, however long it is."""

import dataclasses

from mxlib.facts.source import read_facts
from mxlib.mta.event import LogEvent, LogGrowth
from mxlib.mta.protocol import Mta
from mxlib.protocols.host import Host


def read_growth(mta: Mta, host: Host, mark: str) -> LogGrowth:
    """Return everything that was written since a mark.

    Raises:
        mxlib.base.errors.ParseError: the log cannot be read.
        mxlib.base.errors.HostError: the host does not answer.
    """
    events: tuple[LogEvent, ...] = ()
    lost = False
    unread: tuple[str, ...] = ()
    while True:
        source = mta.growth(mark)
        piece = read_facts(host, (source,)).get(source)
        mark, lost, events = piece.mark, lost or piece.lost, (*events, *piece.events)
        unread = (*unread, *piece.unread)
        if piece.whole:
            return dataclasses.replace(piece, events=events, lost=lost, unread=unread)
