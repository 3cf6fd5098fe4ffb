"""The page of one run on one host."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mxlib.base.journal import Event
from mxlib.base.text import duration, plural
from mxlib.pages import checks, queue, timeline, tone
from mxlib.pages.figure import Figure
from mxlib.pages.render import render
from mxlib.reboot.report import Report


@dataclass(frozen=True)
class Ran:
    """A script that was run on a host.

    Attributes:
        what: its purpose.
        seconds: how long it took.
        code: its exit code; empty if no answer came.
        script: its text; empty if it only reads.
    """

    began: datetime
    host: str
    what: str
    seconds: float
    code: str
    script: str

    @property
    def changes(self) -> bool:
        """Whether it may have changed the host."""
        return bool(self.script)


@dataclass(frozen=True)
class BootOutput:
    """What the console showed of a boot.

    Attributes:
        at: when the wait for the boot ended.
        lines: the last lines.
    """

    at: datetime
    lines: tuple[str, ...]


def page(report: Report, events: Iterable[Event]) -> str:
    """Return the page of a run."""
    known = list(events)
    judged, drawn = checks.table(report.verdicts), timeline.drawn(report.timeline)
    values = {
        "title": f"{report.host}: {report.outcome.phrase}",
        "report": report,
        "tone": tone.of_outcome(report.outcome),
        "figures": tuple(_figures(report, judged, drawn)),
        "timeline": drawn,
        "queue": queue.drawn(known),
        "checks": judged,
        "ledger": tuple(_ledger(report.ledger)),
        "boots": tuple(_boots(known)),
        "commands": tuple(sorted(_commands(known), key=lambda one: one.began)),
    }
    return render("run.html", values)


def _figures(report: Report, judged: checks.ChecksTable, drawn: timeline.Timeline | None) -> Iterator[Figure]:
    if drawn is not None:
        yield Figure(duration(drawn.axis.seconds), "from the first step to the last")
        if drawn.out:
            yield Figure(drawn.out, "out of service")
    if judged.rows:
        bad = len(judged.bad)
        what = f"of {plural(len(judged.rows), 'check')} not OK at some stage"
        yield Figure(str(bad), what, tone.DOUBT if bad else tone.GOOD)
    if report.ledger:
        missing = report.ledger.get("missing", 0)
        yield Figure(str(missing), "messages missing", tone.BAD if missing else tone.GOOD)


_LEDGER = {
    "must": "messages to account for",
    "spool": "of them on disk when it was checked",
    "missing": "missing",
    "untraced": "not traceable after a power cut",
    "accepted": "missing and accepted by the operator",
}


def _ledger(counts: dict[str, int]) -> Iterator[Figure]:
    for key, what in _LEDGER.items():
        if key in counts and (counts[key] or key in ("must", "spool", "missing")):
            bad = key == "missing"
            yield Figure(str(counts[key]), what, (tone.BAD if counts[key] else tone.GOOD) if bad else tone.PLAIN)


def _boots(events: Sequence[Event]) -> Iterator[BootOutput]:
    for event in events:
        if event.name == "done" and event.values.get("console"):
            yield BootOutput(timeline.moment(event.at), tuple(str(line) for line in event.values["console"]))


def _commands(events: Sequence[Event]) -> Iterator[Ran]:
    for event in events:
        if event.name == "command":
            values, seconds = event.values, float(event.values.get("seconds", 0.0))
            code = values.get("code")
            yield Ran(
                began=timeline.moment(event.at) - timedelta(seconds=seconds),
                host=str(values.get("host", "")),
                what=str(values.get("what", "")),
                seconds=seconds,
                code="" if code is None else str(code),
                script=str(values.get("script", "")),
            )
