"""Deciding what a roll does next, from how the hosts stand to the next act. Pure: it touches nothing.

Invariants, held from every state and so after any interruption:

* A host is begun only while so many others are in service and well as the site says, no more than ``max_out`` are out
  or unwell with it, and its data centre keeps another MX in service (if it has another one at all).
* A host that somebody else took out is never touched, and counts as out; so does one that cannot be asked.
* No host is begun after more than ``max_failed`` have failed with this kernel, in this run or in an earlier one, nor
  after a failed soak, nor before the canary is there, nor before those that are there have proven themselves under real
  mail.
* No host is begun that is not expected to be finished inside the window.
* A roll is done only when every host is there: whatever is left behind is named.
"""

from collections.abc import Sequence

from mxlib.base.text import duration, plural
from mxlib.model.outcome import Outcome
from mxlib.roll.state import (
    OUT,
    TOLERABLE,
    Decision,
    Failure,
    Finish,
    PlanLine,
    RollGoal,
    RollState,
    Seen,
    Soak,
    Stand,
    Take,
    end_of,
)

_SHOWN_PAST = 5


def order(hosts: Sequence[Seen], canary: str = "") -> tuple[Seen, ...]:
    """Return the hosts in the order of a roll: the canary, the rest of its data centre, then the other data centres.

    Within a data centre the host that gets the least mail goes first: the one with the highest preference number in its
    MX record. Without a canary (empty) the data centres come by name.
    """
    first = {one.dc for one in hosts if one.host == canary}
    return tuple(
        sorted(hosts, key=lambda one: (one.host != canary, one.dc not in first, one.dc, -one.preference, one.host))
    )


def decide(goal: RollGoal, state: RollState) -> Decision:
    """Return what is done next, from a state that was just read."""
    if state.left_s is not None and state.left_s <= 0:
        return _closed(state)
    ours = order([one for one in state.hosts if one.host in state.wanted], goal.canary)
    return _stop(goal, state, ours) or _leftover(goal, state, ours) or _next(goal, state, ours)


def _closed(state: RollState) -> Finish:
    if state.changed:
        return Finish(Outcome.PAUSED, "the window has closed; the next run continues")
    return Finish(Outcome.OUTSIDE, "no window is open now")


def _stop(goal: RollGoal, state: RollState, ours: Sequence[Seen]) -> Finish | None:
    """What ends a roll before the next host is chosen."""
    known = _known_out(state, ours)
    if blockers := [one.said for one in state.blockers if one.out not in known]:
        return Finish(Outcome.BLOCKED, "; ".join(blockers))
    failed = failures(state, ours)
    if len(failed) > goal.max_failed or any(one.outcome not in TOLERABLE for _, one in failed):
        host, worst = max(failed, key=_needs_a_person)
        said = f"{worst.outcome.phrase}, at {worst.at} (run {worst.run}): {worst.why}"
        return Finish(end_of(worst.outcome), f"{host}: {said}", again=worst.outcome is not Outcome.UNDONE)
    return None


def _known_out(state: RollState, ours: Sequence[Seen]) -> frozenset[str]:
    """Of which hosts it is no news that they are, or were, out of service.

    The one that is resumed next is out, which an alert says until it is back. Once it is back, the alert goes on until
    the next verification by the timer: what was just read is newer.
    """
    left = _left(ours)
    back = [one for one in ours if one.serves and one.host in state.resumed]
    return frozenset(one.host for one in (left, *back) if one is not None)


def _left(ours: Sequence[Seen]) -> Seen | None:
    return next((one for one in ours if one.stand is Stand.LEFTOVER), None)


def _needs_a_person(one: tuple[str, Failure]) -> tuple[bool, bool, int]:
    """Sort failures by how much a person is needed: a host that is out more than one that serves without proof."""
    outcome = one[1].outcome
    return outcome not in TOLERABLE, outcome is not Outcome.UNPROVEN, outcome.value


def failures(state: RollState, ours: Sequence[Seen]) -> list[tuple[str, Failure]]:
    """Return the failures that still count: of hosts that run the kernel by now only that of their soak."""
    found = [(one, state.failed[one.host]) for one in ours if one.host in state.failed]
    return [(one.host, bad) for one, bad in found if one.stand is not Stand.THERE or bad.outcome is Outcome.UNPROVEN]


def _leftover(goal: RollGoal, state: RollState, ours: Sequence[Seen]) -> Decision | None:
    """A host that an earlier run left out of service comes before all others."""
    left = _left(ours)
    if left is None:
        return None
    if not goal.resume:
        return Finish(Outcome.LEFT_OUT, f"{left.host}: {left.why}; a person has to resume it (roll.leftovers)")
    return _too_long(left, state) or Take(left.host, resume=True)


