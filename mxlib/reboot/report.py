"""The report of a run, from its journal, for the terminal and as JSON.

:mod:`mxlib.reboot.report_markdown` writes it as Markdown.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from mxlib.base.journal import Event
from mxlib.base.text import with_remark
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import Slot
from mxlib.reboot.steps.ledger import ACCEPT


@dataclass(frozen=True)
class TimelineEntry:
    """One step in the timeline.

    Attributes:
        at: when it ended, ISO 8601, UTC.
        step: its name.
        note: what it said.
        seconds: how long it took; None where it has no duration.
        failed: whether it could not do its work.
        begun: when it began, ISO 8601, UTC; empty where it has no duration.
    """

    at: str
    step: str
    note: str
    seconds: float | None = None
    failed: bool = False
    begun: str = ""

    @property
    def began(self) -> str:
        """When it began, or happened: ISO 8601, UTC."""
        return self.begun or self.at


@dataclass(frozen=True)
class Report:
    """What happened to one host.

    Attributes:
        host: the MX.
        run: id of the run.
        who: operator and management host.
        why: reason and task.
        outcome: how it ended.
        reason: one sentence.
        next_command: the one command that resumes, undoes or returns it to service; empty if there is nothing to do.
        timeline: the steps, in order.
        verdicts: what was judged, in order: stage, check, status and why.
        ledger: counts of the ledger's last check; empty if it was not checked.
        repair: what was found and done on the console of a host that did not come back.
        left: what the draining left in the queue, by destination.
        clients: who still came after the ports were closed.
    """

    host: str
    run: str
    who: str
    why: str
    outcome: Outcome
    reason: str
    next_command: str
    timeline: tuple[TimelineEntry, ...]
    verdicts: tuple[dict[str, str], ...] = ()
    ledger: dict[str, int] = field(default_factory=dict)
    repair: tuple[str, ...] = ()
    left: tuple[dict[str, Any], ...] = ()
    clients: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """How the run ended, in one line."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.host}: {self.outcome.phrase}{reason}"


def build(host: str, run: str, who: str, why: str, events: Iterable[Event], next_command: str) -> Report:
    """Make the report of a journal; one without an end is that of an interrupted run.

    Arguments:
        who: operator and management host.
        why: reason and task.
        next_command: the one command that resumes the run, or undoes it; empty: nothing is left to do.
    """
    known = list(events)
    end = next((event for event in reversed(known) if event.name == "end"), None)
    outcome = Outcome[end.values["outcome"]] if end else Outcome.INTERRUPTED
    return Report(
        host=host,
        run=run,
        who=who,
        why=why,
        outcome=outcome,
        reason=str(end.values.get("why", "")) if end else "the run ended without closing its journal",
        next_command=next_command,
        timeline=tuple(_timeline(known)),
        verdicts=tuple(_verdicts(known)),
        ledger=_ledger(known),
        repair=tuple(str(line) for event in known for line in event.values.get("story", ())),
        left=tuple(one for one in _last(known, "left") if isinstance(one, dict) and (one["count"] or one["frozen"])),
        clients=tuple(str(one) for one in _last(known, "clients")),
    )


def _last(events: Iterable[Event], key: str) -> list[Any]:
    """Return the last list of that name that a step, done or failed, has left as evidence."""
    found = [event.values[key] for event in events if event.name in ("done", "failed") and key in event.values]
    return list(found[-1]) if found else []


def _guard_note(values: dict[str, Any], events: Iterable[Event]) -> str:
    verdicts = [event.values for event in events if event.name == "verdict" and event.values.get("stage") == "guard"]
    doubtful = [f"{one['check']} {one['status']}: {one['why']}" for one in verdicts if one["status"] != "OK"]
    found = "; ".join(doubtful) or "all passed"
    return f"{values.get('checks', len(verdicts))} checks; {found}"


def _timeline(events: Sequence[Event]) -> Iterator[TimelineEntry]:
    begun = ""
    for event in events:
        values = event.values
        if event.name in ("start", "begin"):
            begun = event.at
        if event.name == "guard":
            yield TimelineEntry(event.at, "guard", _guard_note(values, events), values.get("seconds"), begun=begun)
        elif event.name == "done":
            note, seconds = str(values.get("note", "")), values.get("seconds")
            yield TimelineEntry(event.at, values["step"], note, seconds, begun=begun)
        elif event.name == "failed":
            yield TimelineEntry(event.at, values["step"], str(values.get("error", "")), failed=True, begun=begun)
        elif event.name == "asked":
            said = f"{values.get('question', '')} {values.get('answer', '')}: {values.get('effect', '')}"
            yield TimelineEntry(event.at, "asked", f"{said} ({values.get('by', '')})")
        elif event.name in ("interrupted", "turning-back"):
            yield TimelineEntry(
                event.at, event.name.replace("-", " "), str(values.get("what") or values.get("why", ""))
            )


