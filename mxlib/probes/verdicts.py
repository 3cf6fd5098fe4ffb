"""Test mails and sessions, judged: what a run and a verification ask for."""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum

from mxlib.base.errors import HostError, ParseError
from mxlib.base.parallel import at_once
from mxlib.base.verdict import Verdict
from mxlib.config.probes import OutboundProbe, ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import InboundResult
from mxlib.mta.find import find
from mxlib.mta.protocol import Mta
from mxlib.probes import judge as checks
from mxlib.probes.inbound import ask
from mxlib.probes.outbound import OutboundResult, OutboundRun, ProbeOutcome, plan_mails, send
from mxlib.protocols.host import Host

_WRONG = (ProbeOutcome.FAILED, ProbeOutcome.TIMEOUT)
_HINTED = (ProbeOutcome.UNTRIED, ProbeOutcome.BOUNCED)


class Untried(Enum):
    """What is done about a destination whose test mails retry hints kept from being tried."""

    KEPT = "nothing: its result is unknown"
    ASKED = "where the MTA only waits, one of each size goes against the hints; if it fails, that counts"
    REPLACED = "they are sent once more against the hints, and only that counts"


def outbound(
    host: Host,
    section: ProbeSection,
    run_tag: str,
    policy: VerifyPolicy | None = None,
    *,
    force: bool = False,
    untried: Untried = Untried.KEPT,
) -> tuple[Verdict, ...]:
    """Send every configured test mail through an MX and judge what became of them; works while the MTA is held.

    Arguments:
        run_tag: named in their subject.
        force: deliver also against retry hints.
        untried: what is done where retry hints decided.

    Returns:
        One verdict a destination, ``outbound-NAME``, and ``conntrack-growth``; all UNKNOWN when nothing is known, as in
        a dry run, which sends nothing.
    """
    policy = policy or VerifyPolicy()
    mta = find(policy.mta)
    try:
        run = send(mta, host, plan_mails(section.outbound), section.sender, run_tag, section.timeout, force=force)
        if untried is Untried.REPLACED:
            run = _replaced(mta, host, section, run_tag, run)
        elif untried is Untried.ASKED:
            run = _asked(mta, host, section, run_tag, run)
    except (HostError, ParseError) as error:
        return checks.unsent([probe.name for probe in section.outbound], f"test mails: {error}")
    return checks.judge_outbound(run, policy)


def _replaced(mta: Mta, host: Host, section: ProbeSection, run_tag: str, run: OutboundRun) -> OutboundRun:
    """Hints from an earlier fault prove nothing about now, and only our own test mail is at stake."""
    untried = {result.mail.probe for result in run.results if result.outcome in _HINTED}
    if not untried:
        return run
    forced = _forced(mta, host, section, run_tag, (probe for probe in section.outbound if probe in untried))
    kept = (result for result in run.results if result.mail.probe not in untried)
    return _together(run, forced, (*kept, *forced.results))


def _asked(mta: Mta, host: Host, section: ProbeSection, run_tag: str, run: OutboundRun) -> OutboundRun:
    """Where the MTA waits, ask whether the destination fails now. What hints bounce has failed here already.

    Without this a destination that is down would be unknown as soon as its first failure has left a hint. One that
    takes the mail after all stays unknown: until now the MTA has tried no other message.
    """
    settled = {one.mail.probe for one in run.results if one.outcome in (*_WRONG, ProbeOutcome.BOUNCED)}
    waits = {one.mail.probe for one in run.results if one.outcome is ProbeOutcome.UNTRIED} - settled
    if not waits:
        return run
    # of every size, as a fault may show with large bodies alone
    again = [dataclasses.replace(probe, times=1) for probe in section.outbound if probe in waits]
    forced = _forced(mta, host, section, run_tag, again)
    return _together(run, forced, (_judged_by(one, forced.results) for one in run.results))


def _judged_by(result: OutboundResult, forced: Sequence[OutboundResult]) -> OutboundResult:
    """An untried test mail, by what became of those to its destination that went against the hints."""
    now = [one for one in forced if one.mail.probe.name == result.mail.probe.name]
    if not now or result.outcome is not ProbeOutcome.UNTRIED:
        return result
    if wrong := next((one for one in now if one.outcome in _WRONG), None):
        return wrong
    if any(one.outcome is not ProbeOutcome.DELIVERED for one in now):
        return result
    return dataclasses.replace(result, text=f"{result.text}; against the hints it is delivered")


def _forced(mta: Mta, host: Host, section: ProbeSection, run_tag: str, probes: Iterable[OutboundProbe]) -> OutboundRun:
    return send(mta, host, plan_mails(probes), section.sender, run_tag, section.timeout, force=True)


def _together(run: OutboundRun, forced: OutboundRun, results: Iterable[OutboundResult]) -> OutboundRun:
    lost, opened = _sum(run.conntrack, forced.conntrack), _sum(run.fastopen, forced.fastopen)
    return OutboundRun(tuple(results), lost, forced.source, opened)


def _sum(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return None
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def inbound(name: str, section: ProbeSection, policy: VerifyPolicy | None = None) -> tuple[Verdict, ...]:
    """Ask an MX from this machine what a sender would ask it, on each family.

    Arguments:
        section: what it has to answer, and from which source ports it is asked.

    Returns:
        ``inbound-v4``, ``inbound-v6`` (as far as the site serves them) and ``certificate``.
    """
    policy = policy or VerifyPolicy()
    return judge_sessions(sessions(name, section, policy), policy)


def sessions(name: str, section: ProbeSection, policy: VerifyPolicy) -> tuple[InboundResult, ...]:
    """A session with an MX over each family, side by side.

    Arguments:
        section: what it has to answer, and from which source ports it is asked.
    """

    def hold(family: int) -> InboundResult:
        return ask(name, family, section.inbound, section.sender, timeout_s=policy.answer_s)

    return at_once(hold, policy.families)


def judge_sessions(results: Sequence[InboundResult], policy: VerifyPolicy) -> tuple[Verdict, ...]:
    """Judge sessions with one MX.

    Arguments:
        results: one a family.
    """
    certificate = checks.judge_certificate(results, policy, datetime.now(UTC))
    return (*map(checks.judge_inbound, results), certificate)
