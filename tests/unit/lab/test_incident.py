"""Replayed incidents: the two timelines side by side, and what makes a replay fail."""

import re
from types import SimpleNamespace

import pytest

from lab.shell import LabError
from lab.stories import incidents as incident
from lab.stories.story import Moment, Note, Stage, Story, side_by_side

HISTORY = (Moment("10:00", "it broke"), Moment("11:00", "it was repaired by hand, which took a person and an hour"))


def story(replay=lambda stage: None) -> Story:
    return Story("2020-01-01", "a bad day", HISTORY, replay)


def cells(text: str) -> list[tuple[str, str]]:
    return [(left.strip(), right.strip()) for left, right in (line.split("|") for line in text.splitlines())]


def test_what_answers_a_moment_stands_beside_it() -> None:
    notes = [Note(5, "broken", "10:00"), Note(65, "repaired", "11:00"), Note(70, "no mail lost")]
    rows = cells(side_by_side(story(), notes))
    assert ("10:00  it broke", "+00:05  broken") in rows
    assert next(right for left, right in rows if left.startswith("11:00")) == "+01:05  repaired"
    assert rows[-1] == ("", "+01:10  no mail lost")


def test_notes_keep_their_order_and_each_is_told_once() -> None:
    notes = [Note(1, "one"), Note(2, "two", "11:00"), Note(3, "three", "10:00"), Note(4, "four", "11:00")]
    told = re.findall(r"\+00:0(\d)", side_by_side(story(), notes))
    assert sorted(told) == ["1", "2", "3", "4"]


def stage_of(lines: list[str]) -> Stage:
    return Stage(SimpleNamespace(), lines.append)  # type: ignore[arg-type]


@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_a_broken_promise_fails_the_replay(good: bool, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    played = story(lambda stage: stage.must(good, "mail flows") and None)
    assert incident.replay(SimpleNamespace(), played, lines.append) == code  # type: ignore[arg-type]
    assert ("NOT SO: mail flows" in capsys.readouterr().out) is not good


def test_a_replay_that_breaks_off_still_shows_its_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(stage: Stage) -> None:
        stage.note("begun", then="10:00")
        raise LabError("mx2001: no answer")

    assert incident.replay(SimpleNamespace(), story(breaks), lambda _: None) == 1  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "begun" in printed
    assert "NOT SO: the replay reaches its end" in printed


def test_every_story_has_its_day_and_a_history_in_order() -> None:
    for name, one in incident.STORIES.items():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", name)
        assert len({moment.when for moment in one.history}) == len(one.history) > 3
