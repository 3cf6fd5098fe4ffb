"""The queue: its length, age, frozen messages and destinations; whether it grows; when its mail bounces."""

from mxlib.base.text import duration, one_line, plural
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.checks.log import CUT
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.mta.find import find
from mxlib.mta.queue import QueueFacts

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
    found = facts.get(find(policy.mta).queue)
    most = ", ".join(f"{domain} {count}" for domain, count in found.per_destination.most_common(_TOP))
    where = f"; most to {most}{'' if found.complete else ' (of the oldest)'}" if most else ""
    wrong = _problems(found, policy)
    if wrong:
        return failed("; ".join(wrong) + where)
    return ok(f"{found.count} messages, {found.old} older than 10 minutes, {found.frozen} frozen{where}")


def judge_trend(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge whether more mail comes in than goes out. Test mails do not count."""
    found = facts.get(find(policy.mta).recent)
    growth = found.arrived - found.completed
    counts = f"in 15 minutes {found.arrived} arrived, {found.completed} completed"
    if growth >= policy.queue.growth:
        return failed(f"it grew by {growth}: {counts}")
    if found.unread and growth + len(found.unread) >= policy.queue.growth:
        lines = plural(len(found.unread), "line")
        return unknown(f"{lines} of the log are not understood, and {counts}: {one_line(found.unread[0], 160)}")
    if found.cut:
        return unknown(f"{CUT}: {found.arrived} arrived, {found.completed} completed in what was read")
    return ok(f"{counts}{f': it grew by {growth}' if growth > 0 else ''}")


def judge_deadline(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge how much mail is about to bounce, by its age and the retry rules."""
    found = facts.get(find(policy.mta).deadlines)
    first = found.earliest
    if first is None:
        return ok("nothing waits that could bounce")
    left, domain = found.left[first], found.domains[first]
    when = f"in {duration(left)}" if left > 0 else f"at its next attempt, {duration(-left)} past its cutoff"
    earliest = f"the first to bounce is {first} to {domain}, {when}"
    soon = found.within(policy.queue.bounce_s)
    why = f"{len(soon)} bounce within {duration(policy.queue.bounce_s)} if nothing changes; {earliest}"
    return failed(why) if len(soon) >= policy.queue.bouncing else ok(why if soon else earliest)


TREND = Check(
    "queue-trend",
    "what comes in against what goes out",
    Scope.SERVICE,
    lambda policy: (find(policy.mta).recent,),
    judge_trend,
)
DEADLINE = Check(
    "bounce-deadline",
    "mail about to bounce",
    Scope.SERVICE,
    lambda policy: (find(policy.mta).deadlines,),
    judge_deadline,
)
CHECK = Check("queue", "length, age, frozen", Scope.SERVICE, lambda policy: (find(policy.mta).queue,), judge)
