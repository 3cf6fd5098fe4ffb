"""The planner of a roll: order, what stands in the way, and the invariants from every state."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxlib.model.outcome import Outcome
from mxlib.roll.plan import decide, expected, order, plan, room
from mxlib.roll.state import TOLERABLE, Blocker, Failure, Finish, RollGoal, RollState, Seen, Soak, Stand, Take

GOAL = RollGoal("6.1.0-56")
A, B, C, D = "mx1001", "mx1002", "mx2001", "mx2002"


def seen(host: str, stand: Stand = Stand.TODO, **values) -> Seen:
    values = {"dc": "one" if host in (A, B) else "two", "preference": 10, "expected_s": 600.0, **values}
    return Seen(host, stand=stand, **values)


def state(*hosts: Seen, **values) -> RollState:
    return RollState(hosts, frozenset(one.host for one in hosts), **values)


def failure(outcome: Outcome = Outcome.FELL_BACK) -> Failure:
    return Failure(outcome, "large mail stalls", "2026-11-20T22:10:00+00:00", "r1")


def test_order_is_canary_then_its_site_then_the_others_the_least_busy_first() -> None:
    hosts = [seen(A), seen(B, preference=50), seen(C), seen(D, preference=50)]
    assert [one.host for one in order(hosts, C)] == [C, D, B, A]
    assert [one.host for one in order(hosts)] == [B, A, D, C]


def test_the_first_is_taken_and_the_next_only_after_a_soak() -> None:
    assert decide(GOAL, state(seen(A), seen(C))) == Take(A)
    there = (seen(A, Stand.THERE), seen(C))
    assert decide(GOAL, state(*there)) == Soak((A,))
    assert decide(GOAL, state(*there, soaked=frozenset({A}))) == Take(C)
    assert decide(GOAL, state(seen(A, Stand.THERE), seen(C, Stand.THERE))) == Finish(Outcome.DONE, "2 hosts there")


def test_one_taken_out_by_others_is_never_touched_and_counts() -> None:
    foreign = seen(A, Stand.FOREIGN, why="taken out by alice")
    found = decide(GOAL, state(foreign, seen(C)))
    assert isinstance(found, Finish)
    assert (found.end, "taken out by alice" in found.why) == (Outcome.BLOCKED, True)
    two = dataclasses.replace(GOAL, max_out=2, canary=C)
    assert decide(two, state(foreign, seen(B), seen(C), seen(D))) == Take(C)
    assert decide(two, state(foreign, seen(B, unwell="disk full"), seen(C), seen(D))).end is Outcome.BLOCKED


def test_a_site_keeps_its_last_mx() -> None:
    goal = dataclasses.replace(GOAL, max_out=3)
    hosts = (seen(A, Stand.UNKNOWN, why="no answer"), seen(B), seen(C), seen(D))
    assert "data centre one would lose its last MX" in room(goal, hosts, hosts[1])
    assert room(goal, hosts, hosts[2]) == ""


def test_an_mx_that_is_not_in_the_roll_counts_too() -> None:
    others = RollState((seen(A), seen(C, Stand.UNKNOWN, why="no answer")), frozenset({A}))
    found = decide(GOAL, others)
    assert isinstance(found, Finish)
    assert "no answer" in found.why


def test_leftovers_come_first_by_policy() -> None:
    hosts = (seen(A), seen(C, Stand.LEFTOVER, why="run r1"))
    assert decide(GOAL, state(*hosts)) == Take(C, resume=True)
    found = decide(dataclasses.replace(GOAL, resume=False), state(*hosts))
    assert isinstance(found, Finish)
    assert found.end is Outcome.LEFT_OUT


def test_the_canary_goes_first_or_nobody() -> None:
    goal = dataclasses.replace(GOAL, canary=C)
    hosts = (seen(A), seen(B), seen(C, Stand.SKIPPED, why="6.1.0-56 is not installed"))
    found = decide(goal, state(*hosts))
    assert isinstance(found, Finish)
    assert (found.end, "has to go first: 6.1.0-56 is not installed" in found.why) == (Outcome.BLOCKED, True)


def test_failures_of_earlier_nights_stop_a_roll_until_the_host_is_there() -> None:
    failed = {C: failure()}
    assert decide(GOAL, state(seen(A), seen(C), failed=failed)).end is Outcome.FELL_BACK
    assert decide(GOAL, state(seen(A), seen(C, Stand.THERE), failed=failed)) == Soak((C,))
    tolerant = dataclasses.replace(GOAL, max_failed=1)
    assert decide(tolerant, state(seen(A), seen(C), failed=failed)) == Take(A)
    ends = decide(tolerant, state(seen(A, Stand.THERE), seen(C), failed=failed))
    assert ends.end is Outcome.FELL_BACK, "never done while one is behind"
    assert decide(tolerant, state(seen(A), seen(C), failed={C: failure(Outcome.INCONCLUSIVE)})).end is not Outcome.DONE


def test_a_failed_soak_counts_though_its_host_runs_the_kernel() -> None:
    failed = {C: failure(Outcome.UNPROVEN)}
    for stand in (Stand.THERE, Stand.TODO):
        found = decide(dataclasses.replace(GOAL, max_failed=1), state(seen(A), seen(C, stand), failed=failed))
        assert found.end is Outcome.UNPROVEN
        assert "at 2026-11-20T22:10:00+00:00 (run r1): large mail stalls" in found.why
    assert decide(GOAL, state(seen(A, Stand.THERE), seen(C, Stand.THERE), failed=failed)).end is Outcome.UNPROVEN


def test_the_failure_that_needs_a_person_most_is_the_one_that_is_named() -> None:
    def end(one: Outcome, two: Outcome) -> Outcome:
        failed = {A: failure(one), C: failure(two)}
        return decide(GOAL, state(seen(A), seen(B), seen(C), failed=failed)).end

    assert end(Outcome.FELL_BACK, Outcome.UNPROVEN) is Outcome.UNPROVEN
    assert end(Outcome.UNPROVEN, Outcome.MAIL_LOST) is Outcome.MAIL_LOST
    assert end(Outcome.LEFT_OUT, Outcome.MAIL_LOST) is Outcome.MAIL_LOST


def test_nothing_is_begun_that_does_not_fit_the_window() -> None:
    assert decide(GOAL, state(seen(A), seen(C), left_s=600.0)) == Take(A)
    assert decide(GOAL, state(seen(A), seen(C), left_s=600.0, slack=1.5)).end is Outcome.PAUSED
    there = (seen(A, Stand.THERE), seen(C))
    assert decide(GOAL, state(*there, left_s=1000.0, soak_s=500.0)).end is Outcome.PAUSED, "soak and host together"
    assert decide(GOAL, state(seen(A), seen(C), left_s=0.0)).end is Outcome.OUTSIDE
    assert decide(GOAL, state(seen(A), seen(C), left_s=0.0, changed=True)).end is Outcome.PAUSED


def test_what_is_left_behind_is_named() -> None:
    found = decide(GOAL, state(seen(A, Stand.THERE), seen(C, Stand.SKIPPED, why="6.1.0-56 is not installed")))
    assert found == Finish(Outcome.INCOMPLETE, "mx2001: 6.1.0-56 is not installed")


def test_blockers_block() -> None:
    found = decide(GOAL, state(seen(A), seen(C), blockers=(Blocker("MailQueueHigh fires on mx1001"),)))
    assert found == Finish(Outcome.BLOCKED, "MailQueueHigh fires on mx1001")


def test_that_the_leftover_is_out_keeps_nobody_from_resuming_it() -> None:
    hosts = (seen(A, Stand.LEFTOVER), seen(C))
    out_a, out_c, other = Blocker("MxLeftOut on mx1001", A), Blocker("MxDown on mx2001", C), Blocker("MxQueueLong")
    assert decide(GOAL, state(*hosts, blockers=(out_a,))) == Take(A, resume=True)
    for more in (out_c, other):
        assert decide(GOAL, state(*hosts, blockers=(out_a, more))) == Finish(Outcome.BLOCKED, more.said)
    stop = dataclasses.replace(GOAL, resume=False)
    assert decide(stop, state(*hosts, blockers=(out_a,))).end is Outcome.LEFT_OUT, "it says what a person has to do"
    two = (*hosts, seen(B, Stand.LEFTOVER))
    assert decide(GOAL, state(*two, blockers=(Blocker("MxDown on mx1002", B),))).end is Outcome.BLOCKED, "A comes first"


def test_an_alert_that_lags_behind_the_resume_of_its_host_keeps_no_other_from_being_begun() -> None:
    back = state(seen(A), seen(C), blockers=(Blocker("MxLeftOut on mx1001", A),))
    assert decide(GOAL, back).end is Outcome.BLOCKED, "this run has not resumed it"
    resumed = dataclasses.replace(back, resumed=frozenset({A}))
    assert decide(GOAL, resumed) == Take(A)
    unwell = dataclasses.replace(resumed, hosts=(seen(A, unwell="disk FAILED: full"), seen(C)))
    assert decide(GOAL, unwell).why == "MxLeftOut on mx1001"


def test_expected_is_the_slowest_of_the_last_five() -> None:
    assert expected([9000, 300, 310, 320, 330, 340], [9999], 5000) == 340
    assert expected([], [400, 500], 5000) == 500
    assert expected([], [], 5000) == 5000


def test_a_plan_has_a_line_for_each_host_and_says_what_does_not_fit() -> None:
    hosts = (seen(A), seen(B, Stand.THERE), seen(C), seen(D, Stand.SKIPPED, why="not installed"))
    lines = plan(GOAL, state(*hosts, left_s=2000.0, soak_s=300.0))
    assert [(one.host, one.act, one.begins_s, one.fits) for one in lines] == [
        (A, "reboot", 300.0, True),
        (B, "there", None, True),
        (C, "reboot", 1200.0, True),
        (D, "skipped", None, True),
    ]
    assert not plan(GOAL, state(*hosts, left_s=1500.0, soak_s=300.0))[2].fits


# --- from every state

stands = st.sampled_from(list(Stand))
names = [f"mx{number}" for number in range(5)]


@st.composite
def states(draw) -> RollState:
    hosts = tuple(
        Seen(
            name,
            draw(st.sampled_from(["one", "two"])),
            draw(st.sampled_from([10, 20])),
            draw(stands),
            why="so",
            unwell=draw(st.sampled_from(["", "", "", "disk"])),
            expected_s=draw(st.sampled_from([300.0, 900.0])),
        )
        for name in names
    )
    return RollState(
        hosts,
        frozenset(draw(st.sets(st.sampled_from(names), min_size=1))),
        failed={
            name: failure(draw(st.sampled_from(sorted(TOLERABLE, key=str))))
            for name in draw(st.sets(st.sampled_from(names), max_size=2))
        },
        soaked=frozenset(draw(st.sets(st.sampled_from(names)))),
        left_s=draw(st.sampled_from([None, 0.0, 400.0, 1000.0, 9000.0])),
        soak_s=draw(st.sampled_from([0.0, 500.0])),
        blockers=draw(st.sampled_from([(), (), (Blocker("an alert"),)])),
    )


goals = st.builds(
    RollGoal,
    kernel=st.just("6.1.0-56"),
    canary=st.sampled_from(["", "mx3"]),
    max_failed=st.integers(0, 2),
    max_out=st.integers(1, 3),
    min_in_service=st.integers(0, 3),
    resume=st.booleans(),
)


@pytest.mark.once
@given(goals, states())
@settings(max_examples=8 * settings.default.max_examples)
def test_invariants(goal: RollGoal, now: RollState) -> None:
    found = decide(goal, now)
    assert decide(goal, now) == found
    if isinstance(found, Finish):
        if found.end is Outcome.DONE:
            assert all(one.stand is Stand.THERE for one in now.hosts if one.host in now.wanted)
        return
    assert not now.blockers
    assert now.left_s is None or now.left_s > 0
    by_name = {one.host: one for one in now.hosts}
    if isinstance(found, Soak):
        assert {by_name[one].stand for one in found.hosts} == {Stand.THERE}
        return
    host = by_name[found.host]
    assert found.host in now.wanted
    assert now.left_s is None or host.expected_s <= now.left_s
    if found.resume:
        assert (host.stand, goal.resume) == (Stand.LEFTOVER, True)
        return
    others = [one for one in now.hosts if one is not host]
    assert (host.stand, host.unwell) == (Stand.TODO, "")
    assert found.host not in now.failed
    assert sum(one.serves for one in others) >= goal.min_in_service
    assert sum(not one.serves for one in others) + 1 <= goal.max_out
    near = [one for one in others if one.dc == host.dc]
    assert not near or any(one.serves for one in near)
    assert not [one for one in now.hosts if one.stand is Stand.LEFTOVER and one.host in now.wanted]
    assert all(one.host in now.soaked for one in now.hosts if one.stand is Stand.THERE and one.host in now.wanted)
    canary = by_name.get(goal.canary)
    if canary and canary.host in now.wanted and canary is not host:
        assert canary.stand is Stand.THERE or canary.host in now.failed
    assert (
        len([one for one in now.failed if one in now.wanted and by_name[one].stand is not Stand.THERE])
        <= goal.max_failed
    )


@given(goals, states())
@settings(max_examples=2 * settings.default.max_examples)
def test_if_all_goes_well_it_ends(goal: RollGoal, now: RollState) -> None:
    """Each act done as it should: a bounded number of them, no host twice, then an end."""
    taken = []
    for _ in range(4 * len(names)):
        found = decide(goal, now)
        if isinstance(found, Finish):
            return
        if isinstance(found, Soak):
            now = dataclasses.replace(now, soaked=now.soaked | set(found.hosts))
            continue
        assert found not in taken
        taken.append(found)
        there = [dataclasses.replace(one, stand=Stand.THERE) if one.host == found.host else one for one in now.hosts]
        now = dataclasses.replace(now, hosts=tuple(there), soaked=now.soaked - {found.host})
    raise AssertionError("no end")
