"""The MTA: its unit runs, comes up at boot, and listens on every port and family."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.mta.find import find
from mxlib.mta.service import MtaFacts


def _deaf(facts: MtaFacts, policy: VerifyPolicy) -> list[str]:
    """Return the ports and families on which nobody can reach the MTA."""
    heard = {(listener.port, family) for listener in facts.listeners if listener.public for family in listener.families}
    return [
        f"port {port} over IPv{family}"
        for port in policy.listeners
        for family in policy.families
        if (port, family) not in heard
    ]


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the MTA of a host that should be in service."""
    mta = find(policy.mta)
    found = facts.get(mta.service)
    if found.held:
        return failed(f"{found.unit.name} is held: it cannot be started")
    if not found.processes:
        return failed(f"no process of the MTA; {found.unit.name} is {found.unit.active}")
    if deaf := _deaf(found, policy):
        return failed(f"it does not listen on {', '.join(deaf)}")
    if found.unit.active != "active":
        return failed(f"{found.unit.name} is {found.unit.active}, though its processes run")
    if not found.enabled:
        return failed(f"{found.unit.name} does not come up at boot ({found.unit.file_state or 'no unit file'})")
    return ok(f"{mta.name} {found.version}, {len(found.processes)} processes, {len(found.listeners)} listeners")


CHECK = Check("mta", "runs, enabled, listens", Scope.SERVICE, lambda policy: (find(policy.mta).service,), judge)
