import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.network import CHECK
from tests.unit.support.healthy import POLICY, host


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


def test_a_family_that_is_not_served_is_not_asked_for():
    assert verdict(routes_v6="[]").status is Status.FAILED
    assert verdict(dataclasses.replace(POLICY, families=(4,)), routes_v6="[]").status is Status.OK


def test_each_family_is_named():
    assert verdict(routes_v4="[]", routes_v6="[]").why == "no IPv4 default route; no IPv6 default route"
