"""Kernel parameters that the site requires, such as a mitigation of a known kernel bug."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import sysctl
from mxlib.facts.source import Facts, Source


def _sources(policy: VerifyPolicy) -> tuple[Source[dict[str, str]], ...]:
    return (sysctl.source(policy.read_sysctls),)


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the kernel parameters of a host."""
    found = facts.get(_sources(policy)[0])
    wrong = [
        f"{key} is {found.get(key, 'not there')}, expected {value}"
        for key, value in policy.sysctls.items()
        if found.get(key) != " ".join(value.split())
    ]
    if wrong:
        return failed("; ".join(wrong))
    return ok(f"as required: {', '.join(policy.sysctls)}" if policy.sysctls else "none is required")


CHECK = Check("sysctl", "kernel parameters as required", Scope.CONDITION, _sources, judge)
