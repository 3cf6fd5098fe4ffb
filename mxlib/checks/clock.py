"""The clock: mail carries its time, logs are compared by it, certificates expire by it."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import clock
from mxlib.facts.source import Facts

# A reading that took longer than this says too little about the clock.
_TOO_LONG_S = 60.0


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the clock of a host by the management host's."""
    found = facts.get(clock.SOURCE)
    if abs(found.offset_s) > policy.clock_s:
        return failed(f"{abs(found.offset_s):.1f} s {'ahead' if found.offset_s > 0 else 'behind'}")
    if found.uncertainty_s > _TOO_LONG_S:
        return unknown(f"reading it took {found.uncertainty_s:.0f} s, too long for a comparison")
    kept = {True: "synchronized", False: "not synchronized by systemd", None: "synchronization unknown"}
    return ok(f"right within {found.uncertainty_s:.1f} s, {kept[found.synchronized]}")


CHECK = Check("clock", "right by the management host's", Scope.CONDITION, lambda _: (clock.SOURCE,), judge)
