"""The running kernel: complete on disk, so that it can boot again, and not known to be bad on this host."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.known_bad import Applies, Candidate, KnownBad, KnownBadAction, about
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import kernel, sysctl
from mxlib.facts.source import Facts, Source
from mxlib.mta.find import find


def _sources(policy: VerifyPolicy) -> tuple[Source[Any], ...]:
    return (kernel.SOURCE, find(policy.mta).version, sysctl.source(policy.read_sysctls))


def _listed(entries: list[KnownBad]) -> str:
    return "; ".join(f"{entry.entry_id} ({entry.symptom}; {entry.reason})" for entry in entries)


def judge(facts: Facts, policy: VerifyPolicy, entries: Sequence[KnownBad]) -> Finding:
    """Judge the running kernel."""
    found = facts.get(kernel.SOURCE)
    own = found.running_kernel
    if own is None or not own.whole:
        return failed(f"{found.running} runs, but lacks {', '.join(own.missing) if own else 'all'} on the disk")
    # what runs may be an older build than the one on disk; if it does not say which, the version is unknown
    judged = _known_bad(own.release, found.build, facts, policy, entries)
    waiting = f"; {found.waiting_build} is installed and not booted yet" if found.waiting_build else ""
    return dataclasses.replace(judged, why=f"{judged.why}{waiting}")


def _known_bad(
    release: str, version: str, facts: Facts, policy: VerifyPolicy, entries: Sequence[KnownBad]
) -> Finding:
    values = facts.get(sysctl.source(policy.read_sysctls))
    candidate = Candidate(release, version, policy.mta, facts.get(find(policy.mta).version), values)
    bad = about(entries, candidate, policy.allowed_kernels)
    serious = [entry for entry in bad[Applies.YES] if entry.action is not KnownBadAction.WARN]
    if serious:
        return failed(f"{release} is known to be bad: {_listed(serious)}")
    if bad[Applies.UNKNOWN]:
        return unknown(f"whether {release} is one of the known-bad kernels is unknown: {_listed(bad[Applies.UNKNOWN])}")
    package = f"{release}, package {version or 'unknown'}"
    if bad[Applies.YES]:
        return dataclasses.replace(ok(package), warnings=(f"the list warns of it: {_listed(bad[Applies.YES])}",))
    return ok(f"{package}, not known to be bad")


def judge_installed(release: str, facts: Facts, policy: VerifyPolicy, entries: Sequence[KnownBad]) -> Finding:
    """Judge whether a kernel that is installed but not running is known to be bad on this host.

    Arguments:
        release: as ``uname -r`` would print it.
    """
    own = facts.get(kernel.SOURCE).find(release)
    if own is None:
        return unknown(f"{release} is not installed, so its version is unknown")
    return _known_bad(own.release, own.version, facts, policy, entries)


def check(entries: Sequence[KnownBad]) -> Check:
    """Return the check for a list of known-bad kernels."""
    return Check(
        "kernel",
        "whole on the disk, not known to be bad here",
        Scope.CONDITION,
        _sources,
        lambda facts, policy: judge(facts, policy, entries),
    )
