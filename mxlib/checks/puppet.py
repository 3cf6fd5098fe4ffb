"""Puppet: enabled and running, or the host drifts away from its site's configuration."""

from mxlib.base.text import duration
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import puppet
from mxlib.facts.puppet import PuppetFacts
from mxlib.facts.source import Facts


def _enabled(found: PuppetFacts, policy: VerifyPolicy) -> Finding:
    if found.age_s is None:
        return unknown("enabled, but when it last ran is unknown")
    if found.age_s < 0:
        return unknown(f"enabled, but by the host's own clock its last run lies {duration(-found.age_s)} in the future")
    ago = duration(found.age_s)
    if found.age_s > policy.puppet_age_s:
        return failed(f"enabled, but it last ran {ago} ago")
    if found.failed:
        return failed(f"{found.failed} failures in the last run, {ago} ago")
    if found.failed is None:
        return unknown(f"enabled, ran {ago} ago, but its summary has no result: it may have got no catalogue")
    return ok(f"enabled, ran {ago} ago")


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge Puppet on a host."""
    if not policy.puppet:
        return ok("not required here")
    found = facts.get(puppet.SOURCE)
    if not found.present:
        return failed("there is no Puppet; verify.puppet: false expects none")
    return _enabled(found, policy) if found.enabled else failed(f"disabled: {found.message or 'no reason given'}")


CHECK = Check("puppet", "enabled, ran lately", Scope.SERVICE, lambda _: (puppet.SOURCE,), judge)
