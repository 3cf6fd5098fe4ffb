"""Leftovers of a run: closed ports, or a claim on the host that nobody has released."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import depool
from mxlib.facts.source import Facts
from mxlib.model.state import Ports


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge whether these cookbooks keep a host out of service."""
    del policy
    found = facts.get(depool.SOURCE)
    if record := found.record:
        return failed(f"claimed by {record.who} since {record.since}, run {record.run}: {record.why}")
    if found.ports is not Ports.OPEN:
        ports = ", ".join(map(str, found.closed_ports or ())) or "none"
        return failed(f"mail ports are {found.ports.value} (closed now: {ports}), and no run says why")
    return ok("the ports are open, no run has claimed the host")


CHECK = Check("depool", "no leftovers of a run", Scope.SERVICE, lambda _: (depool.SOURCE,), judge)
