"""Replayed incidents: the two timelines side by side, and what makes a replay fail."""

import io
import re
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.place import Lab
from lab.shell import LabError
from lab.stories import incident_2018_06_06, incident_2021_12_03, incident_2022_05_09, old_exim
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


def test_who_blocked_a_run_is_read_from_its_own_words() -> None:
    said = (
        "2026-11-28 drain: internal clients still connect and were not seen at another MX: client1001.lab.test "
        "(2001:db8:77::51): 9 refused connections; vrts1001.lab.test (2001:db8:77::61): 1 refused connection. They may "
        "have no failover, and lose mail while this host is out. infra1001.lab.test (192.0.2.5): 3 open\n"
    )
    named = [("client1001.lab.test", "2001:db8:77::51"), ("vrts1001.lab.test", "2001:db8:77::61")]
    assert incident_2018_06_06.stuck_in(said + said) == named
    assert incident_2018_06_06.stuck_in("client1001.lab.test (192.0.2.51): 1 open") == []


def test_the_services_differ_as_the_story_says() -> None:
    words = {one: one.words for one in (incident_2018_06_06.BARE, incident_2018_06_06.QUEUES)}
    assert ["--no-queue" in said for said in words.values()] == [True, False]
    assert all("--no-failover" in said for said in words.values())
    for one in (incident_2018_06_06.MOVES, incident_2018_06_06.MENDED):
        assert "--no-failover" not in one.words
        assert "mx2001.lab.test,mx1001.lab.test" in one.words


def test_the_checks_that_failed_are_read_from_the_table() -> None:
    said = "FAILED  mx1001.lab.test  (2.1 s)\n  FAILED   log                    6 x\n  OK       1 other check\n"
    assert incident_2022_05_09.failing(said) == ["log"]
    assert incident_2022_05_09.failing(re.sub("^", "14:09:56 ", said, flags=re.MULTILINE)) == ["log"]
    assert incident_2022_05_09.failing(said.replace("OK  ", "UNKNOWN  kernel   x\n  OK  ")) == ["log", "kernel"]


@pytest.mark.parametrize(("world", "name"), [("one", "mx1001"), ("two", "mx1001"), ("habits", "mx2001")])
def test_the_old_exim_runs_where_its_queue_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str, name: str
) -> None:
    monkeypatch.setenv("MXLAB_CACHE", str(tmp_path))
    lab = Lab("mxlab")
    lab.state.mkdir(parents=True)
    (lab.state / "world").write_text(world)
    assert old_exim.exchanger_for(lab).name == name


def test_the_old_exim_travels_with_its_libraries_alone(tmp_path: Path) -> None:
    for path in ("usr/sbin/exim4", "lib/x86_64-linux-gnu/libpcre.so.3", "usr/share/doc/exim4/copyright"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    with tarfile.open(fileobj=io.BytesIO(old_exim.pack(tmp_path))) as tar:
        assert tar.getnames() == ["exim4", "lib/libpcre.so.3"]


def test_mail_that_lies_in_a_spool_is_lost_to_its_sender_and_none_at_all_shows_nothing() -> None:
    fates = ("unsent", "refused", "missing", "in_spool", "bounced", "duplicates", "altered")
    good = {"sent": 9, **{fate: [] for fate in fates}}
    assert incident_2018_06_06.lost(good) == {}
    assert incident_2018_06_06.lost({**good, "in_spool": ["a", "b"]}) == {"in_spool": 2}
    assert incident_2018_06_06.lost({**good, "sent": 0}) == {"none taken": 0}


def test_time_outs_of_an_earlier_replay_are_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter(("12", "12", "21", "22"))
    looks = []
    monkeypatch.setattr(incident_2021_12_03.worlds, "of", lambda *_: SimpleNamespace(main_log="/var/log/mainlog"))
    monkeypatch.setattr(incident_2021_12_03, "_send", lambda *_: None)
    monkeypatch.setattr(incident_2021_12_03.demo, "queue", lambda *_: incident_2021_12_03.STUCK)

    def wait_for(_what: str, condition, **_options: object) -> None:
        while not condition():
            looks.append("not yet")

    monkeypatch.setattr(incident_2021_12_03, "wait_for", wait_for)
    stage = Stage(SimpleNamespace(lab=None), lambda _text: None)
    monkeypatch.setattr(stage, "on", lambda *_: next(counted), raising=False)
    incident_2021_12_03._mail_gets_stuck(stage)
    assert looks == ["not yet"] * 2
