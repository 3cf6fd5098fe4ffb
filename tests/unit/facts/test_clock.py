import dataclasses

import pytest

from mxlib.facts import clock
from tests.unit.support.facts import NOW, fact, output

START = NOW.timestamp()


def read(began, ended, *, seconds=10.0):
    """A script that was asked for at 0 s and answered at 10 s, by the host's clock from `began` to `ended`."""
    answer = output(clock.SECTION, f"now {START + began:.3f}\nNTPSynchronized=no\n")
    times = (START + began, START + ended)
    return fact(clock.SOURCE, dataclasses.replace(answer, round_trip_s=seconds, host_times=times))


@pytest.mark.parametrize(
    ("began", "ended", "offset"),
    [(0.5, 9.5, 0.0), (0.0, 10.0, 0.0), (5.5, 14.5, 4.5), (-4.5, 4.5, -4.5), (-0.5, 8.5, -0.5)],
)
def test_only_what_cannot_be_the_way_is_an_offset(began, ended, offset):
    facts = read(began, ended)
    assert facts.offset_s == pytest.approx(offset, abs=0.01)
    assert facts.uncertainty_s == pytest.approx(10 - (ended - began), abs=0.01)
    assert facts.synchronized is False
