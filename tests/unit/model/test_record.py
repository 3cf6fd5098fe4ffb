import json
from dataclasses import replace

import pytest

from mxlib.base.errors import ParseError
from mxlib.model.record import MAX_BOOTS, Boot, Judgement, Judgements, Level, from_json
from tests.unit.support.records import RECORD

PASSED, BLAMED, UNSURE = Judgement.PASSED, Judgement.BLAMED, Judgement.INCONCLUSIVE
FRESH = replace(RECORD, boots=(), judged={}, baseline=False)


def came(kernel, boot="b1", wanted=FRESH.target.release):
    return replace(FRESH, boots=(Boot("b0", wanted, boot, kernel),))


def test_what_was_written_is_read():
    assert from_json(RECORD.to_json()) == RECORD


def test_a_field_of_another_release_is_kept():
    raw = json.loads(RECORD.to_json()) | {"of_2031": [5]}
    assert from_json(json.dumps(raw)).unknown == {"of_2031": [5]}
    assert json.loads(from_json(json.dumps(raw)).to_json()) == raw


def test_a_record_from_before_its_newer_fields_were_kept_has_the_values_that_change_nothing():
    raw = json.loads(FRESH.to_json())
    for name in ("version", "accepted", "level", "pinned", "proven", "configured", "host"):
        del raw[name]
    raw["boots"] = [{"before": "b0", "wanted": "6.1.0-56", "after": "b1", "kernel": "6.1.0-56"}]
    raw["log_mark"] = [12, 34]
    found = from_json(json.dumps(raw))
    assert (found.accepted, found.level, found.pinned, found.proven) == ((), Level.GUEST, (), {})
    assert (found.configured, found.host, found.log_mark) == ({}, "", "12:34")
    assert found.boots == (Boot("b0", "6.1.0-56", "b1", "6.1.0-56", Level.GUEST),)


def test_each_of_its_fields_is_read_as_it_was_written():
    whole = replace(RECORD, level=Level.COLD, pinned=("ens5",), accepted=("a", "b"), host="mx2001.lab.test",
                    proven={"b1": "now"}, configured={"b1": "x"}, unsettled=True, prepared="b1")  # fmt: skip
    whole = replace(whole, boots=(Boot("b0", "w", "b1", "k", Level.COLD),))
    assert from_json(whole.to_json()) == whole


def test_a_field_that_is_called_as_what_keeps_unknown_ones_is_kept_like_any_other():
    raw = json.loads(RECORD.to_json()) | {"unknown": 5}
    assert json.loads(from_json(json.dumps(raw)).to_json()) == raw


def test_the_same_record_is_the_same_text():
    """The host compares it byte for byte."""
    keys = list(json.loads(RECORD.to_json()))
    assert keys == sorted(keys)
    assert from_json(RECORD.to_json()).to_json() == RECORD.to_json()


def test_what_is_wrong_with_it_is_said():
    raw = json.loads(RECORD.to_json())
    with pytest.raises(ParseError, match=r"record cannot be read: .*expected letters, digits and dashes, got '\.\./x'"):
        from_json(json.dumps({**raw, "run": "../x"}))
    with pytest.raises(ParseError, match="has version 99, these cookbooks know 1: use the newer ones"):
        from_json(json.dumps({**raw, "version": 99}))


@pytest.mark.parametrize(
    "change", [{"run": "../x"}, {"version": 99}, {"level": "warm"}, {"judged": {"b1": {"x": "y"}}}]
)
def test_what_is_no_record_of_this_version(change):
    with pytest.raises(ParseError):
        from_json(json.dumps(json.loads(RECORD.to_json()) | change))


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
