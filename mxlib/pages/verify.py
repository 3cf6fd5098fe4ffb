"""The page of one verification: hosts and checks in one table, then each host with its evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mxlib.base.text import duration, one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.model.outcome import Outcome
from mxlib.pages import tone
from mxlib.pages.figure import Figure
from mxlib.pages.render import render
from mxlib.verify.request import HostReport


@dataclass(frozen=True)
class HostCell:
    """What one check found on one host.

    Attributes:
        status: OK, FAILED or UNKNOWN; empty where the check was not made.
        tone: its colour.
        why: its reason.
        warns: whether the verdict has warnings.
    """

    host: str
    status: str = ""
    tone: str = ""
    why: str = ""
    warns: bool = False


@dataclass(frozen=True)
class HostsRow:
    """One check over all hosts.

    Attributes:
        check: its name.
        cells: one a host.
    """

    check: str
    cells: tuple[HostCell, ...]

    @property
    def well(self) -> bool:
        """Whether it is OK wherever it was made."""
        return all(cell.status in (Status.OK.value, "") for cell in self.cells)


@dataclass(frozen=True)
class HostDetail:
    """One host.

    Attributes:
        tone: the colour of its worst verdict.
        notable: verdicts that are not OK, then those that are OK with a warning.
        good: all others.
    """

    report: HostReport
    tone: str
    notable: tuple[Verdict, ...]
    good: tuple[Verdict, ...]


def page(reports: Sequence[HostReport], outcome: Outcome, next_command: str, notes: Sequence[str] = ()) -> str:
    """Return the page of a verification.

    Arguments:
        next_command: what to type next; empty if nothing.
        notes: remarks on the verification itself.
    """
    rows = _rows(reports)
    values = {
        "title": f"verify-mx: {outcome.phrase}",
        "outcome": outcome,
        "tone": tone.of_outcome(outcome),
        "reason": _reason(reports),
        "said": _said(reports),
        "next_command": next_command,
        "notes": notes,
        "figures": tuple(_figures(reports)),
        "hosts": tuple(report.host for report in reports),
        "bad": tuple(row for row in rows if not row.well),
        "good": tuple(row for row in rows if row.well),
        "sections": tuple(_section(report) for report in reports),
    }
    return render("verify.html", values)


def _rows(reports: Sequence[HostReport]) -> tuple[HostsRow, ...]:
    found = {(report.host, one.check): one for report in reports for one in report.verdicts}
    names = dict.fromkeys(one.check for report in reports for one in report.verdicts)
    return tuple(
        HostsRow(name, tuple(_cell(report.host, found.get((report.host, name))) for report in reports))
        for name in names
    )


def _cell(host: str, verdict: Verdict | None) -> HostCell:
    if verdict is None:
        return HostCell(host)
    status = verdict.status.value
    return HostCell(host, status, tone.of_status(status), verdict.why, bool(verdict.warnings))


def _section(report: HostReport) -> HostDetail:
    good = [one for one in report.verdicts if one.passed]
    return HostDetail(
        report,
        tone.of_status(report.status.value),
        (*(one for one in report.verdicts if not one.passed), *(one for one in good if one.warnings)),
        tuple(one for one in good if not one.warnings),
    )


def _reason(reports: Sequence[HostReport]) -> str:
    """Return the worst finding, in one sentence."""
    bad = [(report.host, one) for report in reports for one in report.verdicts if not one.passed]
    if not bad:
        return "every check passed wherever it was made" if reports else "nothing was found"
    host, worst = min(bad, key=lambda found: found[1].status.severity)
    more = f"; {len(bad) - 1} more not OK" if len(bad) > 1 else ""
    return f"{host}: {worst.check} {worst.status.value}: {one_line(worst.why, 300)}{more}"


def _said(reports: Sequence[HostReport]) -> str:
    if not reports:
        return "no host was verified"
    begin = min(report.when for report in reports)
    end = max(report.when + timedelta(seconds=report.seconds) for report in reports)
    took = duration((end - begin).total_seconds())
    return f"{plural(len(reports), 'host')}, begun {begin:%Y-%m-%d %H:%M:%S} UTC, {took} in all"


def _figures(reports: Sequence[HostReport]) -> Iterator[Figure]:
    for status in Status:
        count = sum(report.status is status for report in reports)
        if count or status is not Status.UNKNOWN:
            yield Figure(str(count), f"{status.value} of {plural(len(reports), 'host')}", _tone(status, count))
    judged = [one for report in reports for one in report.verdicts]
    bad = sum(not one.passed for one in judged)
    yield Figure(str(bad), f"of {plural(len(judged), 'verdict')} not OK", tone.DOUBT if bad else tone.GOOD)
    if warnings := sum(len(one.warnings) for one in judged):
        yield Figure(str(warnings), "warnings", tone.DOUBT)


def _tone(status: Status, count: int) -> str:
    return tone.of_status(status.value) if count else tone.PLAIN
