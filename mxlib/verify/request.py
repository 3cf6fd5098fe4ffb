"""Reading and judging one host: what a run asks of it, and what verify-mx asks of each."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mxlib.aliases import look as verify_aliases
from mxlib.base.errors import HostError, ParseError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.checks.check import Check, Outside, Scope
from mxlib.checks.registry import all_checks
from mxlib.config.aliases import AliasGenerator
from mxlib.config.known_bad import KnownBad
from mxlib.config.probes import OutboundProbe, ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.mta.find import find
from mxlib.probes import judge as probes
from mxlib.probes import judge_peers as peers
from mxlib.protocols.host import Host

Reserve = Callable[[str, Sequence[OutboundProbe]], Mapping[str, str]]
"""Asks for test mails of a host; returns the destinations that get none, by name, and why."""


@dataclass(frozen=True)
class VerificationScope:
    """What is to be verified.

    Attributes:
        policy: what the site expects.
        entries: kernels known to be bad.
        probes: test mails and sessions; None for none.
        run_tag: named in the test mails.
        only: names of checks; empty for all.
        skip: names of checks that are left out.
        outside: checks that need more than the host itself.
        reserve: the budget of test mails; by default there is none.
        aliases: alias generators of the site.
    """

    policy: VerifyPolicy
    entries: tuple[KnownBad, ...] = ()
    probes: ProbeSection | None = None
    run_tag: str = "verify"
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    outside: tuple[Outside, ...] = ()
    reserve: Reserve = lambda host, mails: {}
    aliases: tuple[AliasGenerator, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether a check was asked for."""
        return (not self.only or name in self.only) and name not in self.skip

    def wants_any(self, names: Iterable[str]) -> bool:
        """Whether one of several checks was asked for."""
        return any(map(self.wants, names))

    def leaves_out(self, probes: ProbeSection) -> tuple[str, ...]:
        """Return the names of the checks that a verification of everything has, and this one has not.

        Arguments:
            probes: the site's test mails and sessions.
        """
        everything = dataclasses.replace(self, probes=probes).names
        return tuple(name for name in everything if name not in self.names or not self.wants(name))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that can be asked for, in the order of a report."""
        plain = [check.name for check in all_checks(self.entries, self.aliases)]
        compared = verify_aliases.names(self.aliases, self.probes)
        probed = probe_names(self.probes, self.policy) if self.probes else ()
        return (*plain, *(one.name for one in self.outside), *compared, *probed)


@dataclass(frozen=True)
class HostReport:
    """What was found on one host.

    Attributes:
        host: its name.
        verdicts: one a check, worst first.
        when: when it was asked (UTC).
        seconds: how long it took.
        facts: what the host answered; None where it did not.
        answered: whether it answered at all, as far as it was asked.
    """

    host: str
    verdicts: tuple[Verdict, ...]
    when: datetime
    seconds: float
    facts: Facts | None = field(default=None, repr=False, compare=False)
    answered: bool = True

    @property
    def status(self) -> Status:
        """The worst verdict; UNKNOWN without any."""
        return min((v.status for v in self.verdicts), key=lambda status: status.severity, default=Status.UNKNOWN)


def probe_names(section: ProbeSection, policy: VerifyPolicy) -> tuple[str, ...]:
    """Return the names of the verdicts that come from test mails and sessions."""
    among = (peers.PEERS, peers.SAME) if policy.peers else ()
    return (*outbound_names(section), *inbound_names(policy), *among)


def outbound_names(section: ProbeSection) -> tuple[str, ...]:
    """Return the names of the verdicts that come from test mails."""
    return (*(probes.outbound_name(one.name) for one in section.outbound), probes.LOST, probes.FAST_OPEN)


def inbound_names(policy: VerifyPolicy) -> tuple[str, ...]:
    """Return the names of the verdicts that come from sessions from the management host."""
    return (*(f"inbound-v{family}" for family in policy.families), probes.CERTIFICATE)


def with_watched(policy: VerifyPolicy, entries: Iterable[KnownBad]) -> VerifyPolicy:
    """Return the policy with the kernel parameters that the conditions of known-bad kernels need."""
    keys = (key for entry in entries for key, _ in entry.unless)
    return dataclasses.replace(policy, watched_sysctls=tuple(dict.fromkeys((*policy.watched_sysctls, *keys))))


def condition(host: Host, policy: VerifyPolicy, entries: Sequence[KnownBad] = ()) -> tuple[Verdict, ...]:
    """Judge what can be judged of a host out of service too: read only, one round trip.

    Arguments:
        host: the machine; its MTA may be held.
    """
    try:
        facts = read_facts(host, condition_sources(policy, entries))
    except (HostError, ParseError) as error:
        return tuple(Verdict(check.name, Status.UNKNOWN, _not_asked(error)) for check in _conditions(entries))
    return judge_condition(facts, policy, entries)


def condition_sources(policy: VerifyPolicy, entries: Sequence[KnownBad] = ()) -> tuple[Source[Any], ...]:
    """Return what :func:`judge_condition` has to know, for a caller that reads it together with something else."""
    narrowed = without_mta(with_watched(policy, entries))
    return tuple(source for check in _conditions(entries) for source in check.sources(narrowed))


def judge_condition(facts: Facts, policy: VerifyPolicy, entries: Sequence[KnownBad] = ()) -> tuple[Verdict, ...]:
    """Judge what can be judged of a host out of service too.

    Arguments:
        facts: what the host answered to :func:`condition_sources`.
    """
    narrowed = without_mta(with_watched(policy, entries))
    return tuple(check.verdict(facts, narrowed) for check in _conditions(entries))


def _conditions(entries: Sequence[KnownBad]) -> list[Check]:
    return [check for check in all_checks(entries) if check.scope is Scope.CONDITION]


def _not_asked(error: Exception) -> str:
    return f"not asked: {one_line(str(error))}"


def without_mta(policy: VerifyPolicy) -> VerifyPolicy:
    """Return the policy for a host whose MTA may be stopped on purpose.

    Arguments:
        policy: what the site expects of a host in service.
    """
    own = find(policy.mta).units
    others = tuple(names for names in policy.required_units if not set(own) & set(names.split("|")))
    return dataclasses.replace(
        policy, required_units=others or policy.required_units, ignored_units=(*policy.ignored_units, *own)
    )
