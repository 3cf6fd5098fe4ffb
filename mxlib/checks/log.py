"""The mail log of the last 15 minutes: what went wrong, by destination and cause."""

from collections.abc import Iterator
from datetime import UTC

from mxlib.base.text import one_line, plural
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import LogPolicy, VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.mta.event import Cause, EventKind, RecentLog
from mxlib.mta.find import find

# The first three have their own limits; retry hints repeat an earlier error at every queue run.
_OTHERWISE = frozenset({Cause.TIMEOUT_AFTER_DATA, Cause.LOCAL, Cause.CHUNKING, Cause.UNTRIED})
_NOT_KERNEL = "replies of an MTA, neither kernel nor network"
_SHOWN = 5
CUT = "the log of the last 15 minutes is longer than what is read of it, or was truncated meanwhile"


def _problems(found: RecentLog, policy: VerifyPolicy) -> Iterator[str]:
    limits = policy.log
    if refused := tuple(_chunking(found, limits)):
        helps = " and ".join(f"`{one}`" for one in find(policy.mta).settings(found))
        yield f"{'; '.join(refused)} ({_NOT_KERNEL}{f'; what helps: {helps}' if helps else ''})"
    if (stalled := found.count(Cause.TIMEOUT_AFTER_DATA)) >= limits.after_data:
        yield f"{stalled} x SMTP timeout after end of data, to {_destinations(found, Cause.TIMEOUT_AFTER_DATA)}"
    if (local := found.count(Cause.LOCAL)) >= limits.local:
        yield f"{local} local deliveries failed"
    for domain, causes in sorted(found.causes().items()):
        for cause, count in causes.items():
            if count >= limits.per_destination and cause not in _OTHERWISE:
                yield f"{count} x {cause.value}, to {domain}"


def _chunking(found: RecentLog, limits: LogPolicy) -> Iterator[str]:
    """Mail that bounces over BDAT: where it comes in, its sender bounces it; where it goes out, the host itself.

    When the last one was shows whether it goes on: a check cannot pass before they are 15 minutes old.
    """
    refused = found.refused_chunks
    if (count := refused.total()) >= limits.chunking:
        whose = ", ".join(client for client, _ in refused.most_common(_SHOWN))
        yield f"{count} x {Cause.CHUNKING.value} here, from {whose}{_last(found, here=True)}"
    if (count := found.count(Cause.CHUNKING)) >= limits.chunking:
        where = _destinations(found, Cause.CHUNKING)
        yield f"{count} x {Cause.CHUNKING.value}, to {where}{_last(found, here=False)}"


def _last(found: RecentLog, *, here: bool) -> str:
    times = [one.when for one in found.events
             if one.cause is Cause.CHUNKING and (one.kind is EventKind.REJECTED) is here]  # fmt: skip
    return f", the last at {max(times).astimezone(UTC):%H:%M:%S} UTC" if times else ""


def _destinations(found: RecentLog, cause: Cause) -> str:
    return ", ".join(sorted(domain for domain, causes in found.causes().items() if causes[cause])[:_SHOWN])


def _may_hide(found: RecentLog, limits: LogPolicy) -> str:
    """What would be too much if each line that is not understood were about it; empty if nothing would."""
    unread = len(found.unread)
    counts = {
        domain: max((count for cause, count in causes.items() if cause not in _OTHERWISE), default=0)
        for domain, causes in found.causes().items()
    }
    most = max(counts, key=counts.__getitem__, default="")
    chunks = max(found.refused_chunks.total(), found.count(Cause.CHUNKING))
    near = (
        (found.count(Cause.TIMEOUT_AFTER_DATA), limits.after_data, Cause.TIMEOUT_AFTER_DATA.value),
        (chunks, limits.chunking, Cause.CHUNKING.value),
        (found.count(Cause.LOCAL), limits.local, Cause.LOCAL.value),
        (counts.get(most, 0), limits.per_destination, f"mail to {most or 'one destination'}"),
    )
    return next((what for count, limit, what in near if count + unread >= limit), "")


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the log of a host."""
    found = facts.get(find(policy.mta).recent)
    if wrong := tuple(_problems(found, policy)):
        return failed(f"in the last 15 minutes: {'; '.join(wrong)}", *[event.text for event in found.events[-5:]])
    if found.unread and (near := _may_hide(found, policy.log)):
        lines, first = plural(len(found.unread), "line"), one_line(found.unread[0], 160)
        return unknown(f"{lines} of the log are not understood, and may be about {near}: {first}")
    if found.cut:
        return unknown(f"{CUT}: {found.wrong} lines about errors in what was read")
    if found.partly:
        return unknown(f"only {len(found.events)} of the {found.wrong} lines about errors in 15 minutes were read")
    return ok(f"in 15 minutes {found.arrived} arrived, {found.delivered} delivered, {found.wrong} lines about errors")


CHECK = Check("log", "errors by destination and cause", Scope.SERVICE, lambda policy: (find(policy.mta).recent,), judge)
