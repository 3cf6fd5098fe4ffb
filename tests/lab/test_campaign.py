"""Runs of the campaign, of a fixed seed and with one disturbance each, are judged good from outside."""

from pathlib import Path

import pytest

from lab.campaign import campaign, play
from lab.campaign.scenario import draw
from lab.lifecycle import Stations

SEED = 1617
# A guard waits half a minute for each answer: on a slow machine a campaign's whole mail makes it refuse.
RATE = 0.3


@pytest.mark.parametrize(
    ("number", "disturbance", "step"),
    [
        (1, "hangup", "drain"),
        pytest.param(2, "cut-etcd-answers", "await boot", marks=pytest.mark.nightly),
        pytest.param(3, "kill", "start MTA", marks=pytest.mark.nightly),
        pytest.param(4, "cut-ganeti", "power on", marks=pytest.mark.nightly),
        pytest.param(5, "kernel-panic", "", marks=pytest.mark.nightly),
        pytest.param(6, "cut-exchanger-answers", "stop and hold", marks=pytest.mark.nightly),
    ],
)
def test_a_run_of_the_campaign_is_good(
    place: Stations, tmp_path: Path, number: int, disturbance: str, step: str
) -> None:
    """As `lab/mxlab campaign --seed SEED --from NUMBER --runs 1 --only DISTURBANCE --at STEP --mail-rate RATE` does."""
    scenario = draw(SEED, number, (disturbance,), step)
    with campaign.fewer_probes(place):
        verdict = play.play(place, scenario, tmp_path, RATE)
    assert (verdict.happened, verdict.wrong) == ([disturbance], []), (tmp_path / "run.log").read_text()
    assert verdict.mails["sent"] > 0
