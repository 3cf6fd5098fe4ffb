"""What a fact is read from: an answer that was not asked for, or has another form, is a fact that is not known."""

import json

import pytest

from mxlib.facts import boot
from mxlib.facts.section import Section
from mxlib.facts.source import FactUnknownError, Source, read_facts, sections_of
from tests.unit.support.facts import ShellHost, facts_of


def test_facts_that_were_not_asked_for_are_unknown():
    with pytest.raises(FactUnknownError, match="not read"):
        facts_of({}).get(boot.SOURCE)


def test_a_parser_that_trips_makes_its_fact_unknown():
    section = Section("odd", "true")
    source = Source("odd", (section,), lambda outputs: int(outputs["odd"].text()))
    with pytest.raises(FactUnknownError, match="odd: ValueError") as caught:
        facts_of({section: "three"}).get(source)
    assert caught.value.evidence[0].output == "three"


def test_a_time_that_is_too_large_makes_its_fact_unknown():
    text = f"boot-id {'0' * 8}-0000-4000-8000-{'0' * 12}\nbooted {{}}\ncmdline quiet\n"
    assert facts_of({boot.SECTION: text.format(9)}).get(boot.SOURCE).cmdline == "quiet"
    for seconds in (10**12, 10**16, 10**30):
        with pytest.raises(FactUnknownError):
            facts_of({boot.SECTION: text.format(seconds)}).get(boot.SOURCE)


def test_a_fact_that_is_nested_too_deep_is_unknown():
    deep = Source("deep", boot.SOURCE.sections, lambda _: json.loads("[" * 100_000))
    with pytest.raises(FactUnknownError):
        facts_of({boot.SECTION: ""}).get(deep)


def test_two_different_questions_of_one_name_are_refused():
    one, two = Section("same", "a"), Section("same", "b")
    assert sections_of([Source("x", (one,), len), Source("y", (one,), len)]) == (one,)
    with pytest.raises(ValueError, match="same"):
        sections_of([Source("x", (one,), len), Source("y", (two,), len)])


def test_two_readings_of_a_host_are_one_in_which_the_one_that_is_asked_counts():
    old, new = Section("same", "a"), Section("other", "b")
    later = facts_of({old: "later"}).joined(facts_of({old: "earlier", new: "kept"}))
    assert {name: one.output for name, one in later.outputs.items()} == {"same": "later", "other": "kept"}


def test_facts_of_this_machine_can_be_read():
    facts = read_facts(ShellHost(), (boot.SOURCE,))
    assert facts.get(boot.SOURCE).boot_id.version == 4
