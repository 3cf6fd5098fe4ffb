import dataclasses
import re

from mxlib.base.verdict import Status
from mxlib.checks.mta import CHECK
from tests.unit.support.healthy import POLICY, host


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


def test_each_port_and_family_that_nobody_listens_on_is_named():
    found = verdict(dataclasses.replace(POLICY, listeners=(25, 2525)))
    assert found.status is Status.FAILED
    assert found.why == "it does not listen on port 2525 over IPv4, port 2525 over IPv6"
    only = dataclasses.replace(POLICY, listeners=(2525,), families=(6,))
    assert verdict(only).why == "it does not listen on port 2525 over IPv6"


def test_it_says_which_version_runs():
    assert re.fullmatch(r"Exim \S+, \d+ processes, \d+ listeners", verdict().why)
