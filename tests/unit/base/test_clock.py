from datetime import UTC
from itertools import islice

import pytest

from mxlib.base.clock import SystemClock, pauses, wait_for
from tests.unit.support.fakes import FakeClock


def asked_at(deadline_s: float, every_s: float, yes_at: float = float("inf")) -> tuple[bool, list[float]]:
    """What waiting ends with, and the seconds at which it asked."""
    clock, seen = FakeClock(), []

    def condition() -> bool:
        seen.append(clock.seconds)
        return clock.seconds >= yes_at

    return wait_for(condition, deadline_s=deadline_s, every_s=every_s, clock=clock), seen


def test_a_condition_that_is_met_ends_the_wait_at_once():
    assert asked_at(60, 5, yes_at=0) == (True, [0])
    assert asked_at(60, 5, yes_at=0.1) == (True, [0, 0.25])


def test_pauses_are_short_first_and_then_no_longer_than_asked_for():
    assert asked_at(60, 1.5, yes_at=5) == (True, [0, 0.25, 0.5, 1.0, 2.0, 3.5, 5.0])
    assert asked_at(1, 0.1, yes_at=0.25) == (True, pytest.approx([0, 0.1, 0.2, 0.3]))
    assert list(islice(pauses(3.0, 1.0), 4)) == [1.0, 1.0, 2.0, 3.0]


def test_the_last_question_is_asked_at_the_deadline():
    assert asked_at(9, 5) == (False, [0, 0.25, 0.5, 1, 2, 4, 8, 9])


@pytest.mark.parametrize("deadline_s", [0, -5])
def test_a_deadline_that_has_passed_still_asks_once(deadline_s):
    assert asked_at(deadline_s, 5) == (False, [0])
    assert asked_at(deadline_s, 5, yes_at=0) == (True, [0])


def test_the_machines_clock_is_in_utc_and_its_seconds_pass():
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.01
    assert clock.now().tzinfo is UTC
