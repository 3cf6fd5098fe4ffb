"""Open relay: a stranger must not be able to send to a stranger."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts, Source
from mxlib.mta.find import find


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the MTA's answer to a stranger who wants to relay."""
    mta = find(policy.mta)
    if not mta.can.relay_test:
        return unknown(f"{mta.name} cannot simulate a stranger's session: test it from outside, or skip this check")
    reply = facts.get(mta.relay)
    if reply.startswith("5"):
        return ok(f"refused: {reply}", reply)
    if reply.startswith("2"):
        return failed(f"it would relay for a stranger to anywhere: {reply}", reply)
    return unknown(f"neither accepted nor refused: {reply}", reply)


def sources(policy: VerifyPolicy) -> tuple[Source[str], ...]:
    """Return the source of the MTA's answer; none where the MTA cannot simulate a session."""
    mta = find(policy.mta)
    return (mta.relay,) if mta.can.relay_test else ()


CHECK = Check("relay", "relaying is refused to strangers", Scope.SERVICE, sources, judge)
