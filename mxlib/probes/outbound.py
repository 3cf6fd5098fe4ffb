"""Test mails that leave through the host's own MTA, never around it, and what became of them."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line, plural
from mxlib.config.probes import OutboundProbe
from mxlib.facts import conntrack, fastopen
from mxlib.facts.section import Section, SectionOutput, run_sections
from mxlib.facts.source import Outputs
from mxlib.mta.event import EventKind, LogEvent
from mxlib.mta.mail import Followed, ProbeMail
from mxlib.mta.protocol import Mta
from mxlib.protocols.host import Host

REFUSED_HERE = "submission ended with"
"""Stands in what is said of a test mail that the host's own MTA did not take."""
_COUNTERS = {"conntrack": conntrack.SECTION.script, "fastopen": fastopen.SECTION.script}
_BEFORE = tuple(Section(f"before-{name}", script) for name, script in _COUNTERS.items())
_AFTER = tuple(Section(f"after-{name}", script) for name, script in _COUNTERS.items())


class ProbeOutcome(Enum):
    """What became of a test mail."""

    DELIVERED = "delivered"
    FAILED = "failed"
    UNTRIED = "not tried"
    BOUNCED = "not tried, and bounced"
    TIMEOUT = "no outcome in time"
    UNKNOWN = "unknown"


class OutboundStage(Enum):
    """How far a test mail came."""

    SUBMIT = "submission"
    QUEUE = "queue"
    ATTEMPT = "delivery"
    CONFIRM = "confirmation"
    DONE = "done"


@dataclass(frozen=True)
class OutboundResult:
    """What became of one test mail.

    Attributes:
        mail: the test mail.
        outcome: what became of it.
        stage: how far it came.
        text: what decided, in the words of the log.
        message_id: its id in the MTA; empty when there is none.
        remote: address of the remote that took or refused it; empty when there is none.
        left: why it is still in the queue; empty when it is not.
    """

    mail: ProbeMail
    outcome: ProbeOutcome
    stage: OutboundStage
    text: str
    message_id: str = ""
    remote: str = ""
    left: str = ""

    @property
    def family(self) -> int | None:
        """Address family that was used; None without a remote."""
        return (6 if ":" in self.remote else 4) if self.remote else None


@dataclass(frozen=True)
class OutboundRun:
    """Test mails that were sent together.

    Attributes:
        results: what became of each.
        conntrack: growth of the counters of lost packets meanwhile; None when they could not be read.
        source: what was run and what it printed.
        fastopen: growth of the counters of TCP Fast Open meanwhile; None when they could not be read.
    """

    results: tuple[OutboundResult, ...]
    conntrack: dict[str, int] | None
    source: SectionOutput
    fastopen: dict[str, int] | None = None


def plan_mails(probes: Iterable[OutboundProbe]) -> tuple[ProbeMail, ...]:
    """Return the test mails to send: each size of each probe, as often as it says."""
    return tuple(
        ProbeMail(str(uuid.uuid4()), probe, size, number)
        for probe in probes
        for size in probe.sizes
        for number in range(1, probe.times + 1)
    )


def judge(mail: ProbeMail, seen: Followed) -> OutboundResult:
    """Return what became of a test mail, by what was seen of it."""
    if seen.code is None:
        return OutboundResult(
            mail, ProbeOutcome.UNKNOWN, OutboundStage.SUBMIT, "not sent: one before it did not get through"
        )
    if seen.code != 0:
        text = f"{REFUSED_HERE} {seen.code}: {one_line(seen.error)}"
        return OutboundResult(mail, ProbeOutcome.FAILED, OutboundStage.SUBMIT, text)
    if not seen.message_id:
        return OutboundResult(mail, ProbeOutcome.UNKNOWN, OutboundStage.QUEUE, "its arrival is not in the log")
    outcome, stage, text, remote = _follow(seen.events)
    return OutboundResult(mail, outcome, stage, one_line(text), seen.message_id, remote, one_line(seen.left))


def _follow(events: Sequence[LogEvent]) -> tuple[ProbeOutcome, OutboundStage, str, str]:
    """The outcome by the events of one message: what was tried decides, hints alone prove nothing."""
    delivered = next((event for event in events if event.delivered), None)
    completed = any(event.kind is EventKind.COMPLETED for event in events)
    if delivered and completed:
        if delivered.confirmation.startswith("2"):
            return ProbeOutcome.DELIVERED, OutboundStage.DONE, delivered.text, delivered.ip
        return (
            ProbeOutcome.UNKNOWN,
            OutboundStage.CONFIRM,
            f"the log has no answer of the remote: {delivered.text}",
            delivered.ip,
        )
    wrong = [event for event in events if event.kind in (EventKind.DEFERRED, EventKind.FAILED, EventKind.ATTEMPT)]
    tried = next((event for event in wrong if not event.untried), None)
    if tried:
        return (
            ProbeOutcome.FAILED,
            OutboundStage.ATTEMPT,
            f"{tried.cause.value if tried.cause else ''}: {tried.text}",
            tried.ip,
        )
    if wrong:
        bounced = next((event for event in wrong if event.kind is EventKind.FAILED), None)
        outcome = ProbeOutcome.BOUNCED if bounced else ProbeOutcome.UNTRIED
        return outcome, OutboundStage.QUEUE, (bounced or wrong[0]).text, ""
    return ProbeOutcome.TIMEOUT, OutboundStage.ATTEMPT, "neither delivered nor deferred within its time", ""


def send(
    mta: Mta,
    host: Host,
    mails: Sequence[ProbeMail],
    sender: str,
    run_tag: str,
    patience_s: float,
    *,
    force: bool = False,
) -> OutboundRun:
    """Send test mails and say what became of them.

    Args:
        mta: the MX's MTA.
        mails: the test mails, from :func:`plan_mails`.
        sender: their envelope sender.
        run_tag: named in their subject.
        patience_s: seconds until each round has to be delivered.
        force: deliver also against what the MTA remembers of failures, to prove a destination before that is cleared.

    Raises:
        mxlib.base.errors.HostError: no session, no end within the time, or the script could not run.
        mxlib.base.errors.ParseError: what it printed is not understood; also in a dry run, which sends nothing.
    """
    source = mta.probe(mails, sender, run_tag, max(1, round(patience_s)), force=force)
    outputs = run_sections(host, (*_BEFORE, *source.sections, *_AFTER), f"send {plural(len(mails), 'test mail')}")
    seen = source.parse(outputs)
    results = tuple(judge(mail, followed) for mail, followed in zip(mails, seen, strict=True))
    return OutboundRun(results, _lost(outputs), outputs[source.sections[0].name], _fast_open(outputs))


def _lost(outputs: Outputs) -> dict[str, int] | None:
    before, after = (outputs[f"{when}-conntrack"] for when in ("before", "after"))
    try:
        return conntrack.parse_text(after.text()).growth(conntrack.parse_text(before.text()))
    except (ParseError, ValueError, IndexError):
        return None


def _fast_open(outputs: Outputs) -> dict[str, int] | None:
    before, after = (outputs[f"{when}-fastopen"] for when in ("before", "after"))
    try:
        return fastopen.growth(fastopen.parse_text(before.text()), fastopen.parse_text(after.text()))
    except (ParseError, ValueError):
        return None
