import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.queue import CHECK, DEADLINE, TREND
from mxlib.config.verify import QueuePolicy
from tests.unit.support.failing import counted, waiting
from tests.unit.support.healthy import POLICY, host


def status(check=CHECK, limits=None, **changed):
    return check.verdict(host(**changed), dataclasses.replace(POLICY, queue=limits or QueuePolicy())).status


def test_the_site_decides_how_long_is_too_long():
    assert status(limits=QueuePolicy(10, 20), queue_count="50\n") is Status.FAILED
    assert status(limits=QueuePolicy(51, 60), queue_count="50\n") is Status.OK
    assert status(limits=QueuePolicy(50, 60), queue_count="50\n") is Status.FAILED


def test_a_queue_that_grows_less_than_the_bound_says_so():
    growth = QueuePolicy().growth
    grown = TREND.verdict(host(maillog_recent=counted(growth, 1)), POLICY)
    assert (grown.status, f"it grew by {growth - 1}" in grown.why) == (Status.OK, True)
    assert status(TREND, maillog_recent=counted(growth, 0)) is Status.FAILED
    assert "grew" not in TREND.verdict(host(maillog_recent=counted(5, 5)), POLICY).why


def test_the_first_to_bounce_is_named_long_before():
    found = DEADLINE.verdict(host(queue_headers=waiting(1, hours=90)), POLICY)
    assert (found.status, "the first to bounce is" in found.why, "slow.test" in found.why) == (Status.OK, True, True)
    past = DEADLINE.verdict(host(queue_headers=waiting(1, hours=97)), POLICY)
    assert "at its next attempt" in past.why
