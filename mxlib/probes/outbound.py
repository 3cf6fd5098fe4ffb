"""Test mails that leave through the host's own MTA, never around it.

A local submission with immediate delivery needs no daemon, so it works while the MTA is held. One script on the host
submits, waits with a deadline, removes what is left of the test mails and prints what the log says of them: it ends and
cleans up by itself even if the management host dies meanwhile.
"""

import re
import shlex
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.config.probes import OutboundProbe
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts import conntrack, fastopen
from mxlib.facts.section import Section, SectionOutput, run_sections
from mxlib.facts.source import Outputs
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.logline import EventKind, LogEvent, parse_lines
from mxlib.protocols.host import Host

_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SUBMIT_S = 30
_COUNTERS = {"conntrack": conntrack.SECTION.script, "fastopen": fastopen.SECTION.script}
_BEFORE = tuple(Section(f"before-{name}", script) for name, script in _COUNTERS.items())
_AFTER = tuple(Section(f"after-{name}", script) for name, script in _COUNTERS.items())

# The id of a test mail is found by its Message-ID, which the log shows in its "<=" line. Fields are counted from the
# mark, because the log may carry a zone and a process id before the message id.
_SCRIPT = r"""
log={log}; spool={spool}; exim={exim}; sender={sender}; how={how}; patience={patience}; host=$(hostname -f)
set -- $(stat -c '%i %s' "$log" 2>/dev/null || echo 0 0); inode=$1; offset=$2; sent=
growth() {{
if [ "$(stat -c %i "$log")" = "$inode" ] || [ "$inode" = 0 ]; then tail -c +$((offset + 1)) "$log"
else tail -q -c +$((offset + 1)) "$log.1"; cat "$log"; fi
}}
scan() {{
growth | awk -v want="$sent" -v print_lines="$1" '
{{
for (i = 2; i <= 6 && i <= NF; i++) if ($i ~ /^(<=|=>|->|==|\*\*|Completed|H=.*|removed|Frozen)$/) break
id = $(i - 1)
}}
$i == "<=" && match($0, / id=mx-probe\.[0-9a-f-]*@/) {{
ours[id] = substr($0, RSTART + 13, RLENGTH - 14)
print "id", ours[id], id
}}
$i == "<=" && match($0, / R=[0-9A-Za-z-]*/) && (substr($0, RSTART + 3, RLENGTH - 3) in ours) {{
bounce[id] = 1
print "bounce", id
}}
(id in ours) && $i ~ /^(==|\*\*|Completed)$/ {{ decided[ours[id]] = 1 }}
(id in ours) || (id in bounce) {{ if (print_lines) print "line", $0 }}
(id in ours) && $i ~ /^(=>|->|>>)$/ {{ well[ours[id]] = 1 }}
END {{ n = split(want, w, " "); for (k = 1; k <= n; k++) if (!(w[k] in decided)) left++; print "open", left + 0
for (tag in well) print "well", tag }}'
}}
# Once a mail to a destination did not get through, further ones say nothing new and only burden the remote end.
mail() {{
for earlier in $5; do case " $well " in *" $earlier "*) ;; *) return ;; esac; done
error=$({{
printf 'From: MX test <%s>\nTo: %s\nSubject: [MX test mail, please ignore] %s\n' "$sender" "$2" "$4"
printf 'Message-ID: <mx-probe.%s@%s>\nX-MX-Probe: %s\nAuto-Submitted: auto-generated\n\n' "$1" "$host" "$1"
yes 'This is a test mail of the mail exchangers. It can be ignored and deleted.' | head -c "$3"
}} | timeout {submit} "$exim" "$how" -oi -f "$sender" -- "$2" 2>&1 >/dev/null)
code=$?
printf 'submitted %s %s %s\n' "$1" "$code" "$(printf %s "$error" | tr '\n' ' ' | head -c 300)"
[ "$code" -ne 0 ] || sent="$sent $1"
}}
settle() {{
[ "$how" = -odb ] || for id in $(scan | sed -n 's/^id [^ ]* //p'); do "$exim" -M "$id" >/dev/null 2>&1 </dev/null & done
end=$(($(date +%s) + patience))
while [ "$(scan | sed -n 's/^open //p')" != 0 ] && [ "$(date +%s)" -lt "$end" ]; do sleep 0.5; done
well=$(scan | sed -n 's/^well //p' | tr '\n' ' ')
}}
{rounds}
for id in $(scan | sed -n 's/^id [^ ]* //p; s/^bounce //p' | sort -u); do
[ -z "$(find "$spool/input" -name "$id-H")" ] || printf 'left %s %s\n' "$id" "$("$exim" -Mrm "$id" 2>&1 | tr '\n' ' ')"
done
scan 1
"""


