"""The watch between two hosts: what it takes for proof."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.config.roll import RollSoak
from mxlib.mta.event import Cause
from mxlib.roll.soak import SoakState, Watched, growth, judge, so_far

LIMITS = RollSoak(seconds=100, limit=300, deliveries=3, growth=5, errors=2, every=10)
WELL = Watched(120, 5, {"mx1": [3, 2, 4, 3]})


def test_proof_takes_time_deliveries_and_a_flat_queue() -> None:
    assert judge(WELL, LIMITS)[0] is SoakState.PASSED
    assert judge(dataclasses.replace(WELL, seconds=50), LIMITS)[0] is SoakState.WAIT
    assert judge(dataclasses.replace(WELL, delivered=2), LIMITS)[0] is SoakState.WAIT
    assert judge(dataclasses.replace(WELL, queues={"mx1": [1, 1, 9, 9]}), LIMITS)[0] is SoakState.WAIT
    assert judge(dataclasses.replace(WELL, alerts="MailQueueHigh fires"), LIMITS)[0] is SoakState.WAIT
    assert judge(dataclasses.replace(WELL, unread="mx1: no session"), LIMITS)[0] is SoakState.WAIT


def test_the_bound_ends_the_wait_without_proof() -> None:
    proof, why = judge(dataclasses.replace(WELL, seconds=300, delivered=2), LIMITS)
    assert (proof, "2 of 3 real deliveries" in why) == (SoakState.SHORT, True)


def test_a_queue_that_has_grown_at_the_bound_is_a_bad_sign_and_no_lack_of_evidence() -> None:
    # the next watch would begin with the long queue, and find it flat
    grown = dataclasses.replace(WELL, seconds=300, delivered=2, queues={"mx1": [1, 1, 90, 90]})
    proof, why = judge(grown, LIMITS)
    assert (proof, "the queue of mx1 has grown by 89 messages" in why) == (SoakState.FAILED, True)
    assert judge(dataclasses.replace(WELL, seconds=300, alerts="MailQueueHigh fires"), LIMITS)[0] is SoakState.SHORT


@pytest.mark.parametrize(
    ("causes", "known", "proof"),
    [
        ({Cause.TIMEOUT_AFTER_DATA: 1}, set(), SoakState.FAILED),
        ({Cause.REMOTE_4XX: 2}, set(), SoakState.PASSED),
        ({Cause.REMOTE_4XX: 3}, set(), SoakState.FAILED),
        ({Cause.REMOTE_4XX: 3}, {Cause.REMOTE_4XX}, SoakState.PASSED),
        ({Cause.UNTRIED: 30}, set(), SoakState.PASSED),
    ],
)
def test_a_new_class_of_error_stops_it(causes, known, proof) -> None:
    assert judge(dataclasses.replace(WELL, causes=causes, known=frozenset(known)), LIMITS)[0] is proof


@given(st.integers(0, 5000), st.integers(1, 60))
def test_a_flat_queue_has_not_grown_however_long_it_is(count: int, looks: int) -> None:
    assert growth([count] * looks) == 0
    assert growth([count] * looks + [count + 10000] + [count] * looks) == 0, "a spike is no trend"


@pytest.mark.parametrize(
    ("seconds", "delivered", "asked", "done"),
    [(50, 3, 3, 0.5), (100, 1, 4, 0.25), (500, 9, 3, 1.0), (25, 0, 0, 0.25), (0, 0, 3, 0.0)],
)
def test_how_far_it_is_is_the_evidence_that_lacks_most(seconds, delivered, asked, done) -> None:
    share = so_far(Watched(seconds, delivered), dataclasses.replace(LIMITS, deliveries=asked))
    assert (share.done, share.total) == (done, 1.0)
