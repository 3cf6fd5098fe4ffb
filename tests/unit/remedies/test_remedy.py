"""What every remedy is judged by, and what it leaves on a host about who did it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.verdict import Status
from mxlib.config.known_bad import load
from mxlib.remedies.bounds import Order
from mxlib.remedies.remedy import by_checks, note
from tests.unit.support.remedy_host import SITE
from tests.unit.support.verifying import Recorded


def bench(**changes: Any) -> Any:
    made = SimpleNamespace(site=SITE, host=Recorded(), entries=load(), who="op@cumin1001", why="it stalls")
    vars(made).update(changes)
    return made


def test_the_checks_it_is_for_are_read_in_one_round_trip() -> None:
    made = bench()
    verdicts = by_checks("units", "kernel")(made, Order("restart-unit", "spamd.service"))
    assert sorted(one.check for one in verdicts) == ["kernel", "units"]
    assert {one.status for one in verdicts} == {Status.OK}
    assert made.host.asked == 1


def test_they_judge_as_the_site_says() -> None:
    strict = replace(SITE, verify=replace(SITE.verify, required_units=("clamd.service",)))
    (verdict,) = by_checks("units")(bench(site=strict), Order("restart-unit"))
    assert verdict.status is not Status.OK


@pytest.mark.parametrize(
    ("why", "noted"),
    [
        ("mail stalls", "op@cumin1001: mail stalls"),
        ("it's \"$stuck\" `now` \\", "op@cumin1001: its stuck now"),
        ("two\nlines  \t here", "op@cumin1001: two lines here"),
    ],
)
def test_who_and_why_on_one_line_without_quotes(why: str, noted: str) -> None:
    assert note(bench(why=why)) == noted


def test_a_long_reason_is_cut() -> None:
    assert len(note(bench(why="x" * 500))) == 200
