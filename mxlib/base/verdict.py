"""Three-valued verdicts with evidence: what checks return and reports show."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Status(Enum):
    """The result of a check. The order is that of a report: worst first."""

    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    OK = "OK"

    @property
    def severity(self) -> int:
        """Rank for sorting, 0 is the worst."""
        return list(Status).index(self)


@dataclass(frozen=True)
class Evidence:
    """What decided a verdict.

    Attributes:
        command: the command, as a person could repeat it.
        output: the lines that decided, control characters removed.
        when: when they were read (UTC).
    """

    command: str
    output: str
    when: datetime


@dataclass(frozen=True)
class Verdict:
    """The judgement of one check on one host.

    Attributes:
        check: stable name of the check, as in ``--only`` and in metrics.
        status: OK, FAILED or UNKNOWN; UNKNOWN never passes.
        why: one sentence that a person woken at night can act on.
        warnings: what is not wrong yet but can go wrong; shown, and part of no status or exit code.
    """

    check: str
    status: Status
    why: str
    evidence: tuple[Evidence, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the check is OK: neither failed nor unknown."""
        return self.status is Status.OK

    @property
    def said(self) -> str:
        """Why, and what can go wrong all the same."""
        return ("; but " if self.passed else "; ").join((self.why, *self.warnings))

    @property
    def values(self) -> dict[str, str]:
        """The verdict without its evidence, for journal and report."""
        return {"check": self.check, "status": self.status.value, "why": self.said}
