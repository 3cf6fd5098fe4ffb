from dataclasses import replace

from mxlib.pages import timeline
from mxlib.reboot import report
from mxlib.reboot.report import TimelineEntry
from tests.unit.support.journals import HOST, RUN, WHO, recorded, whole


def entries(events):
    return report.build(HOST, RUN, WHO, "why", events, "").timeline


def drawn(events):
    found = timeline.drawn(entries(events))
    assert found is not None
    return found


def at(second, step, seconds=1.0, **values):
    begun = f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00"
    end = f"2026-01-01T00:{(second + int(seconds)) // 60:02}:{(second + int(seconds)) % 60:02}+00:00"
    return TimelineEntry(end, step, values.pop("note", ""), seconds, begun=begun, **values)


RUN_OF_100_S = (
    at(0, "guard", 10),
    at(10, "pool out", 10),
    at(20, "reboot", 10),
    at(30, "await boot", 40, note="back after 40 s with 6.1"),
    at(70, "open ports", 10),
    at(80, "soak", 20),
)


def test_bars_and_band_are_to_scale():
    found = timeline.drawn(RUN_OF_100_S)
    assert [(bar.left, bar.width) for bar in found.bars] == [(0, 10), (10, 10), (20, 10), (30, 40), (70, 10), (80, 20)]
    assert [(one.kind, one.left, one.width) for one in found.band] == [
        ("serves", 0, 10), ("out", 10, 70), ("serves", 80, 20), ("down", 30, 40),
    ]  # fmt: skip
    assert found.out == "1 min 10 s"


def test_a_host_that_is_still_out_is_out_until_the_end():
    found = timeline.drawn(RUN_OF_100_S[:4])
    assert [(one.kind, one.label) for one in found.band] == [
        ("serves", "in service"), ("out", "out of service 1 min 0 s"), ("down", "boots 40 s"),
    ]  # fmt: skip
    assert found.out == "1 min 0 s, and still out"


def test_one_that_was_taken_over_was_out_from_the_first_step():
    found = timeline.drawn((at(0, "adopt"), at(1, "open ports", 49), at(50, "soak", 50)))
    assert [(one.kind, one.left, one.width) for one in found.band] == [("out", 0, 50), ("serves", 50, 50)]


def test_one_that_was_never_taken_out_has_no_band():
    found = timeline.drawn((at(0, "guard", 10), replace(at(10, "close ports", 5), failed=True)))
    assert (found.band, found.out, found.bars[1].tone) == ((), "", "bad")
    assert timeline.drawn(()) is None


def test_a_boot_that_is_waited_for_twice_is_one_stretch():
    twice = (at(0, "pool out", 10), at(10, "reboot", 10), at(20, "await boot", 30, note="the machine is off"),
             at(50, "power on", 10), at(60, "await boot", 40, note="back after 40 s"))  # fmt: skip
    (down,) = [one for one in timeline.drawn(twice).band if one.kind == "down"]
    assert (down.left, down.width) == (20, 80)


def test_words_never_leave_the_right_edge():
    for bar in drawn(whole()).bars:
        assert bar.to_left == (bar.left > 50)
        assert bar.words <= (100 if bar.to_left else 50)


def test_what_was_recorded_is_drawn():
    found = drawn(recorded())
    assert [bar.step for bar in found.bars][:3] == ["guard", "slot", "claim"]
    assert found.out.endswith("and still out")
