"""What refresh-aliases decides to do."""

import dataclasses

import pytest

from mxlib.aliases.plan import concerned, plan
from tests.unit.support.aliases import (
    ENTRIES,
    INCIDENT,
    NEW_ENTRIES,
    NEWER,
    STUCK,
    TIMER,
    A,
    B,
    C,
    counted,
    facts,
    file,
    minutes,
    state,
)

BOTH = (A, B)
CUT = facts(file=file(entries=1, digest="c" * 64, terminated=False))


def hosts(states, **refused):
    return [(one.host, one.hangs, one.harmed) for one in plan(states, BOTH, refused)]


def test_healthy_states_need_nothing():
    assert plan([state(a=facts(), b=facts())], BOTH, {}) == ()


def test_the_stuck_host_is_ended_and_the_newer_one_left_alone():
    (repair,) = plan([INCIDENT], BOTH, {})
    assert (repair.host, repair.hangs, repair.harmed, repair.donor) == (B, True, False, "")
    assert any("hangs" in why for why in repair.why)
    assert any("differs from that of mx1001.lab.test" in why for why in repair.why)


def test_only_hosts_that_may_be_changed_are():
    assert plan([INCIDENT], (A,), {}) == ()


def test_where_mail_is_refused_now_comes_first_and_gets_a_whole_file():
    stuck = dataclasses.replace(STUCK, file=file(digest="a" * 64))
    first, second = plan([state(a=stuck, b=dataclasses.replace(CUT, last_success=minutes(5)))], BOTH, {})
    assert (first.host, first.harmed, first.donor) == (B, True, A)
    assert (second.host, second.hangs) == (A, True)


def test_without_a_whole_file_anywhere_there_is_no_donor():
    repairs = plan([state(a=CUT, b=dataclasses.replace(CUT, file=None))], BOTH, {})
    assert [one.donor for one in repairs] == ["", ""]


def test_a_file_that_lost_its_contents_is_no_donor_and_the_last_good_one_is_left_alone():
    seen = state(a=facts(file=None), b=counted(600, 5), c=counted(1000, 40))
    assert [(one.host, one.donor, one.why) for one in plan([seen], (A, B, C), {})] == [
        (A, C, (f"{seen.generator.file} is missing",)),
        (B, "", ("600 entries, mx3001.lab.test has 1000: further apart than 10 %",)),
    ]


def test_of_two_whole_files_only_the_smaller_one_is_made_again():
    seen = state(a=counted(1000, 40), b=counted(600, 5))
    assert [(one.host, one.donor) for one in plan([seen], BOTH, {})] == [(B, "")]


@pytest.mark.parametrize(("entries", "donor"), [(990, ""), (650, B)])
def test_a_file_that_is_cut_short_is_not_replaced_by_one_that_knows_far_less(entries, donor):
    cut = facts(file=file(entries=entries, digest="c" * 64, terminated=False))
    (repair,) = plan([state(a=cut, b=counted(600, 5))], (A,), {})
    assert (repair.harmed, repair.donor) == (True, donor)


def test_equally_stale_files_are_both_made_again():
    stale = facts(last_success=minutes(300), file=file(written=minutes(300)))
    assert [one.host for one in plan([state(a=stale, b=stale)], BOTH, {})] == [A, B]


def test_a_generator_that_is_absent_gets_no_run():
    absent = facts(load="not-found", file=None)
    assert plan([state(a=facts(), b=absent)], BOTH, {}) == ()


def test_a_host_that_could_not_be_read_gets_no_run():
    assert plan([state(a=facts(), b="no session")], BOTH, {}) == ()


def test_an_address_that_is_refused_is_a_reason():
    refused = {B: ["new@lab.test"]}
    (repair,) = plan([state(a=facts(), b=facts())], BOTH, refused)
    assert repair.why == ("new@lab.test is refused here",)


def test_nothing_is_done_twice():
    assert plan([INCIDENT], BOTH, {}, done=[(B, "vrts")]) == ()


@pytest.mark.parametrize(
    ("timer", "armed"),
    [
        (dataclasses.replace(TIMER, active="inactive", sub="dead"), True),
        (dataclasses.replace(TIMER, active="inactive", sub="dead", file_state="disabled"), None),
        (dataclasses.replace(TIMER, load="masked", active="inactive", file_state="masked"), None),
    ],
)
def test_a_timer_that_somebody_disabled_is_theirs_to_enable(timer, armed):
    repairs = plan([state(a=facts(timer=timer), b=facts())], BOTH, {})
    assert [one.arm for one in repairs] == ([] if armed is None else [armed])


def test_addresses_concerned_with_their_targets():
    stale = dataclasses.replace(state(a=NEWER, b=STUCK), entries={A: NEW_ENTRIES, B: ENTRIES})
    found = concerned([[state(a=facts(), b=facts())], [stale]], ["Support@lab.test"])
    assert found == {"Support@lab.test": ("support@tickets.test",), "newqueue@lab.test": ("newqueue@tickets.test",)}
