from datetime import timedelta

from mxlib.base.verdict import Status
from mxlib.checks.clock import CHECK
from tests.unit.support.healthy import POLICY, host


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_a_clock_within_the_time_the_question_took_is_right():
    facts = host()
    later = (facts.when + timedelta(seconds=1)).timestamp()
    assert judge(host(clock=f"now {later:.3f}\nNTPSynchronized=yes\n")).status is Status.OK
    far = (facts.when + timedelta(seconds=400)).timestamp()
    assert "ahead" in judge(host(clock=f"now {far:.3f}\n")).why
