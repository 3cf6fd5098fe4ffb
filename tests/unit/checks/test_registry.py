"""Each check is OK, FAILED and UNKNOWN once, from what two real hosts in good order answered."""

import dataclasses
import re

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.check import Scope, ok
from mxlib.checks.registry import select
from mxlib.mta.exim import names as exim
from tests.unit.support.failing import FAILING
from tests.unit.support.healthy import CHECKS, FERM, NFTABLES, POLICY, host, judge


@pytest.mark.parametrize("name", [NFTABLES, FERM])
@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_host_is_all_ok(name, check):
    verdict = judge(check, host(name))
    assert verdict.status is Status.OK, verdict.why
    assert verdict.evidence
    assert all(evidence.command for evidence in verdict.evidence)


@pytest.mark.parametrize("check", CHECKS)
def test_a_host_that_does_not_answer_is_unknown(check):
    silent = host()
    outputs = {
        key: dataclasses.replace(output, exit_code=None, output="", errors="ssh: connect: Connection refused")
        for key, output in silent.outputs.items()
    }
    verdict = judge(check, dataclasses.replace(silent, outputs=outputs))
    assert verdict.status is Status.UNKNOWN
    assert "Connection refused" in verdict.why


@pytest.mark.parametrize("check", CHECKS)
def test_a_section_that_timed_out_is_unknown(check):
    slow = host()
    outputs = {key: dataclasses.replace(output, exit_code=124) for key, output in slow.outputs.items()}
    assert judge(check, dataclasses.replace(slow, outputs=outputs)).status is Status.UNKNOWN


@pytest.mark.parametrize("text", ["", "nan\n", "\x00\x01", "Error: no such thing\n"])
@pytest.mark.parametrize("check", CHECKS)
def test_nonsense_is_unknown_and_never_passes(check, text):
    sections = {section.name for source in CHECKS[check].sources(POLICY) for section in source.sections}
    nonsense = host(**{name.replace("-", "_"): text for name in sections})
    assert judge(check, nonsense).status is Status.UNKNOWN


@pytest.mark.parametrize("case", FAILING)
def test_failed(case):
    check, facts, why = FAILING[case]
    verdict = judge(check, facts)
    assert verdict.status is Status.FAILED, verdict.why
    assert re.search(why, verdict.why), verdict.why
    assert verdict.evidence


@pytest.mark.parametrize("case", FAILING)
def test_no_other_check_cries(case):
    """A fault is named by its own check alone, as far as the checks read different things."""
    check, facts, _ = FAILING[case]
    own = {section.name for source in CHECKS[check].sources(POLICY) for section in source.sections}
    for name, other in CHECKS.items():
        theirs = {section.name for source in other.sources(POLICY) for section in source.sections}
        if name != check and not own & theirs:
            assert judge(name, facts).status is Status.OK, name


def missed(checks):
    """The cases that a set of checks does not judge as it must: its own check says OK."""
    return {case for case, (name, facts, _) in FAILING.items() if checks[name].verdict(facts, POLICY).passed}


def test_every_check_fails_once():
    assert {check for check, _, _ in FAILING.values()} == set(CHECKS) - {"sysctl"}


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"sysctl"}))
def test_a_check_forced_to_ok_is_found_out(name):
    """For each check there is a fault that it alone sees: were it silent, the fault would pass."""
    silenced = dataclasses.replace(CHECKS[name], judge=lambda facts, policy: ok("forced"))
    assert missed(CHECKS) == set()
    cases = missed(CHECKS | {name: silenced})
    assert cases == {case for case, (check, _, _) in FAILING.items() if check == name}
    alone = [
        case
        for case in cases
        if all(CHECKS[other].verdict(FAILING[case][1], POLICY).passed for other in CHECKS if other != name)
    ]
    assert alone, f"no fault is seen by {name} alone"


def test_what_is_asked_of_a_host_whose_mta_is_held():
    names = {check.name for check in CHECKS.values() if check.scope is Scope.CONDITION}
    assert names == {
        *("units", "firewall", "temporary-hole", "conntrack", "network", "disk", "sysctl", "clock"),
        "kernel",
    }
    assert exim.UNIT in POLICY.unit_names


def test_selection():
    assert [check.name for check in select(CHECKS.values(), only=["disk", "clock"])] == ["disk", "clock"]
    assert "disk" not in [check.name for check in select(CHECKS.values(), skip=["disk"])]
