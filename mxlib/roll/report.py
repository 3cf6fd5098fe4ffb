"""The report of a roll, from its journal: for the terminal, as Markdown, as JSON, as metrics for Prometheus."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mxlib.base.journal import Event
from mxlib.base.text import duration, label_value, one_line, printable, with_remark
from mxlib.model.outcome import DELIBERATE, Outcome
from mxlib.roll.state import LASTING, REMEMBERED, Decision, Finish, PlanLine, Stand, Take

_OF_A_HOST = frozenset({Outcome.UNDONE, *LASTING})
"""Ends of a roll that are the end of the run on one host."""


@dataclass(frozen=True)
class HostLine:
    """One host of a summary.

    Attributes:
        host: its name.
        stand: how it stood when it was last looked at.
        why: in words.
        outcome: how its run ended, where this roll had one.
        seconds: how long that took.
        report: file of its own report.
    """

    host: str
    stand: str
    why: str = ""
    outcome: str = ""
    seconds: float = 0.0
    report: str = ""


@dataclass(frozen=True)
class Summary:
    """What a run of a roll did.

    Attributes:
        run: its id.
        who: operator and management host.
        why: reason and task.
        kernel: release that was rolled out.
        began: ISO 8601, UTC.
        end: how it ended.
        reason: in one sentence.
        hosts: one line each.
        soaks: what each watch between two hosts said.
        next_command: what a person types next; empty: nothing.
        known_bad: file with an entry for the list of known-bad kernels; empty: none.
    """

    run: str
    who: str
    why: str
    kernel: str
    began: str
    end: Outcome
    reason: str
    hosts: tuple[HostLine, ...]
    soaks: tuple[str, ...] = ()
    next_command: str = ""
    known_bad: str = ""

    @property
    def headline(self) -> str:
        """How the roll ended, in one line."""
        stopped = "stopped, a host: " if self.end in _OF_A_HOST else ""
        return f"roll of {self.kernel}: {stopped}{self.end.phrase}: {self.reason}"


def build(events: Iterable[Event], known_bad: str = "") -> Summary:
    """Make the summary of a journal; one without an end is that of an interrupted run."""
    known = list(events)
    start = next((event.values for event in known if event.name == "start"), {})
    last = next((event.values for event in reversed(known) if event.name == "end"), None)
    end = Outcome[last["end"]] if last else Outcome.INTERRUPTED
    kernel = str(start.get("kernel", ""))
    hosts = tuple(_hosts(known))
    return Summary(
        run=str(start.get("run", "")),
        who=str(start.get("who", "")),
        why=str(start.get("why", "")),
        kernel=kernel,
        began=known[0].at if known else "",
        end=end,
        reason=str(last["why"]) if last else "the roll ended without closing its journal",
        hosts=hosts,
        soaks=tuple(_soak(event.values) for event in known if event.name == "soak"),
        next_command=next_command(end, kernel, hosts, again=bool(last and last.get("again"))),
        known_bad=known_bad,
    )


def _hosts(events: list[Event]) -> Iterator[HostLine]:
    looks = (event.values["hosts"] for event in reversed(events) if event.name == "seen")
    seen: list[dict[str, Any]] = next(looks, [])
    ended = {event.values["host"]: event.values for event in events if event.name == "host"}
    for one in seen:
        run = ended.get(one["host"], {})
        why = run.get("why") if run and run.get("outcome") != Outcome.DONE.name else one["why"] or one["unwell"]
        yield HostLine(
            host=one["host"],
            stand=one["stand"],
            why=str(why or ""),
            outcome=str(run.get("outcome", "")),
            seconds=float(run.get("seconds", 0.0)),
            report=str(run.get("report", "")),
        )


def _soak(values: Mapping[str, Any]) -> str:
    return (
        f"{', '.join(values['hosts'])}: {values['proof']} after {duration(float(values['seconds']))}: {values['why']}"
    )


def next_command(end: Outcome, kernel: str, hosts: Iterable[HostLine], *, again: bool = False) -> str:
    """Return what a person types next; empty: nothing.

    Arguments:
        again: whether a failure that later nights remember has ended the roll, also where its end does not say so.
    """
    if end in DELIBERATE:
        return ""
    out = next((one.host for one in hosts if one.stand == Stand.LEFTOVER.value or one.outcome in _LEFT), "")
    if out:
        return f"cookbook sre.mail.reboot-mx {out} --status"
    if again or end in REMEMBERED:
        command = f"cookbook sre.mail.roll-kernel --kernel {kernel} --again"
        return with_remark(command, "when the reason is known and gone")
    return f"cookbook sre.mail.roll-kernel --kernel {kernel} --plan"


_LEFT = frozenset({Outcome.LEFT_OUT.name, Outcome.INCONCLUSIVE.name, Outcome.MAIL_LOST.name, Outcome.INTERRUPTED.name})
"""Ends of a host's run after which it may be out of service."""


def terminal(summary: Summary) -> Iterator[str]:
    """Yield the last lines that an operator sees; how it ended is the very last."""
    width = max((len(one.host) for one in summary.hosts), default=0)
    for one in summary.hosts:
        yield f"  {one.host:<{width}}  {_state(one)}{f': {one_line(one.why, 200)}' if one.why else ''}"
    for soak in summary.soaks:
        yield f"  soak {soak}"
    if summary.known_bad:
        yield f"review and add to the list of known-bad kernels: {summary.known_bad}"
    yield f"{summary.headline}{f'; next: {summary.next_command}' if summary.next_command else ''}"


