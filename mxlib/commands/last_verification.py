"""What the timer's last verification found, from the file that ``verify-mx --json`` wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status


@dataclass(frozen=True)
class Verified:
    """What the last verification by the timer found of one host.

    Attributes:
        status: its worst check.
        when: when it was asked (UTC).
        bad: names of the checks that did not pass.
        covered: names of the checks that it had.
        left_out: names of the checks that it did not have, as with ``--only``; none in a whole verification.
    """

    status: Status
    when: datetime
    bad: tuple[str, ...]
    covered: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def partial(self) -> str:
        """Which checks it covers, in as few words as that can be said; empty: all."""
        if not self.left_out:
            return ""
        few = len(self.covered) <= len(self.left_out)
        return f"only {', '.join(self.covered)}" if few else f"all but {', '.join(self.left_out)}"


def parse_verified(text: str) -> dict[str, Verified]:
    """Read what ``verify-mx --json`` wrote.

    Raises:
        mxlib.base.errors.ParseError: it is something else.
    """
    try:
        raw = json.loads(text)
        left_out = tuple(one_line(str(name)) for name in raw["left_out"])
        return {one["host"]: _of_host(one, left_out) for one in raw["hosts"]}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ParseError(f"it is not what verify-mx --json writes: {one_line(repr(error))}") from None


def _of_host(raw: Mapping[str, Any], left_out: tuple[str, ...]) -> Verified:
    checks = {one_line(str(one["check"])): Status(one["status"]) for one in raw["checks"]}
    bad = tuple(name for name, status in checks.items() if status is not Status.OK)
    when = datetime.fromisoformat(raw["when"])
    if when.tzinfo is None:
        raise ValueError(f"a time without a zone: {raw['when']}")
    return Verified(Status(raw["status"]), when.astimezone(UTC), bad, tuple(checks), left_out)
