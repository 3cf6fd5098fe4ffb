import json
from dataclasses import replace

import pytest

from mxlib.base.errors import ParseError
from mxlib.model.record import Boot, Judgement, Level
from mxlib.model.record_reader import from_json
from tests.unit.support.records import RECORD

FRESH = replace(RECORD, boots=(), judged={}, baseline=False)


def test_what_was_written_is_read():
    assert from_json(RECORD.to_json()) == RECORD


def test_a_field_of_another_release_is_kept():
    raw = json.loads(RECORD.to_json()) | {"of_2031": [5]}
    assert from_json(json.dumps(raw)).unknown == {"of_2031": [5]}
    assert json.loads(from_json(json.dumps(raw)).to_json()) == raw


def newer():
    """A record that a newer release has written: with a field more in each of its parts."""
    raw = json.loads(replace(RECORD, boots=(Boot("b0", "w", "b1", "k"), Boot("b1", "w"))).to_json())
    raw["boots"][1]["of_2031"] = {"why": ["x"]}
    for part in (raw["target"], raw["fallback"], raw["prior"]):
        part["of_2031"] = 5
    return raw


def test_a_field_of_another_release_is_kept_in_every_part():
    """An older release resumes what a newer one has left: the version is raised only where a meaning changes."""
    found = from_json(json.dumps(newer()))
    assert replace(found, unknown={}) == replace(RECORD, boots=(Boot("b0", "w", "b1", "k"), Boot("b1", "w")))
    assert json.loads(found.to_json()) == newer()


def test_what_was_kept_stays_with_its_part_while_the_run_goes_on():
    found = from_json(json.dumps(newer()))
    went = replace(found, boots=(*found.boots, Boot("b2", "w"))).with_judgement("b2", held=Judgement.PASSED)
    went = replace(went, prior=replace(went.prior, saved_entry="m>x"))
    raw = json.loads(went.to_json())
    assert [list(one) for one in raw["boots"] if "of_2031" in one] == [sorted([*raw["boots"][0], "of_2031"])]
    assert (raw["boots"][1]["of_2031"], raw["prior"]["of_2031"]) == ({"why": ["x"]}, 5)
    assert (raw["prior"]["saved_entry"], len(raw["boots"])) == ("m>x", 3)
    assert from_json(went.to_json()) == went


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


@pytest.mark.parametrize("run", ["", "../../../etc/cron.d/x", "a b", "x" * 65, 7])
def test_a_run_id_that_could_name_another_file_is_refused(run):
    raw = json.dumps({**json.loads(RECORD.to_json()), "run": run})
    with pytest.raises(ParseError, match="run"):
        from_json(raw)


def test_a_record_of_another_version_is_read_as_far_as_it_is_known():
    raw = RECORD.to_json().replace('"accepted": ["log"], ', '"to_come": 1, ')
    assert from_json(raw).accepted == ()


def test_what_another_release_has_added_is_kept_and_what_it_has_changed_is_refused():
    values = {**json.loads(RECORD.to_json()), "later": [1, 2]}
    assert json.loads(from_json(json.dumps(values)).to_json()) == values
    with pytest.raises(ParseError, match="version 2, these cookbooks know 1: use the newer ones"):
        from_json(json.dumps({**values, "version": 2}))
