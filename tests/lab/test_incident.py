"""The incidents, replayed end to end with nobody at the keyboard; what a story promises is asserted by the story."""

import pytest

from lab import faults, incident
from lab.lifecycle import Progress, Stations


@pytest.mark.nightly
@pytest.mark.parametrize("name", incident.STORIES)
def test_an_incident_is_caught_and_ends_well(place: Stations, name: str) -> None:
    assert incident.replay(place, incident.find(name), Progress()) == 0
    assert faults.broken(place.lab) == []
