"""Judging test mails and sessions from outside."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import Answer, InboundResult
from mxlib.probes.outbound import REFUSED_HERE, OutboundResult, OutboundRun, OutboundStage, ProbeOutcome

_STATUS = {
    ProbeOutcome.DELIVERED: Status.OK,
    ProbeOutcome.FAILED: Status.FAILED,
    ProbeOutcome.TIMEOUT: Status.FAILED,
    # hints say nothing of the destination now, but what comes back to its sender has failed here
    ProbeOutcome.UNTRIED: Status.UNKNOWN,
    ProbeOutcome.BOUNCED: Status.FAILED,
    ProbeOutcome.UNKNOWN: Status.UNKNOWN,
}
_NTH = {1: "1st", 2: "2nd", 3: "3rd"}
LOST = "conntrack-growth"
FAST_OPEN = "fastopen-growth"
CERTIFICATE = "certificate"
_NOT_PUT_IN = "no test mail could be put in"


def outbound_name(probe: str) -> str:
    """Return the name of a destination's check."""
    return f"outbound-{probe}"


def is_about_now(verdict: Verdict) -> bool:
    """Whether a destination's verdict says how the destination is now, and not what retry hints remember of it."""
    return ProbeOutcome.UNTRIED.value not in verdict.why


def was_tried(verdict: Verdict) -> bool:
    """Whether a destination's verdict is of mail that the MTA took: what it refused says nothing of the way out."""
    return not verdict.why.startswith(_NOT_PUT_IN) and REFUSED_HERE not in verdict.why


def _wrong_family(result: OutboundResult) -> bool:
    """Whether a delivered mail says nothing of the family that was to be tested."""
    wanted = result.mail.probe.family
    return result.outcome is ProbeOutcome.DELIVERED and wanted != "any" and result.family != wanted


def _status(result: OutboundResult) -> Status:
    return Status.UNKNOWN if _wrong_family(result) else _STATUS[result.outcome]


def _describe(result: OutboundResult) -> str:
    mail = result.mail
    what = f"{mail.size} bytes, {_NTH.get(mail.number, f'{mail.number}th')}: {result.outcome.value}"
    if _wrong_family(result):
        return f"{what}, but over IPv{result.family}, so IPv{mail.probe.family} is not known"
    via = f" over IPv{result.family}" if result.family else ""
    left = f"; STILL IN THE QUEUE as {result.message_id}: {result.left}" if result.left else ""
    return f"{what}{via}, {result.text}{left}" if result.outcome is not ProbeOutcome.DELIVERED else f"{what}{via}"


def judge_destination(results: Sequence[OutboundResult], evidence: Evidence) -> Verdict:
    """Judge the test mails to one destination: the worst of them decides.

    Arguments:
        results: what became of them; at least one.
        evidence: what was run.
    """
    # of two that failed, the one that was put in says more of the destination
    worst = min(results, key=lambda result: (_status(result).severity, result.stage is OutboundStage.SUBMIT))
    status = _status(worst)
    delivered = sum(_status(result) is Status.OK for result in results)
    if all(result.stage is OutboundStage.SUBMIT for result in results):
        why = f"{_NOT_PUT_IN}: {worst.text}"
        return Verdict(outbound_name(worst.mail.probe.name), status, why, (evidence,))
    why = f"{delivered} of {len(results)} delivered to {worst.mail.probe.to}"
    shown = Evidence(evidence.command, "\n".join(map(_describe, results)), evidence.when)
    return Verdict(
        outbound_name(worst.mail.probe.name),
        status,
        why if status is Status.OK else f"{why}; {_describe(worst)}",
        (shown,),
    )


def judge_outbound(run: OutboundRun, policy: VerifyPolicy) -> tuple[Verdict, ...]:
    """Judge test mails sent together, by destination, and what conntrack lost meanwhile."""
    source = run.source.evidence("")
    evidence = Evidence("test mails through the MTA of the host, then its log (mxlib/mta)", "", source.when)
    names = dict.fromkeys(result.mail.probe.name for result in run.results)
    verdicts = [judge_destination([r for r in run.results if r.mail.probe.name == name], evidence) for name in names]
    return (*verdicts, _judge_growth(run, policy), _judge_fast_open(run))


