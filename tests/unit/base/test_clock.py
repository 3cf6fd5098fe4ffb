from datetime import UTC

import pytest

from mxlib.base.clock import SystemClock, wait_for
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
    assert asked_at(60, 5, yes_at=8) == (True, [0, 5, 10])


def test_the_last_question_is_asked_at_the_deadline():
    assert asked_at(12, 5) == (False, [0, 5, 10, 12])


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
