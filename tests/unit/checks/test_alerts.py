"""What alerts say against a host."""

from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.verdict import Status
from mxlib.checks import alerts
from tests.unit.support.alerts import parsed, raw

NOW = datetime(2026, 11, 21, 0, 55, tzinfo=UTC)


def test_only_what_is_loud_speaks_against_a_host():
    assert alerts.judge(parsed(raw(), raw("Quiet", silenced=["x"])), NOW).status is Status.FAILED
    fine = alerts.judge(parsed(raw("Quiet", silenced=["x"]), raw("Covered", inhibited=["y"])), NOW)
    assert (fine.status, "Quiet" in fine.said, "Covered" in fine.said) == (Status.OK, True, True)
    assert alerts.judge((), NOW).why == "no alert fires"


def test_what_repeats_the_last_verification_does_not_fail_the_next_one():
    firing = parsed(raw("MxDown", source="verify-mx"), raw("Quiet", silenced=["x"]))
    found = alerts.judge(firing, NOW, verifying=True)
    assert found.status is Status.OK
    assert found.why.startswith("no other alert fires; by the last verification: MxDown on mx2001:9100 (critical) ")
    assert found.warnings[0].startswith("silenced or inhibited: Quiet on mx2001:9100 (critical)")
    assert alerts.judge(firing, NOW).status is Status.FAILED
    other = alerts.judge((*firing, *parsed(raw("DiskFull"))), NOW, verifying=True)
    assert (other.status, "1 alert fires: DiskFull" in other.why, "MxDown" in other.why) == (Status.FAILED, True, False)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, Status.FAILED),
        ({"silenced": ["ours"]}, Status.FAILED),
        ({"silenced": ["theirs"]}, Status.OK),
        ({"silenced": ["ours", "theirs"]}, Status.OK),
        ({"inhibited": ["other"]}, Status.OK),
        ({"since": "2026-11-21T00:49:59Z"}, Status.OK),
        ({"source": "verify-mx"}, Status.OK),
        ({"source": "verify-mx", "silenced": ["ours"]}, Status.OK),
        ({"source": "blackbox"}, Status.FAILED),
    ],
)
def test_the_soak_sees_behind_the_silences_of_the_run_and_of_nobody_else(options, status):
    begin = NOW - timedelta(minutes=5)
    found = alerts.judge_since(parsed(raw(**options)), begin, ["ours"], NOW)
    assert found.status is status
    assert "QueueLong" in found.why
