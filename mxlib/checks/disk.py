"""Disk: space and inodes for the spool, the logs and new kernels."""

from collections.abc import Sequence
from dataclasses import replace

from mxlib.checks.check import Check, Finding, Scope, failed, ok, worst
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import disk
from mxlib.facts.disk import DiskUse
from mxlib.facts.source import Facts, Source
from mxlib.mta.find import find


def source(policy: VerifyPolicy) -> Source[tuple[DiskUse, ...]]:
    """Return the source of the file systems that mail and new kernels need."""
    return disk.source((*find(policy.mta).paths, "/boot"))


def _use(paths: Sequence[str], use: DiskUse, limit: float) -> Finding:
    inodes = "" if use.free_inodes_percent is None else f", {use.free_inodes_percent:.0f} % of the inodes"
    why = f"{', '.join(paths)}: {use.free_percent:.0f} % free{inodes}"
    short = use.free_percent < limit or (use.free_inodes_percent is not None and use.free_inodes_percent < limit)
    return failed(why) if short else ok(why)


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the file systems that mail needs, each once."""
    paths: dict[DiskUse, list[str]] = {}
    for use in facts.get(source(policy)):
        paths.setdefault(replace(use, path=""), []).append(use.path)
    return worst([_use(on, use, policy.free_percent) for use, on in paths.items()])


CHECK = Check("disk", "space and inodes", Scope.CONDITION, lambda policy: (source(policy),), judge)
