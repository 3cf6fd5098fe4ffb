"""What the reports of earlier runs say: how long reboots took, what stood against one."""

import json
from datetime import UTC, datetime
from pathlib import Path

from mxlib.base.text import one_line
from mxlib.config.sections import Site

_STAMP = "%Y%m%dT%H%M%SZ"
_SPARE_S = 300.0


def durations(directory: Path, host: str) -> tuple[float, ...]:
    """Seconds that the finished reboots of a host took, oldest first; what cannot be read is left out.

    Arguments:
        directory: of the reports.
        host: its name.
    """
    found = (_seconds(path) for path in sorted(directory.glob(f"{host}.*.json")))
    return tuple(seconds for seconds in found if seconds is not None)


def _seconds(path: Path) -> float | None:
    """From the time in the run's id to its last step; None where it was no whole reboot in one go."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        steps = {entry["step"] for entry in report["timeline"]}
        if report["outcome"] != "DONE" or "reboot" not in steps or "adopt" in steps:
            return None
        began = datetime.strptime(report["run"].partition("-")[0], _STAMP).replace(tzinfo=UTC)
        took = (datetime.fromisoformat(report["timeline"][-1]["at"]) - began).total_seconds()
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return took if took > 0 else None


def objections(report: Path) -> str:
    """What the guard of a run found against beginning, from its report; empty where that cannot be read.

    Arguments:
        report: its JSON.
    """
    try:
        verdicts = json.loads(report.read_text(encoding="utf-8"))["verdicts"]
        bad = [one for one in verdicts if one["stage"] == "guard" and one["status"] != "OK"]
        return "; ".join(one_line(f"{one['check']} {one['status']}: {one['why']}", 160) for one in bad)
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def bound(site: Site) -> float:
    """The sum of all time limits of a reboot: what is expected of a host of which nothing is known.

    Arguments:
        site: what the site says.
    """
    drain = site.drain.timeout + site.drain.still_timeout
    # before the drain, out of the new boot and, if that fails, out of the old one, each time with a control
    probes = 4 * len(site.probes.outbound) * site.probes.timeout
    return drain + 2 * site.boot.timeout + probes + site.soak.seconds + _SPARE_S
