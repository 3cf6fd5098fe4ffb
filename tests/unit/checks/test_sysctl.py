import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.sysctl import CHECK
from tests.unit.support.healthy import POLICY, host


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_sysctls_the_site_requires():
    key = "net.ipv4.tcp_fastopen_blackhole_timeout_sec"
    assert judge(policy=dataclasses.replace(POLICY, sysctls={key: "3600"})).status is Status.FAILED
    well = judge(policy=dataclasses.replace(POLICY, sysctls={key: "0"}))
    assert (well.status, well.why) == (Status.OK, f"as required: {key}")
    assert judge(policy=dataclasses.replace(POLICY, sysctls={})).why == "none is required"
    absent = dataclasses.replace(POLICY, sysctls={"net.ipv4.no_such_key": "1"})
    assert "not there" in judge(policy=absent).why
