import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.log import CHECK
from mxlib.checks.queue import TREND
from mxlib.config.verify import LogPolicy
from tests.unit.support.failing import BDAT_IN, BDAT_OUT, STALLED, counted, recent
from tests.unit.support.healthy import POLICY, host


def test_the_site_decides_how_many_are_too_many():
    found = host(maillog_recent=recent(5, STALLED))
    for after_data, status in ((5, Status.FAILED), (6, Status.OK)):
        policy = dataclasses.replace(POLICY, log=LogPolicy(after_data=after_data))
        assert CHECK.verdict(found, policy).status is status


def test_the_sign_of_a_stalled_body_is_the_same_over_bdat():
    pipelined = STALLED.replace("after end", "after pipelined end")
    found = CHECK.verdict(host(maillog_recent=recent(5, pipelined)), POLICY)
    assert (found.status, "5 x SMTP timeout after end of data, to provider.test" in found.why) == (Status.FAILED, True)


def test_what_repeats_an_earlier_error_is_not_counted_by_destination():
    hint = "== u@x.test R=r T=t defer (-53): retry time not reached for any host"
    assert CHECK.verdict(host(maillog_recent=recent(100, hint)), POLICY).status is Status.OK


def test_each_refused_chunk_bounces_a_mail_so_few_are_too_many():
    for line, ids in ((BDAT_IN, False), (BDAT_OUT, True)):
        for count, status in ((5, Status.FAILED), (4, Status.OK)):
            assert CHECK.verdict(host(maillog_recent=recent(count, line, ids=ids)), POLICY).status is status


def test_a_limit_of_none_fails_without_any():
    policy = dataclasses.replace(POLICY, log=LogPolicy(chunking=0))
    assert "0 x BDAT (CHUNKING) refused here" in CHECK.verdict(host(), policy).why


def test_refused_chunks_are_named_and_blamed_on_nobody_else():
    came = CHECK.verdict(host(maillog_recent=recent(27, BDAT_IN, ids=False)), POLICY)
    assert "27 x BDAT (CHUNKING) refused here, from provider.test" in came.why
    went = CHECK.verdict(host(maillog_recent=recent(27, BDAT_OUT)), POLICY)
    assert "27 x BDAT (CHUNKING) refused, to a.test" in went.why
    assert "`chunking_advertise_hosts =`" in came.why
    assert "`hosts_try_chunking = ! mx.a.test : *`" in went.why
    for one in (came, went):
        assert "neither kernel nor network; what helps: `" in one.why
        assert "the last at 04:40:00 UTC" in one.why
        assert len(one.why) < 240, "as long as a line of the table is"


NOTHING = recent(0, "")


def with_odd_lines(count, change=NOTHING):
    return host(maillog_recent=lambda text: change(text).replace("end\n", "brand new form\n" * count + "end\n"))


def test_lines_that_are_not_understood_may_be_what_would_be_too_much():
    assert CHECK.verdict(with_odd_lines(4), POLICY).status is Status.OK
    found = CHECK.verdict(with_odd_lines(5), POLICY)
    assert found.status is Status.UNKNOWN
    assert "5 lines of the log are not understood, and may be about timeout after end of data" in found.why
    assert "brand new form" in found.why
    assert CHECK.verdict(with_odd_lines(1, recent(4, STALLED)), POLICY).status is Status.UNKNOWN


def test_they_may_be_about_the_destination_that_is_closest_to_its_limit():
    refused = recent(99, "== u@x.test R=r T=t defer (111): Connection refused")
    assert CHECK.verdict(with_odd_lines(0, refused), POLICY).status is Status.OK
    found = CHECK.verdict(with_odd_lines(1, refused), POLICY)
    assert (found.status, "mail to x.test" in found.why) == (Status.UNKNOWN, True)


def test_they_may_be_mail_that_arrived():
    close = counted(POLICY.queue.growth, 1)
    assert TREND.verdict(with_odd_lines(0, close), POLICY).status is Status.OK
    assert TREND.verdict(with_odd_lines(1, close), POLICY).status is Status.UNKNOWN


def test_each_kind_of_refused_chunks_has_its_own_last_time():
    def both(text):
        came = recent(5, BDAT_IN, ids=False)(text).replace("04:40:00", "04:31:00")
        return came.replace("end\n", recent(5, BDAT_OUT)(text).partition("wrong 5\n")[2])

    why = CHECK.verdict(host(maillog_recent=both), POLICY).why
    assert "refused here, from provider.test, the last at 04:31:00 UTC; 5 x" in why
    assert "to a.test, the last at 04:40:00 UTC" in why


def cut(change):
    """The same recent log, of which earlier lines were not read."""
    return host(maillog_recent=lambda text: change(text).removesuffix("end\n") + "cut\n")


def test_counts_that_are_too_small_are_no_proof_and_a_fault_in_them_is_one():
    for check, fault in ((CHECK, recent(5, STALLED)), (TREND, counted(900, 400))):
        verdict = check.verdict(cut(NOTHING), POLICY)
        assert (verdict.status, "longer than what is read" in verdict.why) == (Status.UNKNOWN, True)
        assert check.verdict(cut(fault), POLICY).status is Status.FAILED


def partly(change):
    """The same recent log, of which only the latest errors were read."""
    return host(maillog_recent=lambda text: change(text).removesuffix("end\n") + "part\n")


def test_errors_that_were_left_out_may_be_about_anything_but_the_counts_are_right():
    refused = recent(99, "== u@x.test R=r T=t defer (111): Connection refused")
    verdict = CHECK.verdict(partly(refused), POLICY)
    assert (verdict.status, "only 99 of the 99 lines" in verdict.why) == (Status.UNKNOWN, True)
    assert CHECK.verdict(partly(recent(5, STALLED)), POLICY).status is Status.FAILED
    assert TREND.verdict(partly(NOTHING), POLICY).status is Status.OK


def test_of_a_log_in_another_form_a_line_is_shown_even_if_it_is_cut():
    found = host(maillog_recent=lambda text: NOTHING(text).replace("end\n", "brand new form\n" * 200 + "cut\n"))
    verdict = CHECK.verdict(found, POLICY)
    assert (verdict.status, "brand new form" in verdict.why) == (Status.UNKNOWN, True)
