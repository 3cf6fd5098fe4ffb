"""A check: the facts it needs, and a pure function from them and the site's policy to a finding.

To add one: a file in this folder with a :class:`Check` called ``CHECK``, and its name in :mod:`mxlib.checks.registry`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts, FactUnknownError, Source


class Scope(Enum):
    """When a check applies."""

    CONDITION = "condition"
    """Always, even while the host is out of service and its MTA is held."""
    SERVICE = "service"
    """Only while the host should be in service."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        status: OK, FAILED or UNKNOWN.
        why: one sentence that a person woken at night can act on.
        lines: the lines that decided; without any, the evidence is the beginning of what was read.
        warnings: what is not wrong yet but can go wrong; it changes no status.
    """

    status: Status
    why: str
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def ok(why: str, *lines: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Status.OK, why, lines)


def failed(why: str, *lines: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(Status.FAILED, why, lines)


def unknown(why: str, *lines: str) -> Finding:
    """Return a finding that the state is unknown."""
    return Finding(Status.UNKNOWN, why, lines)


def worst(findings: list[Finding]) -> Finding:
    """Combine the findings of a check: the worst decides, and those equally bad are named with it.

    Arguments:
        findings: at least one.
    """
    status = min((finding.status for finding in findings), key=lambda one: one.severity)
    same = [finding for finding in findings if finding.status is status]
    lines = tuple(line for one in same for line in one.lines)
    warnings = tuple(warning for finding in findings for warning in finding.warnings)
    return Finding(status, "; ".join(finding.why for finding in same), lines, warnings)


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: stable name, for options, metrics and reports.
        about: one line for lists.
        scope: when it applies.
        sources: the facts it needs, by the site's policy.
        judge: returns the finding; FactUnknownError of a fact that could not be read makes the verdict UNKNOWN.
    """

    name: str
    about: str
    scope: Scope
    sources: Callable[[VerifyPolicy], tuple[Source[Any], ...]]
    judge: Callable[[Facts, VerifyPolicy], Finding]

    def verdict(self, facts: Facts, policy: VerifyPolicy) -> Verdict:
        """Judge one host."""
        try:
            finding = self.judge(facts, policy)
        except FactUnknownError as error:
            return Verdict(self.name, Status.UNKNOWN, str(error), error.evidence)
        evidence = self._evidence(facts, policy, finding.lines)
        return Verdict(self.name, finding.status, finding.why, evidence, finding.warnings)

    def _evidence(self, facts: Facts, policy: VerifyPolicy, lines: tuple[str, ...]) -> tuple[Evidence, ...]:
        sources = self.sources(policy)
        if lines:
            return facts.evidence(sources[0], *lines)
        return tuple(evidence for source in sources for evidence in facts.evidence(source))


@dataclass(frozen=True)
class Outside:
    """A check that needs more than the host itself: what the hypervisor or the alerting says about it.

    Attributes:
        name: stable name, for options, metrics and reports.
        about: one line for lists.
        sources: the facts of the host that it needs as well.
        judge: returns the finding by the host's name and facts; a fact that could not be read makes it UNKNOWN.
    """

    name: str
    about: str
    sources: tuple[Source[Any], ...]
    judge: Callable[[str, Facts], Finding]

    def verdict(self, host: str, facts: Facts) -> Verdict:
        """Judge one host.

        Arguments:
            facts: its facts; may be empty if the check has no sources.
        """
        try:
            finding = self.judge(host, facts)
        except FactUnknownError as error:
            return Verdict(self.name, Status.UNKNOWN, str(error), error.evidence)
        shown = Evidence(f"{self.about}: {host}", "\n".join((finding.why, *finding.lines)), facts.when)
        return Verdict(self.name, finding.status, finding.why, (shown,))
