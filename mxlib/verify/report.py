"""What verify-mx found, for people and programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mxlib.base.text import one_line, plural, printable
from mxlib.base.verdict import Status, Verdict
from mxlib.model.outcome import Outcome
from mxlib.verify.request import HostReport

_WHY = 240
_NAMES = 400


_BY_STATUS = {Status.OK: Outcome.DONE, Status.FAILED: Outcome.FAILED, Status.UNKNOWN: Outcome.UNKNOWN}


def outcome_of(reports: Sequence[HostReport]) -> Outcome:
    """Return how the verification ends: as its worst host; UNKNOWN where nothing was found.

    Where no host answered it ends so, whatever else was found: a set-up that reaches nobody has proven nothing.
    """
    if reports and not any(report.answered for report in reports):
        return Outcome.NO_ANSWER
    worst = min((report.status for report in reports), key=lambda status: status.severity, default=Status.UNKNOWN)
    return _BY_STATUS[worst]


def worst(reports: Sequence[HostReport]) -> str:
    """Return in one sentence what is wrong or unknown; a table of many hosts may have scrolled it away.

    Arguments:
        reports: what was found, worst first.
    """
    bad = [report for report in reports if report.status is not Status.OK]
    reasons = [f"{report.host}: {', '.join(_not_passed(report))}" for report in bad]
    return one_line("; ".join(reasons), _WHY) if reasons else f"{plural(len(reports), 'host')}, all OK"


def _not_passed(report: HostReport) -> list[str]:
    """Names of the checks that are as bad as the host's worst one."""
    return [one.check for one in report.verdicts if one.status is report.status]


def table(reports: Sequence[HostReport], *, verbose: bool = False) -> str:
    """Return a table that a person can read in ten seconds: worst first, what is OK only counted.

    Arguments:
        reports: what was found, worst first.
        verbose: also a line for each check that is OK.
    """
    plain = [report for report in reports if not verbose and report.status is Status.OK and not _warned(report)]
    lines = [_sum(reports)] if len(reports) > 1 else []
    for report in (report for report in reports if report not in plain):
        lines += _of_host(report, verbose=verbose)
    if plain:
        names = one_line(", ".join(report.host for report in plain), _NAMES)
        lines.append(f"{Status.OK.value:<8}{names}: {_counted(plain)}, all OK")
    return "\n".join(lines)


def _sum(reports: Sequence[HostReport]) -> str:
    counts = [(status, sum(report.status is status for report in reports)) for status in Status]
    took = max(report.seconds for report in reports)
    counted = ", ".join(f"{count} {status.value}" for status, count in counts if count)
    return f"{plural(len(reports), 'host')}: {counted}  ({took:.1f} s)"


def _counted(reports: Sequence[HostReport]) -> str:
    counts = sorted({len(report.verdicts) for report in reports})
    return plural(counts[0], "check") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} checks"


def _warned(report: HostReport) -> bool:
    return any(verdict.warnings for verdict in report.verdicts)


def _of_host(report: HostReport, *, verbose: bool) -> list[str]:
    bad = [verdict for verdict in report.verdicts if verdict.status is not Status.OK]
    good = [verdict for verdict in report.verdicts if verdict.status is Status.OK]
    lines = [f"{report.status.value:<8}{report.host}  ({report.seconds:.1f} s)"]
    lines += _lines((*bad, *(good if verbose else ())))
    lines += [f"  warning  {one.check:<22} {text}" for one in report.verdicts for text in one.warnings]
    if good and not verbose:
        lines.append(f"  {Status.OK.value:<8} {plural(len(good), 'other check' if bad else 'check')}")
    return lines


def _lines(verdicts: Iterable[Verdict]) -> list[str]:
    """A line a verdict; those with one reason, as all of a host that cannot be reached, in one line."""
    grouped: dict[tuple[Status, str], list[str]] = {}
    for verdict in verdicts:
        grouped.setdefault((verdict.status, one_line(verdict.why, _WHY)), []).append(verdict.check)
    return [f"  {status.value:<8} {', '.join(names):<22} {why}" for (status, why), names in grouped.items()]


def as_json(reports: Sequence[HostReport], notes: Sequence[str] = (), left_out: Sequence[str] = ()) -> str:
    """Return everything, with evidence.

    Arguments:
        notes: what is to be said about the verification itself.
        left_out: names of the checks that were not asked for; none in a whole verification.
    """
    hosts = [_report(report) for report in reports]
    everything = {"hosts": hosts, "notes": list(notes), "left_out": list(left_out)}
    return json.dumps(everything, indent=2, sort_keys=True)


def _report(report: HostReport) -> dict[str, Any]:
    return {
        "host": report.host,
        "status": report.status.value,
        "when": report.when.isoformat(),
        "seconds": round(report.seconds, 3),
        "answered": report.answered,
        "checks": [_verdict(verdict) for verdict in report.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    evidence = [
        {"command": printable(one.command), "output": printable(one.output), "when": one.when.isoformat()}
        for one in verdict.evidence
    ]
    return {
        "check": verdict.check,
        "status": verdict.status.value,
        "why": printable(verdict.why),
        "warnings": [printable(text) for text in verdict.warnings],
        "evidence": evidence,
    }
