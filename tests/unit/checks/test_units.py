import dataclasses

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.units import CHECK
from tests.unit.support.failing import HUNG
from tests.unit.support.healthy import POLICY, host, with_unit


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_a_failure_that_was_cleared_on_purpose_is_no_riddle():
    line = "ifup@ens5.service failed=1795234781000000 started=\ncleared ifup@ens5.service\nend\n"
    assert judge(host(unit_failures=line)).status is Status.OK


def test_a_unit_that_recovered_is_no_fault():
    failures = "spamd.service failed=1795234781000000 started=1795234791000000\nend\n"
    assert judge(host(unit_failures=failures)).status is Status.OK


LAST = 1795234781


def loop(*ago: float, since: float = 10.0, restarts: int = 3) -> str:
    """The journal's answer: a unit that failed so many seconds before its last failure, and that some time ago."""
    times = ",".join(f"{(LAST - one) * 1e6:.0f}" for one in (*ago, 0.0))
    known = f"gen.service failed={LAST}000000 started={LAST + 1}000000\n"
    return f"{known}again gen.service restarts={restarts} now={LAST + since:.0f} failed={times}\nend\n"


@pytest.mark.parametrize(
    ("failures", "status"),
    [
        (loop(5.0), Status.FAILED),
        (loop(5.0, since=11.0), Status.OK),
        (loop(60.0, since=100.0), Status.FAILED),
        (loop(65.0, 5.0, since=100.0), Status.FAILED),
        (loop(0.4, 0.2, since=2.0), Status.OK),
        (loop(600.0, since=1200.0), Status.FAILED),
        (loop(601.0, since=1.0), Status.OK),
        (loop(3600.0, 5.0, since=11.0), Status.OK),
        (loop(5.0, since=-30.0), Status.FAILED),
        (loop(5.0, since=11.0, restarts=1), Status.OK),
    ],
    ids=[
        "it has just failed again",
        "well for longer than between the two",
        "between two crashes it is active",
        "the longest of the times between them",
        "while the machine came up",
        "a slow loop",
        "two failures, and no loop",
        "one long ago, two at once",
        "the clock was set back",
        "restarted once",
    ],
)
def test_a_unit_that_fails_again_and_again_is_a_fault_also_while_it_runs(failures: str, status: Status) -> None:
    assert judge(host(unit_failures=failures)).status is status


@pytest.mark.parametrize("sub", ["auto-restart", "auto-restart-queued"])
@pytest.mark.parametrize(
    ("result", "status"), [("exit-code", Status.FAILED), ("signal", Status.FAILED), ("success", Status.OK)]
)
def test_a_unit_that_waits_for_its_restart_is_a_fault_unless_it_ended_well(
    sub: str, result: str, status: Status
) -> None:
    waits = HUNG.replace("SubState=start", f"SubState={sub}").replace("Result=success", f"Result={result}")
    states = host(unit_states=lambda text: f"{text}{waits}InactiveExitTimestampMonotonic=2452000000\n")
    assert judge(states).status is status


@pytest.mark.parametrize("restarts", ["unread", "[not set]"])
def test_restarts_that_cannot_be_read_are_unknown(restarts: str) -> None:
    odd = loop(5.0, since=11.0).replace("restarts=3", f"restarts={restarts}")
    assert judge(host(unit_failures=odd)).status is Status.UNKNOWN


def test_a_required_unit_in_a_loop_is_named_once() -> None:
    waits = {"ActiveState": "activating", "SubState": "auto-restart", "Result": "signal"}
    states = with_unit("spamd.service", InactiveExitTimestampMonotonic="2452000000", **waits)
    found = judge(host(unit_states=states, unit_failures=loop(5.0).replace("gen.", "spamd.")))
    assert found.why == "spamd.service is activating (signal)"


def test_the_site_decides_which_units_matter():
    loops = host(unit_failures=loop(5.0))
    assert judge(loops, dataclasses.replace(POLICY, ignored_units=("gen.service",))).status is Status.OK
    hung = host(unit_states=lambda text: text + HUNG + "InactiveExitTimestampMonotonic=1000000\n")
    assert judge(hung, POLICY).status is Status.FAILED
    assert judge(hung, dataclasses.replace(POLICY, ignored_units=("gen.service",))).status is Status.OK
