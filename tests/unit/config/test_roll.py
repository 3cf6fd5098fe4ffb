import pytest

from mxlib.config.roll import RollNotify, RollSection, RollSoak
from tests.unit.support.site import refusal


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("roll.slack", float("nan"), "roll.slack: expected 1 or more, got nan"),
        ("roll.notify", {"smtp": "mail:99999"}, "roll.notify.smtp: expected host or host:port, got 'mail:99999'"),
        ("roll.soak", {"seconds": 9000}, "roll.soak.limit: expected not less than seconds, and its default is 7200.0"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("roll.windows", ["nights"], "roll.windows: expected"),
        ("roll.max_failed", -1, "roll.max_failed: expected 0 or more, got -1"),
        ("roll.stale_days", 0, "roll.stale_days: expected a number above 0"),
        ("roll.max_out", 0, "roll.max_out: expected 1 or more, got 0"),
        ("roll.task_url", "http://x/{task}", "roll.task_url: expected https://...{task}"),
        ("roll.task_url", "https://x/", "roll.task_url: expected https://...{task}"),
        ("roll.notify", {"to": ["nobody"]}, "roll.notify.to: expected mail addresses"),
        ("roll.notify", {"sender": "root"}, "roll.notify.sender: expected a mail address"),
        ("roll.soak", {"every": 0}, "roll.soak.every: expected a number above 0"),
        ("roll.soak", {"growth": -1}, "roll.soak.growth: expected 0 or more, got -1"),
    ],
)
def test_each_key_is_checked(key, value, message):
    assert message in refusal(key, value)


@pytest.mark.parametrize("server", [None, "mail", "mail.lab.test:25", "192.0.2.1:65535"])
def test_where_a_mail_is_handed_in(server):
    assert RollNotify(smtp=server).smtp == server


def test_a_watch_may_end_when_it_has_lasted_long_enough():
    assert RollSoak(60, 60).limit == 60


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: RollSection(windows=("nights",)), "windows"),
        (lambda: RollSection(max_failed=-1), "max_failed"),
        (lambda: RollSection(max_out=0), "max_out"),
        (lambda: RollSection(slack=0.5), "slack"),
        (lambda: RollSection(task_url="http://x"), "task_url"),
        (lambda: RollSoak(seconds=10, limit=5), "limit"),
        (lambda: RollSoak(seconds=0), "seconds"),
        (lambda: RollNotify(to=("nobody",)), "to"),
        (lambda: RollNotify(smtp="a b"), "smtp"),
    ],
)
def test_a_section_that_is_made_with_a_wrong_value_names_its_key(make, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        make()
