from mxlib.base.verdict import Status
from mxlib.checks.relay import CHECK
from tests.unit.support.healthy import POLICY, host, replaced


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_a_relay_test_that_is_deferred_or_not_heard_is_unknown():
    deferred = host(relay=replaced("550 relay not permitted", "451 try later"))
    assert judge(deferred).status is Status.UNKNOWN
    refused_sender = host(relay=replaced("250 OK\r\n550 relay not permitted", "550 go away\r\n503 no sender"))
    assert judge(refused_sender).status is Status.UNKNOWN
