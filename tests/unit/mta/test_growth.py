"""All that was written to a log since a mark, put together of its pieces."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.event import EventKind, LogEvent, LogGrowth
from mxlib.mta.growth import read_growth
from tests.unit.support.facts import ShellHost

NOW = datetime(2026, 11, 21, 2, 12, tzinfo=UTC)


def event(key: str) -> LogEvent:
    return LogEvent(NOW, EventKind.ARRIVED, key, "", "", "", "", None, "")


class Pieces:
    """An MTA whose log comes in pieces: each mark has the next one."""

    def __init__(self, **pieces: LogGrowth) -> None:
        self.pieces = pieces
        self.asked: list[str] = []

    def growth(self, mark: str) -> Source[LogGrowth]:
        self.asked.append(mark)
        section = Section("growth", f"echo {mark}")

        def parse(outputs: Mapping[str, Any]) -> LogGrowth:
            return self.pieces[outputs[section.name].text().strip()]

        return Source(section.name, (section,), parse)


def read(mta: Any) -> LogGrowth:
    return read_growth(mta, ShellHost(), "m1")


def test_a_log_that_is_read_at_once() -> None:
    mta = Pieces(m1=LogGrowth((event("a"),), "m2"))
    assert read(mta) == LogGrowth((event("a"),), "m2")
    assert mta.asked == ["m1"]


@pytest.mark.parametrize("lost", [0, 1, 2, None])
def test_pieces_are_joined_and_lines_that_one_has_lost_are_lost(lost: int | None) -> None:
    last = [False, False, True]
    pieces = {
        f"m{n + 1}": LogGrowth((event(key),), f"m{n + 2}", lost=lost == n, whole=last[n]) for n, key in enumerate("abc")
    }
    mta = Pieces(**pieces)
    found = read(mta)
    assert [one.message_id for one in found.events] == ["a", "b", "c"]
    assert (found.mark, found.whole, found.lost) == ("m4", True, lost is not None)
    assert mta.asked == ["m1", "m2", "m3"]


def test_a_piece_that_cannot_be_read_leaves_nothing_known() -> None:
    with pytest.raises(ParseError):
        read(Pieces(m1=LogGrowth((event("a"),), "m2", whole=False)))
