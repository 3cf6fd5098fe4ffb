"""Windows: what the clock shows inside them, and that a change of the clock only ever makes them shorter."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxlib.base.windows import Window, WindowError, closing, opening, parse, parse_all

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
times = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 59])).map(lambda one: f"{one[0]:02}:{one[1]:02}")


@st.composite
def specs(draw) -> str:
    days = draw(st.one_of(st.just("daily"), st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(",".join)))
    return f"{days} {draw(times)}-{draw(times)} {draw(st.sampled_from(ZONES))}"


def shown_inside(window: Window, at: datetime) -> bool:
    """By what the clock on the wall shows alone, without a thought for its changes."""
    local = at.astimezone(window.zone)
    clock, today = local.time(), local.weekday()
    days = {number for number, _ in window.days}
    if window.opens < window.closes:
        return today in days and window.opens <= clock < window.closes
    yesterday = (today - 1) % 7
    return (today in days and clock >= window.opens) or (yesterday in days and clock < window.closes)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def is_open(text: str, moment: datetime) -> bool:
    return closing(parse_all([text]), moment) is not None


@given(specs(), moments)
@settings(max_examples=2 * settings.default.max_examples)
def test_inside_the_clock_shows_a_time_inside(spec: str, moment: datetime) -> None:
    window = parse(spec)
    assert window is not None
    if closing((window,), moment) is not None:
        assert shown_inside(window, moment)


@given(specs(), moments)
@settings(max_examples=2 * settings.default.max_examples)
def test_without_a_change_of_the_clock_it_is_open_whenever_the_clock_says_so(spec: str, moment: datetime) -> None:
    window = parse(spec)
    assert window is not None
    near = [moment.astimezone(window.zone) + timedelta(hours=hours) for hours in range(-48, 49, 6)]
    offsets = {(moment + timedelta(hours=hours)).astimezone(window.zone).utcoffset() for hours in range(-48, 49)}
    if len(offsets) == 1 and near:
        assert (closing((window,), moment) is not None) == shown_inside(window, moment)


@given(st.lists(specs(), min_size=1, max_size=3), moments)
@settings(max_examples=3 * settings.default.max_examples // 2)
def test_it_is_open_until_it_closes_and_not_then(texts: list[str], moment: datetime) -> None:
    windows = parse_all(texts)
    end = closing(windows, moment)
    if end is not None:
        assert end > moment
        later = [closing(windows, moment + (end - moment) * part / 6) for part in range(1, 6)]
        # what never closes is only looked at for two days
        assert all(one == end or (one is not None and end - moment > timedelta(days=1)) for one in later)
    elif (start := opening(windows, moment)) is not None:
        assert start > moment
        assert closing(windows, start) is not None
        assert closing(windows, start - timedelta(seconds=1)) is None or (start - moment) < timedelta(seconds=1)


def test_across_midnight_it_belongs_to_the_day_it_opens_on() -> None:
    fridays = "fri 22:00-05:00 Europe/Berlin"
    assert is_open(fridays, at("2026-11-20T23:00"))
    assert is_open(fridays, at("2026-11-21T04:59"))
    assert not is_open(fridays, at("2026-11-21T05:00"))
    assert not is_open(fridays, at("2026-11-20T04:00"))
    assert not is_open(fridays, at("2026-11-21T22:00"))


def test_the_night_the_clock_is_put_forward() -> None:
    # 2026-03-29 02:00 becomes 03:00
    (span,) = parse_one("sat 22:00-05:00").spans(at("2026-03-28T12:00").date(), at("2026-03-28T12:00").date())
    assert span[1] - span[0] == timedelta(hours=6)
    assert is_open("daily 02:30-04:00 Europe/Berlin", at("2026-03-29T03:45"))
    assert not is_open("daily 02:30-04:00 Europe/Berlin", at("2026-03-29T03:15")), "02:30 never comes: later"
    assert not is_open("daily 00:00-02:30 Europe/Berlin", at("2026-03-29T01:45")), "02:30 never comes: earlier"


def test_the_night_the_clock_is_put_back() -> None:
    # 2026-10-25 03:00 becomes 02:00
    (span,) = parse_one("sat 22:00-05:00").spans(at("2026-10-24T12:00").date(), at("2026-10-24T12:00").date())
    assert span[1] - span[0] == timedelta(hours=8)
    first, second = (datetime(2026, 10, 25, hour, 15, tzinfo=UTC) for hour in (0, 1))
    assert is_open("daily 00:00-02:30 Europe/Berlin", first)
    assert not is_open("daily 00:00-02:30 Europe/Berlin", second), "02:30 has been already"
    assert not is_open("daily 02:10-04:00 Europe/Berlin", first), "02:10 comes once more"
    assert is_open("daily 02:10-04:00 Europe/Berlin", second)
    assert not is_open("daily 02:10-02:40 Europe/Berlin", first), "nothing is left of it that night"


def parse_one(text: str) -> Window:
    window = parse(f"{text} Europe/Berlin")
    assert window is not None
    return window


def test_windows_that_touch_are_one() -> None:
    windows = parse_all(["mon 20:00-23:00", "mon 23:00-02:00", "tue 01:00-03:00", "tue 04:00-05:00"])
    assert closing(windows, at("2026-11-16T21:00", UTC)) == at("2026-11-17T03:00", UTC)
    assert opening(windows, at("2026-11-17T03:00", UTC)) == at("2026-11-17T04:00", UTC)


def test_the_second_tuesday_and_the_last_friday() -> None:
    windows = parse_all(["2tue 22:00-06:00", "-1fri 22:00-23:00"])
    assert opening(windows, at("2026-11-01T00:00", UTC)) == at("2026-11-10T22:00", UTC)
    assert opening(windows, at("2026-11-11T07:00", UTC)) == at("2026-11-27T22:00", UTC)


def test_always() -> None:
    assert parse_all([]) == ()
    assert parse_all(["mon 20:00-23:00", "always"]) == ()


def test_from_and_to_alike_are_a_whole_day() -> None:
    assert is_open("tue 22:00-22:00", at("2026-11-18T21:59", UTC))
    assert not is_open("tue 22:00-22:00", at("2026-11-18T22:00", UTC))


def test_a_range_of_days_may_go_over_the_weekend() -> None:
    window = parse("sat-mon 01:00-02:00")
    assert window is not None
    assert [number for number, _ in window.days] == [5, 6, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "DAYS HH:MM"),
        ("mon 9:00-10:00", "DAYS HH:MM"),
        ("mon 09:00-25:00", "00:00 to 23:59"),
        ("xyz 09:00-10:00", "a day of"),
        ("2mon-tue 09:00-10:00", "a day of"),
        ("6tue 09:00-10:00", "days such as"),
        ("mon 09:00-10:00 Europe/Nowhere", "a time zone"),
        ("mon 09:00-10:00 /etc/passwd", "a time zone"),
        ("mon 09:00-10:00 ../UTC", "DAYS HH:MM"),
    ],
)
def test_what_is_no_window_is_refused(text: str, expected: str) -> None:
    with pytest.raises(WindowError, match=expected):
        parse(text)
