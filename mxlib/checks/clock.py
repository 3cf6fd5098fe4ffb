"""The clock: mail carries its time, logs are compared by it, certificates are judged by it."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import clock
from mxlib.facts.source import Facts

# A question that took longer than this says too little about the clock.
_TOO_LONG_S = 60.0


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the clock of a host by that of the asking side."""
    found = facts.get(clock.SOURCE)
    if abs(found.offset_s) > policy.clock_s:
        return failed(f"{abs(found.offset_s):.1f} s {'ahead' if found.offset_s > 0 else 'behind'}")
    if found.uncertainty_s > _TOO_LONG_S:
        return unknown(f"the question took {found.uncertainty_s:.0f} s, too long to tell")
    kept = {True: "synchronized", False: "not synchronized by systemd", None: "synchronization not known"}
    return ok(f"right within {found.uncertainty_s:.1f} s, {kept[found.synchronized]}")


CHECK = Check("clock", "right by the management host's", Scope.CONDITION, lambda _: (clock.SOURCE,), judge)
