"""Connection tracking: the table is not full. Its losses show while test mails are sent (``conntrack-growth``)."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import conntrack
from mxlib.facts.source import Facts


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the table of connections."""
    found = facts.get(conntrack.SOURCE)
    if not found.loaded:
        return ok("connections are not tracked")
    full = found.fullness
    if full is None:
        return unknown("how full the table is could not be read")
    why = f"{found.count} of {found.limit} connections, {100 * full:.0f} %"
    counters = ", ".join(f"{name}={found.counters[name]}" for name in conntrack.BAD if name in found.counters)
    return (failed if full > policy.conntrack_fullness else ok)(why, f"{why}; since boot: {counters}")


CHECK = Check("conntrack", "the table is not full", Scope.CONDITION, lambda _: (conntrack.SOURCE,), judge)
