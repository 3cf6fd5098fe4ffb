import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.log import CHECK
from mxlib.config.verify import LogPolicy
from tests.unit.support.failing import BDAT_IN, BDAT_OUT, STALLED, recent
from tests.unit.support.healthy import POLICY, host


def test_the_site_decides_how_many_are_too_many():
    found = host(maillog_recent=recent(5, STALLED))
    for after_data, status in ((5, Status.FAILED), (6, Status.OK)):
        policy = dataclasses.replace(POLICY, log=LogPolicy(after_data=after_data))
        assert CHECK.verdict(found, policy).status is status


def test_what_repeats_an_earlier_error_is_not_counted_by_destination():
    hint = "== u@x.test R=r T=t defer (-53): retry time not reached for any host"
    assert CHECK.verdict(host(maillog_recent=recent(100, hint)), POLICY).status is Status.OK


def test_each_refused_chunk_bounces_a_mail_so_few_are_too_many():
    for line, ids in ((BDAT_IN, False), (BDAT_OUT, True)):
        for count, status in ((5, Status.FAILED), (4, Status.OK)):
            assert CHECK.verdict(host(maillog_recent=recent(count, line, ids=ids)), POLICY).status is status


def test_refused_chunks_are_named_and_blamed_on_nobody_else():
    came = CHECK.verdict(host(maillog_recent=recent(27, BDAT_IN, ids=False)), POLICY)
    assert "27 x BDAT (CHUNKING) refused here, from provider.test" in came.why
    went = CHECK.verdict(host(maillog_recent=recent(27, BDAT_OUT)), POLICY)
    assert "27 x BDAT (CHUNKING) refused, to a.test" in went.why
    for one in (came, went):
        assert "neither kernel nor network" in one.why
        assert len(one.why) < 240, "as long as a line of the table is"
