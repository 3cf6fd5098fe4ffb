"""Open relay: a stranger must not be able to send to a stranger."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.mta.exim import relay


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge what the MTA answers to a stranger who wants to relay."""
    del policy
    reply = facts.get(relay.SOURCE)
    if reply.startswith("5"):
        return ok(f"refused: {reply}", reply)
    if reply.startswith("2"):
        return failed(f"it would relay from {relay.STRANGER} to anywhere: {reply}", reply)
    return unknown(f"neither accepted nor refused: {reply}", reply)


CHECK = Check("relay", "relaying is refused to strangers", Scope.SERVICE, lambda _: (relay.SOURCE,), judge)
