"""The verdicts of a run, before and after the reboot: one row a check, one column a stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mxlib.pages.tone import of_status

_STAGES: Mapping[str, str] = MappingProxyType(
    {
        "guard": "before",
        "prove outbound": "new boot, MTA held",
        "prove inbound": "new boot, MTA runs",
        "soak": "in service again",
    }
)
_MAILS = ("outbound-", "inbound-")


@dataclass(frozen=True)
class StageCell:
    """A verdict.

    Attributes:
        stage: its stage, in words.
        status: OK, FAILED or UNKNOWN; empty where the check was not judged at this stage.
        tone: its colour.
        why: its reason.
    """

    stage: str
    status: str = ""
    tone: str = ""
    why: str = ""


@dataclass(frozen=True)
class StagesRow:
    """A check.

    Attributes:
        check: its name.
        cells: one a stage.
    """

    check: str
    cells: tuple[StageCell, ...]

    @property
    def well(self) -> bool:
        """Whether it was OK at every stage at which it was judged."""
        return all(cell.status in ("OK", "") for cell in self.cells)

    @property
    def decisive(self) -> StageCell:
        """The decisive verdict: the last that is not OK, or else the last."""
        judged = [cell for cell in self.cells if cell.status]
        return next((cell for cell in reversed(judged) if cell.status != "OK"), judged[-1])

    @property
    def of_mail(self) -> bool:
        """Whether a test mail or an SMTP session decided it."""
        return self.check.startswith(_MAILS)


@dataclass(frozen=True)
class ChecksTable:
    """All checks of a run.

    Attributes:
        stages: the stages, in words.
        rows: one a check; those that were not always OK come first.
    """

    stages: tuple[str, ...]
    rows: tuple[StagesRow, ...]

    @property
    def bad(self) -> tuple[StagesRow, ...]:
        """Checks that were not OK at some stage."""
        return tuple(row for row in self.rows if not row.well)

    @property
    def good(self) -> tuple[StagesRow, ...]:
        """Checks that were OK at every stage."""
        return tuple(row for row in self.rows if row.well)

    @property
    def mails(self) -> tuple[StagesRow, ...]:
        """Test mails and SMTP sessions."""
        return tuple(row for row in self.rows if row.of_mail)


def table(verdicts: Sequence[Mapping[str, str]]) -> ChecksTable:
    """Sort verdicts into a table; if a check was judged twice at a stage, the last verdict counts.

    Arguments:
        verdicts: stage, check, status and why, in order.
    """
    stages = list(dict.fromkeys(one["stage"] for one in verdicts))
    found = {(one["check"], one["stage"]): one for one in verdicts}
    rows = [
        StagesRow(check, tuple(_cell(stage, found.get((check, stage))) for stage in stages))
        for check in dict.fromkeys(one["check"] for one in verdicts)
    ]
    return ChecksTable(
        tuple(_STAGES.get(stage, stage) for stage in stages), tuple(sorted(rows, key=lambda row: row.well))
    )


def _cell(stage: str, verdict: Mapping[str, str] | None) -> StageCell:
    name = _STAGES.get(stage, stage)
    if verdict is None:
        return StageCell(name)
    return StageCell(name, verdict["status"], of_status(verdict["status"]), verdict["why"])