def _next(goal: RollGoal, state: RollState, ours: Sequence[Seen]) -> Decision:
    todo = [one for one in ours if one.stand is Stand.TODO and one.host not in state.failed]
    if not todo:
        return _all_done(state, ours)
    if why := _canary(goal, state, ours) or room(goal, state.hosts, todo[0]):
        return Finish(Outcome.BLOCKED, why)
    unproven = tuple(one.host for one in ours if one.stand is Stand.THERE and one.host not in state.soaked)
    late = _too_long(todo[0], state, state.soak_s if unproven else 0.0)
    return late or (Soak(unproven) if unproven else Take(todo[0].host))


def _all_done(state: RollState, ours: Sequence[Seen]) -> Finish:
    out = [one for one in ours if one.stand in OUT]
    if out:
        return Finish(Outcome.BLOCKED, "; ".join(f"{one.host}: {one.why}" for one in out))
    if failed := failures(state, ours):
        host, failure = failed[0]
        said = f"{plural(len(failed), 'host')} failed, the first is {host}: {failure.why}"
        return Finish(end_of(failure.outcome), said)
    if skipped := [one for one in ours if one.stand is Stand.SKIPPED]:
        return Finish(Outcome.INCOMPLETE, "; ".join(f"{one.host}: {one.why}" for one in skipped))
    return Finish(Outcome.DONE, f"{plural(len(ours), 'host')} there")


def _canary(goal: RollGoal, state: RollState, ours: Sequence[Seen]) -> str:
    """Why no other host may go before the canary; empty if one may."""
    canary = next((one for one in ours if one.host == goal.canary), None)
    if canary is None or canary.stand in (Stand.THERE, Stand.TODO) or canary.host in state.failed:
        return ""
    return f"the canary {canary.host} has to go first: {canary.why or canary.stand.value}"


def room(goal: RollGoal, hosts: Sequence[Seen], host: Seen) -> str:
    """Return why a host may not be taken out now; empty if it may.

    Arguments:
        hosts: every MX of the service, also those that are not part of the roll.
    """
    if host.unwell:
        return f"{host.host} is not well: {host.unwell}"
    others = [one for one in hosts if one.host != host.host]
    out = [one for one in others if not one.serves]
    serving = len(others) - len(out)
    who = "; ".join(f"{one.host}: {one.unwell if one.stand not in OUT else one.why or one.stand.value}" for one in out)
    if len(out) + 1 > goal.max_out:
        return f"with {host.host} {plural(len(out) + 1, 'MX')} would be out or not well, {goal.max_out} may be ({who})"
    if serving < goal.min_in_service:
        return f"only {plural(serving, 'other MX')} in service and well, {goal.min_in_service} needed ({who})"
    neighbours = [one for one in others if one.dc == host.dc]
    if neighbours and not any(one.serves for one in neighbours):
        return f"data centre {host.dc} would lose its last MX ({who})"
    return ""


def _too_long(host: Seen, state: RollState, before_s: float = 0.0) -> Finish | None:
    """Pause where the host is not expected to be finished before the window closes."""
    need = before_s + host.expected_s * state.slack
    if state.left_s is None or need <= state.left_s:
        return None
    why = f"{host.host} is expected to take {duration(need)}, and the window closes in {duration(state.left_s)}"
    return Finish(Outcome.PAUSED, why)


def expected(own: Sequence[float], fleet: Sequence[float], bound: float) -> float:
    """Seconds that the reboot of a host is expected to take: its slowest of late.

    Arguments:
        own: seconds that its own earlier runs took, oldest first.
        fleet: the same of all hosts, for a host without an earlier run.
        bound: the sum of all time limits, where no host has had a run.
    """
    known = own or fleet
    return max(known[-_SHOWN_PAST:]) if known else bound


def plan(goal: RollGoal, state: RollState) -> tuple[PlanLine, ...]:
    """Return what a run would do if all went well, for people; the run itself decides again after each host."""
    lines, at = [], 0.0
    proven = not any(one.stand is Stand.THERE for one in state.hosts)
    for one in order([one for one in state.hosts if one.host in state.wanted], goal.canary):
        failed = state.failed.get(one.host)
        if one.stand not in (Stand.TODO, Stand.LEFTOVER) or (failed and one.stand is Stand.TODO):
            lines.append(PlanLine(one.host, "failed" if failed else one.stand.value, failed.why if failed else one.why))
            continue
        at += 0.0 if proven or one.stand is Stand.LEFTOVER else state.soak_s
        fits = state.left_s is None or at + one.expected_s * state.slack <= state.left_s
        act = "resume" if one.stand is Stand.LEFTOVER else "reboot"
        lines.append(PlanLine(one.host, act, one.why or f"runs {one.kernel}", at, one.expected_s, fits))
        at, proven = at + one.expected_s, False
    return tuple(lines)
