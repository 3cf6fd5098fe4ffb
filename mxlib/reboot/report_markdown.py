"""The report of a run as Markdown, to be read like the timeline of an incident."""

from collections.abc import Iterator
from datetime import datetime

from mxlib.base.text import duration, one_line, printable
from mxlib.reboot.report import Report, TimelineEntry, away, ledger_line


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [f"# {report.headline}", "", f"Run {report.run}, by {report.who}: {report.why}", ""]
    if summary := _summary(report):
        lines += [summary, ""]
    if report.next_command:
        lines += [f"Next: `{report.next_command}`", ""]
    lines += ["## Timeline", "", "| UTC | step | took | what |", "| --- | --- | --- | --- |"]
    lines += [_row(entry) for entry in report.timeline]
    lines += _queue(report)
    if report.ledger:
        lines += ["", "## Ledger", "", ledger_line(report.ledger)]
    if report.repair:
        lines += ["", "## Repair from outside", "", *(f"    {printable(line)}" for line in report.repair)]
    return "\n".join([*lines, *_checks(report)]) + "\n"


def _summary(report: Report) -> str:
    """Return how long the run took, and how long the host was out of service."""
    if not report.timeline:
        return ""
    first, last = _at(report.timeline[0].began), _at(report.timeline[-1].at)
    said = f"From {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC, {duration((last - first).total_seconds())} in all"
    gap = away(report.timeline)
    if gap is None:
        return f"{said}."
    if gap.back is None:
        return f"{said}; out of service since {gap.since:%H:%M:%S} UTC."
    took = duration((gap.back - gap.since).total_seconds())
    return f"{said}; out of service for {took}, {gap.since:%H:%M:%S} to {gap.back:%H:%M:%S} UTC."


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _row(entry: TimelineEntry) -> str:
    took = duration(entry.seconds) if entry.seconds is not None else ""
    step = f"**{entry.step} FAILED**" if entry.failed else entry.step
    return f"| {entry.began[11:19]} | {step} | {took} | {_cell(entry.note)} |"


def _queue(report: Report) -> Iterator[str]:
    """Yield what stayed in the queue and why, and which clients still came."""
    if report.left:
        yield from ("", "## Left in the queue", "", "| destination | messages | oldest | why | bounces from |")
        yield "| --- | --- | --- | --- | --- |"
        for one in report.left:
            frozen = f", {one['frozen']} frozen" if one.get("frozen") else ""
            why = f"{one.get('way', '')}: {one.get('why', '')}"
            cells = (one.get("domain", ""), f"{one.get('count', 0)}{frozen}", one.get("oldest", ""), why)
            yield "| " + " | ".join(_cell(str(cell)) for cell in (*cells, one.get("deadline", ""))) + " |"
    if report.clients:
        yield from ("", "## Clients that still connected", "", *(f"- {_cell(one)}" for one in report.clients))


def _checks(report: Report) -> Iterator[str]:
    """Yield one line a check, with its status at each stage: before, after, in service."""
    if not report.verdicts:
        return
    stages = list(dict.fromkeys(one["stage"] for one in report.verdicts))
    yield from ("", "## Checks", "", f"| check | {' | '.join(stages)} | why |", "| --- " * (len(stages) + 2) + "|")
    for check in dict.fromkeys(one["check"] for one in report.verdicts):
        of = {one["stage"]: one for one in report.verdicts if one["check"] == check}
        shown = next((one for one in reversed(of.values()) if one["status"] != "OK"), list(of.values())[-1])
        cells = [_status(of[stage]["status"]) if stage in of else "" for stage in stages]
        why = shown["why"] if shown["status"] == "OK" else f"{shown['stage']}: {shown['why']}"
        yield f"| {_cell(check)} | {' | '.join(cells)} | {_cell(why)} |"


def _status(status: str) -> str:
    return status if status == "OK" else f"**{_cell(status)}**"


def _cell(text: str) -> str:
    """A text that cannot break the table, nor speak Markdown of its own."""
    return one_line(printable(text), 500).replace("|", "\\|").replace("<", "&lt;")
