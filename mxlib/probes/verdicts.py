"""Test mails and sessions, judged: what a run and a verification ask for."""

from collections.abc import Sequence
from datetime import UTC, datetime

from mxlib.base.errors import HostError, ParseError
from mxlib.base.verdict import Verdict
from mxlib.config.probes import ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import InboundResult
from mxlib.mta.find import find
from mxlib.mta.protocol import Mta
from mxlib.probes import judge as checks
from mxlib.probes.inbound import ask
from mxlib.probes.outbound import OutboundRun, ProbeOutcome, plan_mails, send
from mxlib.protocols.host import Host


def outbound(
    host: Host,
    section: ProbeSection,
    run_tag: str,
    policy: VerifyPolicy | None = None,
    *,
    force: bool = False,
    insist: bool = False,
) -> tuple[Verdict, ...]:
    """Send every configured test mail through an MX and judge what became of them; works while the MTA is held.

    Arguments:
        run_tag: named in their subject.
        force: deliver also against retry hints.
        insist: what retry hints kept from being tried is sent once more against them.

    Returns:
        One verdict a destination, ``outbound-NAME``, and ``conntrack-growth``; all UNKNOWN when nothing is known, as in
        a dry run, which sends nothing.
    """
    policy = policy or VerifyPolicy()
    mta = find(policy.mta)
    try:
        run = send(mta, host, plan_mails(section.outbound), section.sender, run_tag, section.timeout, force=force)
        run = _insist(mta, host, section, run_tag, run) if insist else run
    except (HostError, ParseError) as error:
        return checks.unsent([probe.name for probe in section.outbound], f"test mails: {error}")
    return checks.judge_outbound(run, policy)


def _insist(mta: Mta, host: Host, section: ProbeSection, run_tag: str, run: OutboundRun) -> OutboundRun:
    """Hints from an earlier fault prove nothing about now, and only our own test mail is at stake."""
    untried = {result.mail.probe for result in run.results if result.outcome is ProbeOutcome.UNTRIED}
    if not untried:
        return run
    mails = plan_mails(probe for probe in section.outbound if probe in untried)
    forced = send(mta, host, mails, section.sender, run_tag, section.timeout, force=True)
    kept = tuple(result for result in run.results if result.mail.probe not in untried)
    lost, opened = _sum(run.conntrack, forced.conntrack), _sum(run.fastopen, forced.fastopen)
    return OutboundRun((*kept, *forced.results), lost, forced.source, opened)


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
    """A session with an MX over each family.

    Arguments:
        section: what it has to answer, and from which source ports it is asked.
    """
    return tuple(
        ask(name, family, section.inbound, section.sender, timeout_s=policy.answer_s) for family in policy.families
    )


def judge_sessions(results: Sequence[InboundResult], policy: VerifyPolicy) -> tuple[Verdict, ...]:
    """Judge sessions with one MX.

    Arguments:
        results: one a family.
    """
    certificate = checks.judge_certificate(results, policy, datetime.now(UTC))
    return (*map(checks.judge_inbound, results), certificate)
