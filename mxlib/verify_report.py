"""What verify-mx found, for people and programs."""

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from mxlib.text import one_line, printable
from mxlib.verdict import Status, Verdict
from mxlib.verify import HostReport

_WHY = 160


class VerifyExit(Enum):
    """How a verification ends. The value is the cookbook's exit code; Spicerack reserves 90 to 99."""

    OK = 0
    """Every check of every host is OK."""
    REFUSED = 10
    """Nothing was verified: the request or the configuration is wrong."""
    FAILED = 14
    """Something has failed."""
    UNKNOWN = 15
    """Nothing has failed, but something could not be told."""


def exit_code(reports: Iterable[HostReport]) -> VerifyExit:
    """How the verification ends.

    Arguments:
        reports: what was found; none is nothing known.
    """
    worst = min((report.status for report in reports), key=lambda status: status.severity, default=Status.UNKNOWN)
    return VerifyExit[worst.name]


def table(reports: Sequence[HostReport], *, verbose: bool = False) -> str:
    """A table that a person can read in ten seconds: worst first, what is OK in one line a host.

    Arguments:
        reports: what was found, worst first.
        verbose: also a line for each check that is OK.
    """
    lines: list[str] = []
    for report in reports:
        bad = [verdict for verdict in report.verdicts if verdict.status is not Status.OK]
        good = [verdict for verdict in report.verdicts if verdict.status is Status.OK]
        lines.append(f"{report.status.value:<8}{report.host}  ({report.seconds:.1f} s)")
        lines += _lines((*bad, *(good if verbose else ())))
        lines += [f"  warning  {one.check:<22} {text}" for one in report.verdicts for text in one.warnings]
        if good and not verbose:
            lines.append(f"  OK       {', '.join(verdict.check for verdict in good)}")
    return "\n".join(lines)


def _lines(verdicts: Iterable[Verdict]) -> list[str]:
    """A line a verdict; those with one reason, as all of a host that cannot be reached, in one line."""
    grouped: dict[tuple[Status, str], list[str]] = {}
    for verdict in verdicts:
        grouped.setdefault((verdict.status, one_line(verdict.why, _WHY)), []).append(verdict.check)
    return [f"  {status.value:<8} {', '.join(names):<22} {why}" for (status, why), names in grouped.items()]


def as_json(reports: Sequence[HostReport]) -> str:
    """Everything, with evidence.

    Arguments:
        reports: what was found.
    """
    return json.dumps({"hosts": [_report(report) for report in reports]}, indent=2, sort_keys=True)


def _report(report: HostReport) -> dict[str, Any]:
    return {
        "host": report.host,
        "status": report.status.value,
        "when": report.when.isoformat(),
        "seconds": round(report.seconds, 3),
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
