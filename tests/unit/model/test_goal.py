from dataclasses import replace

import pytest

from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import Boot, Kernel, Level
from tests.unit.support.records import RECORD

FRESH = replace(RECORD, boots=(), judged={})
FELL_BACK = replace(FRESH, boots=(Boot("b0", FRESH.target.release, "b1", FRESH.fallback.release),))
UNDOING = replace(FRESH, undoing="turned back")
SPENT = replace(FRESH, boots=tuple(Boot(f"b{n}", FRESH.target.release, f"b{n + 1}", "6.1.0-57") for n in range(3)))
AGAIN = replace(FRESH, target=FRESH.fallback)
DEPOOL = replace(FRESH, target=Kernel("", ""), stay=True)


def test_a_run_undoes_where_it_is_asked_to_or_has_begun_to():
    assert not Goal().turned(FRESH)
    assert Goal(back=True).turned(FRESH)
    assert Goal().turned(UNDOING)


@pytest.mark.parametrize(
    ("goal", "record", "out"),
    [
        (Goal(), FRESH, False),
        (Goal(stay=True), FRESH, True),
        (Goal(), replace(FRESH, stay=True), True),
        (Goal(serve=True), replace(FRESH, stay=True), False),
        (Goal(stay=True, back=True), FRESH, False),
        (Goal(stay=True), UNDOING, False),
    ],
)
def test_who_stays_out_of_service(goal, record, out):
    assert goal.stays_out(record) is out


@pytest.mark.parametrize(
    ("goal", "record", "kernel", "once"),
    [
        (Goal(), FRESH, FRESH.target, FRESH.target.entry),
        (Goal(back=True), FRESH, FRESH.fallback, ""),
        (Goal(), UNDOING, FRESH.fallback, ""),
        (Goal(), FELL_BACK, FRESH.fallback, ""),
        (Goal(), AGAIN, FRESH.fallback, ""),
    ],
)
def test_a_trial_is_for_one_boot_and_the_fallback_is_saved(goal, record, kernel, once):
    assert goal.kernel_for(record) == kernel
    assert goal.entries_for(record) == (FRESH.fallback.entry, once)


@pytest.mark.parametrize(
    ("goal", "record", "level"),
    [
        (Goal(), replace(FRESH, level=Level.COLD), Level.COLD),
        (Goal(), FRESH, Level.GUEST),
        (Goal(back=True), replace(FRESH, level=Level.COLD), Level.GUEST),
        (Goal(), replace(FELL_BACK, level=Level.COLD), Level.GUEST),
        (Goal(), replace(FRESH, level=Level.COLD, boots=(Boot("b0", "", "b1", "x", Level.COLD),)), Level.GUEST),
    ],
)
def test_only_the_way_forward_is_cold_and_only_once(goal, record, level):
    assert goal.level_for(record) is level


@pytest.mark.parametrize(
    ("goal", "record", "boot", "kernel", "into"),
    [
        (Goal(), FRESH, "b0", FRESH.fallback.release, FRESH.target.release),
        (Goal(), FRESH, "b1", FRESH.target.release, ""),
        (Goal(back=True), FRESH, FRESH.boot_before, FRESH.target.release, ""),
        (Goal(back=True), FRESH, "b1", FRESH.target.release, FRESH.fallback.release),
        (Goal(), replace(FRESH, level=Level.COLD), "b0", FRESH.target.release, FRESH.target.release),
        (Goal(), AGAIN, "b0", AGAIN.target.release, AGAIN.target.release),
        (Goal(), replace(AGAIN, boots=(Boot("b0", "", "b1", AGAIN.target.release),)), "b1", AGAIN.target.release, ""),
        (Goal(back=True), AGAIN, AGAIN.boot_before, AGAIN.target.release, ""),
        (Goal(), DEPOOL, "b0", "6.1.0-1", ""),
        (Goal(), SPENT, "b3", "6.1.0-57", FRESH.fallback.release),
        (Goal(adopt=True, serve=True), SPENT, "b3", "6.1.0-57", ""),
    ],
)
def test_into_which_kernel_a_host_is_rebooted(goal, record, boot, kernel, into):
    assert goal.reboots_into(record, boot, kernel) == into


@pytest.mark.parametrize(
    ("goal", "record", "outcome"),
    [
        (Goal(), FRESH, Outcome.DONE),
        (Goal(back=True), FRESH, Outcome.UNDONE),
        (Goal(back=True), FELL_BACK, Outcome.FELL_BACK),
        (Goal(back=True), DEPOOL, Outcome.UNDONE),
        (Goal(stay=True), replace(DEPOOL, undoing="drain: disk full"), Outcome.UNDONE),
        (Goal(adopt=True, serve=True), DEPOOL, Outcome.DONE),
        (Goal(adopt=True, serve=True), replace(DEPOOL, undoing="aborted"), Outcome.DONE),
        (Goal(adopt=True, serve=True), UNDOING, Outcome.UNDONE),
    ],
)
def test_how_a_run_ended_that_serves_again(goal, record, outcome):
    assert goal.outcome(record) is outcome