def _state(one: HostLine) -> str:
    if not one.outcome:
        return one.stand
    return f"{one.stand}, {Outcome[one.outcome].phrase} in {duration(one.seconds)}"


def markdown(summary: Summary) -> str:
    """Return the summary as Markdown; each host is linked to its own report."""
    lines = [f"# {_cell(summary.headline)}", ""]
    lines += [f"Run {summary.run}, by {summary.who}, begun {summary.began}: {_cell(summary.why)}", ""]
    if summary.next_command:
        lines += [f"Next: `{summary.next_command}`", ""]
    if summary.hosts:
        lines += ["| host | stands | this run | took | why |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(one) for one in summary.hosts]
    if summary.soaks:
        lines += ["", "## Between the hosts", "", *(f"- {_cell(soak)}" for soak in summary.soaks)]
    if summary.known_bad:
        lines += ["", f"For the list of known-bad kernels, to review: `{summary.known_bad}`"]
    return "\n".join(lines) + "\n"


def _row(one: HostLine) -> str:
    outcome = Outcome[one.outcome].phrase if one.outcome else ""
    run = f"[{outcome}]({one.report.rpartition('/')[2]})" if one.report else outcome
    took = duration(one.seconds) if one.outcome else ""
    return f"| {one.host} | {one.stand} | {run} | {took} | {_cell(one.why)} |"


def _cell(text: str) -> str:
    """A text that neither breaks the table nor is HTML."""
    return one_line(printable(text), 500).replace("|", "\\|").replace("<", "&lt;")


def as_json(summary: Summary) -> str:
    """Return the summary as JSON."""
    raw: dict[str, Any] = {**asdict(summary), "end": summary.end.name, "exit_code": summary.end.value}
    return json.dumps(raw, indent=2, sort_keys=True) + "\n"


def metrics(summary: Summary, now: float, stale_s: float) -> str:
    """Return the summary as metrics for the node exporter's textfile collector.

    Arguments:
        now: seconds since 1970.
        stale_s: seconds without a run after which the alert about that fires.
    """
    kernel = f'kernel="{label_value(summary.kernel)}"'
    lines = [
        "# HELP mx_roll_exit_code How the last run of a roll ended; see docs/roll-kernel.md.",
        "# TYPE mx_roll_exit_code gauge",
        f"mx_roll_exit_code{{{kernel}}} {summary.end.value}",
        "# HELP mx_roll_stopped Whether a person has to look before a roll goes on.",
        "# TYPE mx_roll_stopped gauge",
        f"mx_roll_stopped{{{kernel}}} {int(summary.end not in DELIBERATE)}",
        "# HELP mx_roll_last_run_timestamp_seconds When the last run of a roll ended.",
        "# TYPE mx_roll_last_run_timestamp_seconds gauge",
        f"mx_roll_last_run_timestamp_seconds{{{kernel}}} {now:.0f}",
        "# HELP mx_roll_stale_seconds From how many seconds without a run on somebody has to look.",
        "# TYPE mx_roll_stale_seconds gauge",
        f"mx_roll_stale_seconds{{{kernel}}} {stale_s:.0f}",
        "# HELP mx_roll_host How a host stands towards the kernel of the roll.",
        "# TYPE mx_roll_host gauge",
    ]
    lines += [
        f'mx_roll_host{{{kernel},host="{label_value(one.host)}",stands="{one.stand}"}} 1' for one in summary.hosts
    ]
    return "\n".join(lines) + "\n"


def forgotten(text: str, kernel: str) -> str:
    """Return metrics of a roll without its failure, where that was one with a kernel that later nights remember."""
    label = re.escape(f'{{kernel="{label_value(kernel)}"}}')
    codes = "|".join(str(one.value) for one in REMEMBERED)
    ended, found = re.subn(
        rf"^(mx_roll_exit_code{label}) ({codes})$", rf"\1 {Outcome.OUTSIDE.value}", text, flags=re.MULTILINE
    )
    return re.sub(rf"^(mx_roll_stopped{label}) 1$", r"\1 0", ended, flags=re.MULTILINE) if found else text


def plan_lines(lines: Iterable[PlanLine], left_s: float | None) -> Iterator[str]:
    """Yield a plan for the terminal.

    Arguments:
        lines: one a host.
        left_s: seconds until the window closes; None: it does not; 0: none is open.
    """
    shown = tuple(lines)
    width = max((len(one.host) for one in shown), default=0)
    for one in shown:
        when = "" if one.begins_s is None else f" in {duration(one.begins_s)}, takes about {duration(one.takes_s)}"
        late = "" if one.fits else " DOES NOT FIT THE WINDOW, the next run does it"
        yield f"  {one.host:<{width}}  {one.act}{when}{late}{f': {one_line(one.why, 200)}' if one.why else ''}"
    if left_s is not None:
        yield f"the window closes in {duration(left_s)}" if left_s > 0 else "no window is open now"


def first_step(first: Decision) -> str:
    """Return what a roll would begin with, in words."""
    if isinstance(first, Finish):
        return f"would end at once: {first.end.phrase}: {first.why}"
    if isinstance(first, Take):
        return f"would begin by {'resuming the run on' if first.resume else 'rebooting'} {first.host}"
    return f"would begin by watching {', '.join(first.hosts)} under real mail"
