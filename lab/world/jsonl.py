"""JSON lines, appended by several processes at once and read while they are written."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def now() -> str:
    """Return the time as the files write it: ISO 8601, UTC, microseconds."""
    return iso(datetime.now(UTC).timestamp())


def iso(timestamp: float) -> str:
    """Write a POSIX timestamp (seconds) as ISO 8601 in UTC; such strings sort as the times do."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds")


def normalise(when: str) -> str:
    """Write any ISO 8601 time in the form of the files, so that the two compare as strings.

    Raises:
        ValueError: not an ISO 8601 time. A time without a zone is taken as UTC.
    """
    moment = datetime.fromisoformat(when)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat(
        timespec="microseconds"
    )


class Appender:
    """One file of JSON lines that this process appends to.

    A line is one write(2) to a file opened with O_APPEND: once `append` returned, it outlives the death of the process
    (not that of the machine), and lines of several processes do not mix.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and start on a fresh line even where an earlier writer died in the middle of one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        if _torn(self._fd):
            os.write(self._fd, b"\n")

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Put the file on disk and close it."""
        os.fsync(self._fd)
        os.close(self._fd)


def _torn(fd: int) -> bool:
    end = os.fstat(fd).st_size
    return end > 0 and os.pread(fd, 1, end - 1) != b"\n"


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a file; a torn line is passed over, and a file that is not there is empty."""
    try:
        with path.open("rb") as file:
            for raw in file:
                line = _parse(raw)
                if line is not None:
                    yield line
    except FileNotFoundError:
        return


def _parse(raw: bytes) -> Line | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
