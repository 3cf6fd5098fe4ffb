"""The queue: how long, how old, how many frozen, and where to."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.facts import queue
from mxlib.facts.queue import QueueFacts
from mxlib.facts.source import Facts
from mxlib.policy import VerifyPolicy

_TOP = 3


def _problems(found: QueueFacts, policy: VerifyPolicy) -> list[str]:
    limits = policy.queue
    wrong = []
    if found.count >= limits.critical:
        wrong.append(f"{found.count} messages, critical from {limits.critical}")
    elif found.count >= limits.warn:
        wrong.append(f"{found.count} messages, too many from {limits.warn}")
    if found.old >= limits.old:
        wrong.append(f"{found.old} older than 10 minutes")
    if found.frozen >= limits.frozen:
        wrong.append(f"{found.frozen} frozen")
    return wrong


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the queue of a host."""
    found = facts.get(queue.SOURCE)
    most = ", ".join(f"{domain} {count}" for domain, count in found.per_destination.most_common(_TOP))
    where = f"; most to {most}{'' if found.complete else ' (of the oldest)'}" if most else ""
    wrong = _problems(found, policy)
    if wrong:
        return failed("; ".join(wrong) + where)
    return ok(f"{found.count} messages, {found.old} older than 10 minutes, {found.frozen} frozen{where}")


CHECK = Check("queue", "length, age, frozen", Scope.SERVICE, lambda _: (queue.SOURCE,), judge)
