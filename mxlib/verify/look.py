"""One host asked everything: facts and sessions with others in one round trip, test mails in another."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mxlib.base.errors import HostError, ParseError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.checks.check import Check, Outside
from mxlib.checks.registry import all_checks, select
from mxlib.config.probes import ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts, FactUnknownError, Source, read_facts
from mxlib.model.answers import InboundResult
from mxlib.probes import judge as probes
from mxlib.probes import peer as probe_peer
from mxlib.probes import verdicts as probe
from mxlib.protocols.host import Host
from mxlib.verify.request import VerificationScope, with_watched


@dataclass(frozen=True)
class Look:
    """What one host said in its round trips.

    Attributes:
        verdicts: of the checks and the test mails.
        sessions: what it heard from other MXs.
        silent: why it could not ask them; empty if it could, or had none to ask.
        when: when it was asked (UTC).
        seconds: how long it took.
        facts: what it answered; None where it did not.
        answered: whether it answered at all, as far as it was asked.
    """

    verdicts: tuple[Verdict, ...]
    sessions: tuple[InboundResult, ...]
    silent: str
    when: datetime
    seconds: float
    facts: Facts | None
    answered: bool


def look(
    host: Host,
    request: VerificationScope,
    targets: Sequence[str] = (),
    *,
    verified: bool = True,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Look:
    """Ask a host everything.

    Arguments:
        targets: other MXs it is to ask.
        verified: whether it is verified itself, or only asks others.
    """
    began = now()
    policy = with_watched(request.policy, request.entries)
    checks = select(all_checks(request.entries, request.aliases), request.only, request.skip) if verified else ()
    outside = tuple(one for one in request.outside if request.wants(one.name)) if verified else ()
    sessions = _sessions(request, targets)
    facts, silent = _read(host, _sources(checks, outside, sessions, policy), began)
    verdicts = [*_judged(checks, facts, silent, policy), *(one.verdict(host.name, facts) for one in outside)]
    heard, deaf = _heard(facts, sessions) if sessions and not silent else ((), silent)
    if verified and request.probes:
        verdicts += outbound(host, request.probes, request)
    known = facts if facts.outputs else None
    return Look(tuple(verdicts), heard, deaf, began, (now() - began).total_seconds(), known, not silent)


def _sources(
    checks: Sequence[Check], outside: Sequence[Outside], sessions: probe_peer.Sessions | None, policy: VerifyPolicy
) -> list[Source[Any]]:
    """Everything that is read of a host, for one round trip."""
    own = [source for check in checks for source in check.sources(policy)]
    return [*own, *(source for one in outside for source in one.sources), *([sessions] if sessions else [])]


def _read(host: Host, sources: Sequence[Source[Any]], when: datetime) -> tuple[Facts, str]:
    """The answers, and why there are none."""
    nothing = Facts(host.name, when, {})
    try:
        return (read_facts(host, sources) if sources else nothing), ""
    except (HostError, ParseError) as error:
        return nothing, f"not asked: {one_line(str(error))}"


def _judged(checks: Sequence[Check], facts: Facts, silent: str, policy: VerifyPolicy) -> list[Verdict]:
    if silent:
        return [Verdict(check.name, Status.UNKNOWN, silent) for check in checks]
    return [check.verdict(facts, policy) for check in checks]


def _sessions(request: VerificationScope, targets: Sequence[str]) -> probe_peer.Sessions | None:
    if request.probes is None or not targets:
        return None
    policy, section = request.policy, request.probes
    return probe_peer.source(targets, policy.families, section.inbound, section.sender, policy.answer_s)


def _heard(facts: Facts, sessions: probe_peer.Sessions) -> tuple[tuple[InboundResult, ...], str]:
    try:
        return facts.get(sessions), ""
    except FactUnknownError as error:
        return (), one_line(str(error))


def outbound(host: Host, section: ProbeSection, request: VerificationScope) -> list[Verdict]:
    """Send the test mails that were asked for, as far as the budget goes."""
    wanted = tuple(one for one in section.outbound if request.wants(probes.outbound_name(one.name)))
    counters = (probes.LOST, probes.FAST_OPEN)
    if not wanted and request.wants_any(counters):
        wanted = section.outbound
    if not wanted:
        return []
    withheld = request.reserve(host.name, wanted)
    sent = tuple(one for one in wanted if one.name not in withheld)
    verdicts = [Verdict(probes.outbound_name(name), Status.UNKNOWN, why) for name, why in withheld.items()]
    if sent:
        mails = dataclasses.replace(section, outbound=sent)
        verdicts += probe.outbound(host, mails, request.run_tag, request.policy, untried=probe.Untried.ASKED)
    missing = set(counters) - {one.check for one in verdicts}
    verdicts += [Verdict(name, Status.UNKNOWN, "no test mail was sent") for name in counters if name in missing]
    return [one for one in verdicts if request.wants(one.check)]
