from datetime import UTC, datetime, timedelta

import pytest

from mxlib.pages.axis import Axis

BEGIN = datetime(2026, 11, 28, 23, 58, 30, tzinfo=UTC)


def axis(seconds):
    return Axis(BEGIN, BEGIN + timedelta(seconds=seconds))


def test_places_are_to_scale_and_never_outside():
    found = axis(400)
    places = [found.place(BEGIN + timedelta(seconds=at)) for at in (-5, 0, 100, 400, 500)]
    assert places == [0, 0, 25, 100, 100]
    assert found.width(BEGIN + timedelta(seconds=100), BEGIN + timedelta(seconds=140)) == 10


def test_a_moment_is_no_division_by_zero():
    assert axis(0).place(BEGIN) == 0


def test_ticks_are_at_round_times_over_midnight():
    ticks = axis(300).ticks(most=5)
    assert [(tick.label, tick.place) for tick in ticks] == [
        ("23:59", 10), ("00:00", 30), ("00:01", 50), ("00:02", 70), ("00:03", 90),
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [1, 7, 59, 61, 3599, 7200, 86400, 9 * 86400, 40 * 86400])
def test_there_are_some_and_not_too_many(seconds):
    assert 1 <= len(axis(seconds).ticks()) <= 7


def test_seconds_and_days_are_shown_where_they_matter():
    assert axis(20).ticks()[0].label == "23:58:30"
    assert axis(3 * 86400).ticks()[0].label == "29 Nov 00:00"
