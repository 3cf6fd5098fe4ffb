"""Units: required ones run, none has failed or crashes in a loop, starts for ever, or merely had a failure cleared."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise, takewhile

from mxlib.base.text import duration, one_line, plural
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import units
from mxlib.facts.source import Facts, Source
from mxlib.facts.units import PastFailure, Restarts, UnitsFacts, UnitState
from mxlib.mta.find import with_mta


def _sources(policy: VerifyPolicy) -> tuple[Source[UnitsFacts], ...]:
    return (units.source(with_mta(policy).unit_names),)


# A unit that reloads its configuration keeps serving; since 257 systemd also calls that "refreshing".
_RUNS = frozenset({"active", "reloading", "refreshing"})

_LOOP = timedelta(minutes=10)
"""Failures of a unit that are farther apart are two, and no loop."""


def _required(names: str, facts: UnitsFacts) -> str:
    """Return what is wrong with a required unit, or with all of its alternatives; empty if one runs."""
    states = [facts.find(name) for name in names.split("|")]
    if any(state and state.active in _RUNS for state in states):
        return ""
    there = [state for state in states if state and state.load != "not-found"]
    return (
        "; ".join(f"{state.name} is {state.active} ({state.result})" for state in there)
        or f"{names} is not there, which verify.required_units expects"
    )


def _hung(state: UnitState, policy: VerifyPolicy) -> bool:
    age = state.left_inactive_s
    return state.active == "activating" and age is not None and age > policy.activating_s


def _waits(state: UnitState) -> bool:
    """Whether a unit has failed and waits for its restart; one that ended well and is started again does so, too."""
    return state.sub.startswith("auto-restart") and state.result != "success"


def _loops(found: Restarts) -> bool:
    """Whether a unit that was restarted has not yet run for much longer than it did between its last failures.

    One that failed several times while the machine came up, within seconds, is well seconds later.
    """
    gaps = [later - earlier for earlier, later in pairwise(found.failures)]
    close = list(takewhile(lambda gap: gap <= _LOOP, reversed(gaps)))
    return bool(close) and found.now - found.failures[-1] <= 2 * max(close)


def _again(facts: UnitsFacts) -> Iterator[tuple[str, str]]:
    """Return units that fail and are started again, and in words how that is: between two crashes each is active."""
    looping = {one.unit: one for one in facts.restarts if _loops(one)}
    for unit, one in looping.items():
        ago = duration((one.now - one.failures[-1]).total_seconds())
        yield unit, f"fails again and again: restarted {plural(one.count, 'time')}, it last failed {ago} ago"
    for state in facts.units:
        if _waits(state) and state.name not in looping:
            yield state.name, f"has failed ({state.result}) and waits for its restart"


def _cleared(failure: PastFailure, facts: UnitsFacts) -> bool:
    """Whether a unit failed in this boot and has not started since, its failure was cleared, and nobody noted why."""
    if failure.unit in facts.cleared:
        return False
    state = facts.find(failure.unit)
    return not failure.recovered and (state is None or state.active not in {*_RUNS, "activating", "failed"})


def problems(facts: UnitsFacts, policy: VerifyPolicy, *, ignore: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with the units.

    Arguments:
        ignore: units that are stopped on purpose.
    """
    skipped = {*policy.ignored_units, *ignore}
    found = [_required(names, facts) for names in policy.required_units if names not in skipped]
    failures = [state.name for state in facts.failed if state.name not in skipped]
    found += [f"{name} has failed" for name in failures if not any(name in problem for problem in found)]
    again = [(name, why) for name, why in _again(facts) if name not in skipped]
    found += [f"{name} {why}" for name, why in again if not any(name in problem for problem in found)]
    found += [
        f"{state.name} has been starting for {duration(state.left_inactive_s or 0)}"
        for state in facts.units
        if _hung(state, policy) and state.name not in skipped
    ]
    found += [
        f"{failure.unit} failed at {failure.failed:%H:%M:%S} UTC, its failure was cleared, and it never started"
        for failure in facts.past_failures
        if _cleared(failure, facts) and failure.unit not in skipped
    ]
    return [problem for problem in found if problem]


def judge(facts: Facts, policy: VerifyPolicy, *, ignore: tuple[str, ...] = ()) -> Finding:
    """Judge the units of a host."""
    policy = with_mta(policy)
    found = facts.get(_sources(policy)[0])
    wrong = problems(found, policy, ignore=ignore)
    if wrong:
        return failed("; ".join(wrong))
    if found.unread:
        shown = one_line("; ".join(found.unread), 200)
        return unknown(f"what has failed in this boot is not fully known from the journal: {shown}")
    if not any(found.find(name) for name in policy.unit_names):
        return unknown("systemd knows none of the required units")
    return ok(f"{len(policy.required_units)} required units run, none has failed")


CHECK = Check("units", "required units run, none failed, crashes in a loop or hangs", Scope.CONDITION, _sources, judge)