class Outcome(Enum):
    """What became of a test mail."""

    DELIVERED = "delivered"
    FAILED = "failed"
    UNTRIED = "not tried"
    TIMEOUT = "no outcome in time"
    UNKNOWN = "unknown"


class Stage(Enum):
    """How far a test mail came."""

    SUBMIT = "submission"
    QUEUE = "queue"
    ATTEMPT = "delivery"
    CONFIRM = "confirmation"
    DONE = "done"


@dataclass(frozen=True)
class ProbeMail:
    """A test mail to be sent.

    Attributes:
        tag: its UUID, in its headers.
        probe: the probe it belongs to.
        size: bytes of body.
        number: which one to this destination with this size, from 1.
    """

    tag: str
    probe: OutboundProbe
    size: int
    number: int


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
    outcome: Outcome
    stage: Stage
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
    """All test mails of one go.

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
    """Which test mails are sent: each size of each probe, as often as it says.

    Arguments:
        probes: the destinations.
    """
    return tuple(
        ProbeMail(str(uuid.uuid4()), probe, size, number)
        for probe in probes
        for size in probe.sizes
        for number in range(1, probe.times + 1)
    )


def build(mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool = False) -> Section:
    """The script that sends test mails.

    Arguments:
        mails: the test mails.
        sender: their envelope sender.
        run_tag: named in their subject, so that people can tell where they come from.
        patience_s: seconds until each round has to be delivered.
        force: deliver also against retry hints (``exim4 -M``), to prove a destination before its hints are cleared.

    Raises:
        mxlib.base.errors.ParseError: an address or the tag is not fit for a command.
    """
    if not _TAG.fullmatch(run_tag) or not ADDRESS_PATTERN.fullmatch(sender):
        raise ParseError(f"not fit for a command: {run_tag!r} {sender!r}")
    numbers = sorted({mail.number for mail in mails})
    rounds = "settle\n".join(_round(mails, number, run_tag) for number in numbers)
    script = _SCRIPT.format(
        log=exim.MAINLOG,
        spool=exim.SPOOL,
        exim=exim.BINARY,
        sender=shlex.quote(sender),
        how="-odq" if force else "-odb",
        patience=patience_s,
        submit=_SUBMIT_S,
        rounds=rounds + "settle",
    )
    return Section("probe-send", script, timeout_s=len(numbers) * (patience_s + _SUBMIT_S) + 60)


def _round(mails: Sequence[ProbeMail], number: int, run_tag: str) -> str:
    return "".join(
        f"mail {mail.tag} {shlex.quote(mail.probe.to)} {mail.size} "
        f"{shlex.quote(f'{mail.probe.name}, {mail.size} bytes, number {mail.number}, run {run_tag}')} "
        f"'{' '.join(one.tag for one in mails if one.number < number and one.probe == mail.probe)}'\n"
        for mail in mails
        if mail.number == number
    )


def parse_run(output: SectionOutput, mails: Sequence[ProbeMail]) -> tuple[OutboundResult, ...]:
    """Read what the script printed.

    Arguments:
        output: what the script of :func:`build` printed.
        mails: the test mails it was built for.

    Raises:
        mxlib.base.errors.ParseError: it did not end as it must.
    """
    lines = output.text().splitlines()
    if not any(re.fullmatch(r"open \d+", line) for line in lines):
        raise ParseError("the account of the test mails is cut short")
    fields = [line.split(" ", 3) for line in lines]
    submitted = {row[1]: (int(row[2]), row[3] if len(row) > 3 else "") for row in fields if row[0] == "submitted"}
    ids = {row[1]: exim.check_message_id(row[2]) for row in fields if row[0] == "id"}
    left = {line.split(" ")[1]: line.split(" ", 2)[2] for line in lines if line.startswith("left ")}
    events = parse_lines(line.removeprefix("line ") for line in lines if line.startswith("line "))
    return tuple(_judge(mail, submitted.get(mail.tag), ids.get(mail.tag, ""), events, left) for mail in mails)


def _judge(
    mail: ProbeMail,
    submitted: tuple[int, str] | None,
    message_id: str,
    events: Iterable[LogEvent],
    left: dict[str, str],
) -> OutboundResult:
    if submitted is None:
        return OutboundResult(mail, Outcome.UNKNOWN, Stage.SUBMIT, "not sent: one before it did not get through")
    if submitted[0] != 0:
        text = f"submission ended with {submitted[0]}: {one_line(submitted[1])}"
        return OutboundResult(mail, Outcome.FAILED, Stage.SUBMIT, text)
    if not message_id:
        return OutboundResult(mail, Outcome.UNKNOWN, Stage.QUEUE, "its arrival is not in the log")
    own = [event for event in events if event.message_id == message_id]
    outcome, stage, text, remote = _follow(own)
    kept = left.get(message_id, "")
    kept = "" if "removed" in kept else one_line(kept)
    return OutboundResult(mail, outcome, stage, one_line(text), message_id, remote, kept)


def _follow(events: Sequence[LogEvent]) -> tuple[Outcome, Stage, str, str]:
    """The outcome by the events of one message: what was tried decides, hints alone prove nothing."""
    delivered = next((event for event in events if event.delivered), None)
    completed = any(event.kind is EventKind.COMPLETED for event in events)
    if delivered and completed:
        if delivered.confirmation.startswith("2"):
            return Outcome.DELIVERED, Stage.DONE, delivered.text, delivered.ip
        return Outcome.UNKNOWN, Stage.CONFIRM, f"the log has no answer of the remote: {delivered.text}", delivered.ip
    wrong = [event for event in events if event.kind in (EventKind.DEFERRED, EventKind.FAILED, EventKind.ATTEMPT)]
    tried = next((event for event in wrong if not event.untried), None)
    if tried:
        return Outcome.FAILED, Stage.ATTEMPT, f"{tried.cause.value if tried.cause else ''}: {tried.text}", tried.ip
    if wrong:
        return Outcome.UNTRIED, Stage.QUEUE, wrong[0].text, ""
    return Outcome.TIMEOUT, Stage.ATTEMPT, "neither delivered nor deferred within its time", ""


def send(
    host: Host, mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: float, *, force: bool = False
) -> OutboundRun:
    """Send test mails and say what became of them.

    Arguments:
        host: the MX.
        mails: the test mails, from :func:`plan_mails`.
        sender: their envelope sender.
        run_tag: named in their subject.
        patience_s: seconds until each round has to be delivered.
        force: deliver also against retry hints.

    Raises:
        mxlib.base.errors.HostError: no session, no end within the time, or the script could not run.
        mxlib.base.errors.ParseError: what it printed cannot be told; also in a dry run, which sends nothing.
    """
    section = build(mails, sender, run_tag, max(1, round(patience_s)), force=force)
    outputs = run_sections(host, (*_BEFORE, section, *_AFTER))
    return OutboundRun(
        parse_run(outputs[section.name], mails), _lost(outputs), outputs[section.name], _fast_open(outputs)
    )


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
