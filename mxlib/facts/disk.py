"""Space and inodes of the file systems mail needs."""

from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model import exim

PATHS = (exim.SPOOL, exim.MAINLOG.rpartition("/")[0], "/boot")
# One question each for space and inodes: the combined form of df leaves columns out on some file systems.
SECTION = Section(
    "disk",
    "\n".join(
        f"df --output=target,size,avail,itotal,iavail -k {path} | tail -n 1 | sed 's,^,{path} ,'" for path in PATHS
    ),
)


@dataclass(frozen=True)
class DiskUse:
    """The file system a path lies on.

    Attributes:
        path: the path.
        target: where the file system is mounted.
        free_percent: free space for ordinary users.
        free_kb: the same in KiB.
        free_inodes_percent: free inodes; None where the file system does not count them.
    """

    path: str
    target: str
    free_percent: float
    free_kb: int
    free_inodes_percent: float | None


def _use(line: str) -> DiskUse:
    path, target, size, available, inodes, free_inodes = line.split()
    if int(size) <= 0:
        raise ParseError(f"the file system of {path} has no size")
    share = 100 * int(free_inodes) / int(inodes) if inodes not in ("0", "-") else None
    return DiskUse(path, target, 100 * int(available) / int(size), int(available), share)


def parse(outputs: Outputs) -> tuple[DiskUse, ...]:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: df did not answer for each path.
    """
    lines = outputs[SECTION.name].text().splitlines()
    found = tuple(_use(line) for line in lines)
    if tuple(use.path for use in found) != PATHS:
        raise ParseError("df did not answer for every path")
    return found


SOURCE = Source("disk", (SECTION,), parse)
