"""The incidents, replayed end to end with nobody at the keyboard; each story asserts what it promises."""

import pytest

from lab.faults import catalogue as faults
from lab.lifecycle import ProgressLog, Stations
from lab.stories import incidents as incident


@pytest.mark.nightly
@pytest.mark.parametrize("name", incident.STORIES)
def test_an_incident_is_caught_and_ends_well(place: Stations, name: str) -> None:
    assert incident.replay(place, incident.find(name), ProgressLog()) == 0
    assert faults.broken(place.lab) == []
