"""The plain values of a roll: which hosts clients can count on, and how a roll ends that stops at a host."""

import pytest

from mxlib.model.outcome import ENDS, Outcome
from mxlib.roll.state import Seen, Stand, end_of


@pytest.mark.parametrize("stand", list(Stand))
def test_clients_can_count_on_a_host_in_service_that_is_well(stand: Stand) -> None:
    in_service = stand in (Stand.THERE, Stand.TODO, Stand.SKIPPED)
    assert Seen("mx1001", "one", 10, stand).serves is in_service
    assert not Seen("mx1001", "one", 10, stand, unwell="disk FAILED: 99% used").serves


@pytest.mark.parametrize("outcome", [one for one in ENDS["reboot-mx"] if one is not Outcome.DONE])
def test_every_outcome_that_stops_a_roll_has_an_end(outcome: Outcome) -> None:
    nothing_done = (Outcome.REFUSED, Outcome.NO_ANSWER, Outcome.UNKNOWN)
    assert end_of(outcome) is (Outcome.BLOCKED if outcome in nothing_done else outcome)
    assert end_of(outcome) in ENDS["roll-kernel"]
