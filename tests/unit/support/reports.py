"""The report of a run, from a journal that is written to be read."""

from pathlib import Path
from typing import Any

from mxlib.base.journal import Journal, read
from mxlib.model.outcome import Outcome
from mxlib.reboot import report
from tests.unit.support.fakes import FakeClock


def made(
    path: Path, *events: tuple[str, dict[str, Any]], outcome: Outcome | None = Outcome.DONE, why: str = "all is well"
) -> report.Report:
    """Return the report of a run whose journal has these events, and an end unless ``outcome`` is None."""
    journal = Journal(path, FakeClock())
    for name, values in events:
        journal.write(name, **values)
    if outcome:
        journal.write("end", outcome=outcome.name, why=why)
    journal.close()
    return report.build("mx2001.lab.test", "run-1", "op@cumin1001", "because", read(path), "")
