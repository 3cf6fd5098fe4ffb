"""Exim's message ids: their form, and the time in them."""

from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import names as exim
from tests.unit.support.exim_spool import YOUNG


def test_ids():
    assert exim.received_at("1xUaVg-00006Y-1v") == datetime(2026, 11, 21, 2, 7, 24, tzinfo=UTC)
    assert exim.is_message_id(YOUNG)
    for bad in ("", "1xUaVg-00006Y-1v\n", "1xUaVg-00006Y-1v; reboot", "1xUaVg"):
        assert not exim.is_message_id(bad)
        with pytest.raises(ParseError):
            exim.check_message_id(bad)


@pytest.mark.parametrize("length", ["1xUaVg-00006Y-1v", "1xUaVg-000000006e1-2bAz"])
def test_the_time_of_an_id_and_the_id_of_a_time(length):
    when = exim.received_at(length)
    assert exim.id_time(when) == "1xUaVg"
    assert exim.id_time(when + timedelta(milliseconds=999)) == "1xUaVg"
    assert exim.id_time(when + timedelta(seconds=1)) == "1xUaVh"
    assert exim.id_time(when - timedelta(seconds=1)) == "1xUaVf"


def test_ids_sort_by_age():
    times = [datetime(2026, 11, 21, 2, 7, 24, tzinfo=UTC) + timedelta(seconds=97 * n) for n in range(200)]
    assert [exim.id_time(one) for one in times] == sorted(exim.id_time(one) for one in times)


def test_a_time_before_1970_counts_as_1970():
    assert exim.id_time(datetime(1960, 1, 1, tzinfo=UTC)) == "000000" == exim.id_time(datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("bad", ["1xUaVg-00006Y-1", "1xUaVg-00006Y-1vA", "1xUaVg_00006Y-1v", "1xUaVg-000000006e1-2bA"])
def test_an_id_of_another_length_is_none(bad):
    assert not exim.is_message_id(bad)
