import dataclasses

from mxlib.base.verdict import Status
from mxlib.checks.units import CHECK
from tests.unit.support.failing import HUNG
from tests.unit.support.healthy import POLICY, host


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def test_a_failure_that_was_cleared_on_purpose_is_no_riddle():
    line = "ifup@ens5.service failed=1795234781000000 started=\ncleared ifup@ens5.service\nend\n"
    assert judge(host(unit_failures=line)).status is Status.OK


def test_a_unit_that_recovered_is_no_fault():
    failures = "spamd.service failed=1795234781000000 started=1795234791000000\nend\n"
    assert judge(host(unit_failures=failures)).status is Status.OK


def test_the_site_decides_which_units_matter():
    hung = host(unit_states=lambda text: text + HUNG + "InactiveExitTimestampMonotonic=1000000\n")
    assert judge(hung, POLICY).status is Status.FAILED
    assert judge(hung, dataclasses.replace(POLICY, ignored_units=("gen.service",))).status is Status.OK
