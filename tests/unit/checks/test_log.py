import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.log import CHECK
from mxlib.config.verify import LogPolicy
from tests.unit.support.failing import STALLED, recent
from tests.unit.support.healthy import POLICY, host


def test_the_site_decides_how_many_are_too_many():
    found = host(maillog_recent=recent(5, STALLED))
    for after_data, status in ((5, Status.FAILED), (6, Status.OK)):
        policy = dataclasses.replace(POLICY, log=LogPolicy(after_data=after_data))
        assert CHECK.verdict(found, policy).status is status


def test_what_repeats_an_earlier_error_is_not_counted_by_destination():
    hint = "== u@x.test R=r T=t defer (-53): retry time not reached for any host"
    assert CHECK.verdict(host(maillog_recent=recent(100, hint)), POLICY).status is Status.OK
