"""The mail log of the last 15 minutes: what went wrong, by destination and cause."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.mta.event import Cause, RecentLog
from mxlib.mta.find import find

# The first two have their own limits; retry hints repeat an earlier error at every queue run.
_OTHERWISE = frozenset({Cause.TIMEOUT_AFTER_DATA, Cause.LOCAL, Cause.UNTRIED})


def _problems(found: RecentLog, policy: VerifyPolicy) -> list[str]:
    limits = policy.log
    wrong = []
    if (stalled := found.count(Cause.TIMEOUT_AFTER_DATA)) >= limits.after_data:
        where = sorted(domain for domain, causes in found.causes().items() if causes[Cause.TIMEOUT_AFTER_DATA])
        wrong.append(f"{stalled} x SMTP timeout after end of data, to {', '.join(where[:5])}")
    if (local := found.count(Cause.LOCAL)) >= limits.local:
        wrong.append(f"{local} local deliveries failed")
    for domain, causes in sorted(found.causes().items()):
        wrong += [
            f"{count} x {cause.value}, to {domain}"
            for cause, count in causes.items()
            if count >= limits.per_destination and cause not in _OTHERWISE
        ]
    return wrong


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the log of a host."""
    found = facts.get(find(policy.mta).recent)
    if wrong := _problems(found, policy):
        return failed(f"in the last 15 minutes: {'; '.join(wrong)}", *[event.text for event in found.events[-5:]])
    return ok(f"in 15 minutes {found.arrived} arrived, {found.delivered} delivered, {found.wrong} lines about errors")


CHECK = Check("log", "errors by destination and cause", Scope.SERVICE, lambda policy: (find(policy.mta).recent,), judge)
