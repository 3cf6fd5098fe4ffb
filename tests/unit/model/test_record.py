from dataclasses import replace

import pytest

from mxlib.model.record import MAX_BOOTS, Boot, Judgement, Judgements, Level
from tests.unit.support.records import RECORD

PASSED, BLAMED, UNSURE = Judgement.PASSED, Judgement.BLAMED, Judgement.INCONCLUSIVE
FRESH = replace(RECORD, boots=(), judged={}, baseline=False)


def came(kernel, boot="b1", wanted=FRESH.target.release):
    return replace(FRESH, boots=(Boot("b0", wanted, boot, kernel),))


@pytest.mark.parametrize(
    ("judged", "verified", "worst"),
    [
        (Judgements(), False, None),
        (Judgements(PASSED), False, None),
        (Judgements(PASSED, PASSED), True, None),
        (Judgements(PASSED, PASSED, PASSED), True, None),
        (Judgements(PASSED, PASSED, BLAMED), False, BLAMED),
        (Judgements(UNSURE, BLAMED), False, UNSURE),
    ],
)
def test_a_host_may_serve_after_both_stages_and_no_failed_soak(judged, verified, worst):
    assert (judged.verified, judged.worst) == (verified, worst)


def test_a_boot_that_was_ordered_is_awaited_until_it_has_come():
    assert (FRESH.awaited, FRESH.boot) == (None, "b0")
    ordered = came("", boot="")
    assert (ordered.awaited, ordered.boot) == (ordered.boots[0], "b0")
    assert (came("x").awaited, came("x").boot) == (None, "b1")


def test_reboots_that_nobody_ordered_are_not_counted():
    boots = tuple(Boot(f"b{number}", "wanted", f"b{number + 1}", "x") for number in range(MAX_BOOTS))
    assert not replace(FRESH, boots=boots[1:]).spent
    assert replace(FRESH, boots=boots).spent
    assert not replace(FRESH, boots=(*boots[1:], Boot("b9", "", "b10", "x"))).spent
    assert not replace(FRESH, boots=(*boots[1:], Boot("b9", "wanted"))).spent, "the awaited one may be ordered again"


def test_a_trial_fails_by_another_kernel_or_by_blame():
    target = FRESH.target.release
    assert not came(target).trial_failed
    assert came(FRESH.fallback.release).trial_failed
    assert came(target).with_judgement("b1", held=BLAMED).trial_failed
    assert not came(target).with_judgement("b1", held=UNSURE).trial_failed
    assert not came(FRESH.fallback.release, wanted="").trial_failed


def test_a_cold_start_is_due_until_one_has_come():
    cold = replace(FRESH, level=Level.COLD)
    assert (FRESH.cold_due, cold.cold_due) == (False, True)
    assert replace(cold, boots=(Boot("b0", "x", "", "", Level.COLD),)).cold_due
    assert not replace(cold, boots=(Boot("b0", "x", "b1", "x", Level.COLD),)).cold_due


def test_the_boot_of_the_claim_is_trusted_by_its_baseline_and_any_other_by_its_proof():
    assert not FRESH.trusted("b0")
    assert replace(FRESH, baseline=True).trusted("b0")
    assert not replace(FRESH, baseline=True).trusted("b1")
    assert FRESH.with_judgement("b1", held=PASSED, serving=PASSED).trusted("b1")


def test_stages_are_judged_one_by_one():
    record = FRESH.with_judgement("b1", held=PASSED).with_judgement("b1", serving=UNSURE)
    assert record.judgements("b1") == Judgements(PASSED, UNSURE)
    assert record.judgements("b2") == Judgements()
