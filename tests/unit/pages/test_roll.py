from mxlib.base.journal import Event
from mxlib.pages import roll
from mxlib.pages.axis import Axis
from mxlib.pages.timeline import moment
from mxlib.roll import report
from tests.unit.support.html import loaded, words
from tests.unit.support.journals import HOSTILE, recorded, rolled


def made(events):
    return roll.page(report.build(events), events)


def lanes(events):
    return roll._lanes(report.build(events), events, Axis(moment(events[0].at), moment(events[-1].at)))


def test_outcome_and_next_command_come_first():
    found = words(made(rolled()))
    assert found.index("fell back") < found.index("--kernel 6.1.0-56 --again") < found.index("Hosts over time")


def test_a_lane_a_host_with_its_run_and_its_watch_to_scale():
    first, second, third = lanes(rolled())
    seconds = 20 + 1 + 1240 + 20 + 1800 + 1 + 1710 + 20 + 2
    assert [(bar.label, bar.tone) for bar in first.bars] == [
        ("done 20 min 40 s", "good"), ("watched 30 min 0 s: passed", "soak"),
    ]  # fmt: skip
    assert [round(bar.width * seconds / 100) for bar in first.bars] == [1240, 1800]
    assert round(first.bars[0].left * seconds / 100) == 21
    assert [(bar.label, bar.to_left) for bar in second.bars] == [("fell back 28 min 30 s", True)]
    assert third.bars == ()
    assert (first.bottom, second.bottom) == (second.top, third.top)


def test_a_host_whose_run_had_not_ended_is_shown_until_the_end():
    events = (*rolled()[:3], Event("x", "2026-11-28T01:10:00+00:00", {}))
    assert [bar.label for bar in lanes(events)[0].bars] == ["had not ended"]


def test_each_host_is_linked_to_its_own_page():
    assert 'href="mx2001.lab.test.20261128T010021Z-0a1b2c.html"' in made(rolled())
    assert "href" not in made(recorded("roll-blocked"))


def test_markup_from_outside_stays_text():
    found = made(rolled(HOSTILE))
    assert loaded(found) == []
    assert found.count("&lt;script&gt;") >= 2


def test_what_was_recorded_has_a_page():
    found = words(made(recorded("roll-blocked")))
    assert "blocked, no further host was begun" in found
    assert "mx1001.lab.test not touched in this run" in found


def test_an_empty_journal_has_a_page():
    assert "ended without closing its journal" in made(())
