from mxlib.base.verdict import Status
from mxlib.checks.hole import CHECK
from tests.unit.support.healthy import POLICY, host


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_a_ruleset_that_cannot_be_read_is_not_one_without_holes():
    for broken in ({"firewall_nft": "{}"}, {"firewall_tables": "tool iptables-nft-save\n"}):
        assert judge(host(**broken)).status is Status.UNKNOWN
