"""Space and inodes of the file systems that mail needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source


@dataclass(frozen=True)
class DiskUse:
    """The file system of a path.

    Attributes:
        path: the path.
        target: where the file system is mounted.
        free_percent: free space for ordinary users, in percent.
        free_inodes_percent: free inodes, in percent; None where the file system does not count them.
    """

    path: str
    target: str
    free_percent: float
    free_inodes_percent: float | None


def _use(line: str) -> DiskUse:
    path, target, size, available, inodes, free_inodes = line.split()
    if int(size) <= 0:
        raise ParseError(f"the file system of {path} has size {size}, expected more than 0")
    share = 100 * int(free_inodes) / int(inodes) if inodes not in ("0", "-") else None
    return DiskUse(path, target, 100 * int(available) / int(size), share)


def source(paths: Sequence[str]) -> Source[tuple[DiskUse, ...]]:
    """Return the source of the file systems of some paths; an answer that leaves one out is unknown.

    Args:
        paths: absolute, safe in a command without quotes.
    """
    asked = Section("disk", f"df --output=file,target,size,avail,itotal,iavail -k {' '.join(paths)} | tail -n +2")

    def parse(outputs: Outputs) -> tuple[DiskUse, ...]:
        found = tuple(_use(line) for line in outputs[asked.name].text().splitlines())
        if tuple(use.path for use in found) != tuple(paths):
            raise ParseError("df did not answer for every path")
        return found

    return Source(asked.name, (asked,), parse)
