"""Game day, played by a script that follows docs/runbook.md alone: what it cannot name or mend is a defect."""

import random

import pytest

from lab.faults.catalogue import FAULTS
from lab.gameday import game
from lab.gameday.command import play_by_runbook
from lab.gameday.draw import draw
from lab.gameday.judge import Score
from lab.lifecycle import ProgressLog, Stations
from lab.shell import LabError

QUICK = "dead-spamd"


def played(place: Stations, fault: str) -> Score:
    say = ProgressLog()
    drawn = draw(random.Random(fault).randrange(100), 1, [fault])
    begun = game.begin(place, drawn, say)
    try:
        play_by_runbook(place, begun)
    finally:
        score = game.done(place, say)
    return score


def check(place: Stations, fault: str) -> None:
    score = played(place, fault)
    assert score.good, score
    assert score.first_right is not None


def test_a_fault_is_named_and_mended_by_the_runbook(place: Stations) -> None:
    check(place, QUICK)
    with pytest.raises(LabError, match="no game is under way"):
        game.abandon(place)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [name for name in FAULTS if name != QUICK])
def test_every_fault_is_named_and_mended_by_the_runbook(place: Stations, fault: str) -> None:
    check(place, fault)
