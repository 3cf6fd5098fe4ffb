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
    """

    status: Status
    when: datetime
    bad: tuple[str, ...]


def parse_verified(text: str) -> dict[str, Verified]:
    """Read what ``verify-mx --json`` wrote.

    Raises:
        mxlib.base.errors.ParseError: it is something else.
    """
    try:
        return {one["host"]: _of_host(one) for one in json.loads(text)["hosts"]}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ParseError(f"it is not what verify-mx --json writes: {one_line(repr(error))}") from None


def _of_host(raw: Mapping[str, Any]) -> Verified:
    bad = [str(one["check"]) for one in raw["checks"] if Status(one["status"]) is not Status.OK]
    when = datetime.fromisoformat(raw["when"])
    if when.tzinfo is None:
        raise ValueError(f"a time without a zone: {raw['when']}")
    return Verified(Status(raw["status"]), when.astimezone(UTC), tuple(map(one_line, bad)))