def _verdicts(events: Iterable[Event]) -> Iterator[dict[str, str]]:
    for event in events:
        if event.name == "verdict":
            yield {key: str(event.values.get(key, "")) for key in ("stage", "check", "status", "why")}
        for one in event.values.get("verdicts", ()) if event.name == "done" else ():
            yield {"stage": str(event.values["step"]), **{key: str(one[key]) for key in ("check", "status", "why")}}


@dataclass(frozen=True)
class Away:
    """When the host was out of service in a run.

    Attributes:
        since: when it was taken out; where it was out already, when this run began.
        back: when it served again; None: it was still out when the run ended.
    """

    since: datetime
    back: datetime | None


_OUT, _BACK = ("pool out", "close ports"), ("pool in", "open ports")


def away(timeline: Sequence[TimelineEntry]) -> Away | None:
    """Return when the host was out of service; None where the run did not change that."""
    done = [entry for entry in timeline if not entry.failed]
    out = [number for number, entry in enumerate(done) if entry.step in _OUT]
    back = [entry for entry in done[out[-1] if out else 0 :] if entry.step in _BACK]
    if not out and not back:
        return None
    since = done[out[0]].began if out else done[0].began
    return Away(datetime.fromisoformat(since), datetime.fromisoformat(back[-1].at) if back else None)


_LEDGER = ("must", "spool", "missing", "accepted", "untraced")


def _ledger(events: Iterable[Event]) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in events:
        if event.name == "done" and "missing" in event.values:
            found = {key: int(event.values[key]) for key in _LEDGER if key in event.values}
    return found


def next_command(
    host: str, outcome: Outcome, record: Record | None, slot: Slot = Slot.FREE, *, left: bool = False
) -> str:
    """Return the one command to type next; empty if nothing is left to do.

    Arguments:
        record: the record that stays on the host; None: none does.
        slot: what the service's slot means for this run, now that it has ended.
        left: whether something may be left all the same: a record that could not be read, or the slot.
    """
    resume = with_remark(f"cookbook sre.mail.reboot-mx {host} --resume", "to undo instead: --abort")
    if record is None:
        return resume if left or outcome is Outcome.LEFT_OUT else ""
    if outcome is Outcome.REFUSED and slot is Slot.OTHERS:
        return with_remark(f"cookbook sre.mail.reboot-mx {host} --status", "again, until the session at work has ended")
    if outcome is Outcome.DONE:
        # it is to stay out: typed at once, this would undo what was just asked for
        return with_remark(f"cookbook sre.mail.pool-mx {host}", "once the reason to keep it out is gone")
    if outcome is Outcome.MAIL_LOST:
        # once more it would find the same: only a person can find out where they are
        known = "once you know where the missing messages are"
        return with_remark(f"cookbook sre.mail.reboot-mx {host} --resume --accept {ACCEPT}", known)
    return resume


def terminal(report: Report) -> Iterator[str]:
    """Yield the last lines that an operator sees; what happened before was shown as it happened."""
    if report.ledger:
        yield ledger_line(report.ledger)
    yield f"{report.headline}{f'; next: {report.next_command}' if report.next_command else ''}"


def ledger_line(ledger: dict[str, int]) -> str:
    """Return the last check of the ledger in words, from its counts."""
    accepted = f" (accepted by --accept {ACCEPT})" if ledger.get("accepted") else ""
    missing = f"{ledger['missing']} MISSING{accepted}" if ledger.get("missing") else "none missing"
    untraced = f", {ledger['untraced']} not traceable after a power cut" if ledger.get("untraced") else ""
    return f"ledger: {ledger.get('must', 0)} messages, {ledger.get('spool', 0)} on disk then, {missing}{untraced}"


def as_json(report: Report) -> str:
    """Return the report as JSON."""
    raw: dict[str, Any] = asdict(report)
    raw["outcome"] = report.outcome.name
    raw["exit_code"] = report.outcome.value
    return json.dumps(raw, indent=2, sort_keys=True) + "\n"