def _judge_growth(run: OutboundRun, policy: VerifyPolicy) -> Verdict:
    when = run.source.when
    if run.conntrack is None:
        return Verdict(LOST, Status.UNKNOWN, "the counters of conntrack could not be read around the test mails")
    shown = ", ".join(f"{name} +{rise}" for name, rise in run.conntrack.items())
    evidence = (Evidence("/proc/net/stat/nf_conntrack before and after the test mails", shown, when),)
    if not run.conntrack:
        return Verdict(LOST, Status.OK, "connections are not tracked", evidence)
    lost = sum(run.conntrack.values())
    if min(run.conntrack.values()) < 0:
        return Verdict(LOST, Status.UNKNOWN, f"the counters went back: {shown}", evidence)
    status = Status.FAILED if lost > policy.conntrack_lost else Status.OK
    return Verdict(LOST, status, f"while test mails were sent: {shown}", evidence)


def _judge_fast_open(run: OutboundRun) -> Verdict:
    """A black hole is the kernel's own word for connections that died by Fast Open; a single failure proves nothing."""
    if run.fastopen is None:
        return Verdict(
            FAST_OPEN, Status.UNKNOWN, "the counters of TCP Fast Open could not be read around the test mails"
        )
    shown = ", ".join(f"{name} +{rise}" for name, rise in run.fastopen.items())
    evidence = (Evidence("/proc/net/netstat before and after the test mails", shown, run.source.when),)
    if min(run.fastopen.values()) < 0:
        return Verdict(FAST_OPEN, Status.UNKNOWN, f"the counters went back: {shown}", evidence)
    status = Status.FAILED if run.fastopen.get("TCPFastOpenBlackhole") else Status.OK
    return Verdict(FAST_OPEN, status, f"while test mails were sent: {shown}", evidence)


def unsent(probes: Iterable[str], why: str) -> tuple[Verdict, ...]:
    """Return the verdicts where no test mail could be sent.

    Arguments:
        probes: names of the destinations.
        why: the reason, in a sentence.
    """
    return tuple(Verdict(outbound_name(name), Status.UNKNOWN, one_line(why)) for name in probes)


def judge_inbound(result: InboundResult) -> Verdict:
    """Judge a session from outside."""
    name = f"inbound-v{result.family}"
    shown = "\n".join(map(describe_answer, result.answers))
    evidence = (Evidence(f"SMTP session with [{result.address}] from the management host", shown, result.when),)
    for answers, status in ((result.wrong, Status.FAILED), (result.unknown, Status.UNKNOWN)):
        if answers:
            return Verdict(name, status, "; ".join(map(describe_answer, answers)), evidence)
    recipients = sum(bool(answer.subject) for answer in result.answers)
    if not recipients:
        return Verdict(name, Status.UNKNOWN, "the session did not come to its recipients", evidence)
    return Verdict(name, Status.OK, f"greeting, STARTTLS and {recipients} recipients answered as they must", evidence)


def describe_answer(answer: Answer) -> str:
    """Return an answer on one line."""
    of = f" {answer.subject}" if answer.subject else ""
    return f"{answer.stage.value}{of}: {answer.code or ''} {answer.text}".replace(":  ", ": ")


def judge_certificate(results: Sequence[InboundResult], policy: VerifyPolicy, now: datetime) -> Verdict:
    """Judge how long the certificate is still valid; that it verifies is judged with the session.

    Arguments:
        results: sessions with one MX.
    """
    ends = [result.certificate_until for result in results if result.certificate_until]
    if not ends:
        return Verdict(CERTIFICATE, Status.UNKNOWN, "no certificate was verified in a session")
    left = min(ends) - now
    evidence = (Evidence("STARTTLS", f"notAfter {min(ends):%Y-%m-%d %H:%M} UTC", results[0].when),)
    status = Status.OK if left >= timedelta(days=policy.certificate_days) else Status.FAILED
    return Verdict(CERTIFICATE, status, f"valid for another {plural(left.days, 'day')}", evidence)
