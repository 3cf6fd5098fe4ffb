"""Reading and judging hosts: what a run asks of one host, and what verify-mx asks of many."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mxlib import exim, probe, verify_aliases
from mxlib.checks.aliases_peers import ANSWERS
from mxlib.checks.check import Check, Scope
from mxlib.checks.probes import LOST, outbound_name
from mxlib.checks.registry import all_checks, select
from mxlib.config_aliases import AliasGenerator
from mxlib.config_probes import ProbeSection
from mxlib.errors import HostError, ParseError
from mxlib.facts.source import Facts, read_facts
from mxlib.host import Host
from mxlib.kernels import KnownBad
from mxlib.policy import VerifyPolicy
from mxlib.text import one_line
from mxlib.verdict import Status, Verdict

MAX_PARALLEL = 32


@dataclass(frozen=True)
class Request:
    """What is to be verified.

    Attributes:
        policy: what the site expects.
        entries: kernels known to be bad.
        probes: test mails and sessions; None for none.
        run_tag: named in the test mails.
        only: names of checks; none stands for all.
        skip: names of checks that are left out.
        aliases: alias generators of the site.
    """

    policy: VerifyPolicy
    entries: tuple[KnownBad, ...] = ()
    probes: ProbeSection | None = None
    run_tag: str = "verify"
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    aliases: tuple[AliasGenerator, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether a check was asked for."""
        return (not self.only or name in self.only) and name not in self.skip

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that can be asked for."""
        plain = [check.name for check in all_checks(self.entries, self.aliases)]
        compared = verify_aliases.names(self.aliases, self.probes)
        return (*plain, *compared, *(probe_names(self.probes, self.policy) if self.probes else ()))


@dataclass(frozen=True)
class HostReport:
    """What was found on one host.

    Attributes:
        host: its name.
        verdicts: one a check, worst first.
        when: when it was asked (UTC).
        seconds: how long it took.
        facts: what the host answered; None where it did not.
    """

    host: str
    verdicts: tuple[Verdict, ...]
    when: datetime
    seconds: float
    facts: Facts | None = field(default=None, repr=False, compare=False)

    @property
    def status(self) -> Status:
        """The worst verdict; UNKNOWN without any."""
        return min((v.status for v in self.verdicts), key=lambda status: status.severity, default=Status.UNKNOWN)


def probe_names(section: ProbeSection, policy: VerifyPolicy) -> tuple[str, ...]:
    """Names of the verdicts that come from test mails and sessions.

    Arguments:
        section: the test mails.
        policy: what the site expects.
    """
    inbound = (f"inbound-v{family}" for family in policy.families)
    return (*(outbound_name(one.name) for one in section.outbound), LOST, *inbound, "certificate")


def with_watched(policy: VerifyPolicy, entries: Iterable[KnownBad]) -> VerifyPolicy:
    """The policy with the kernel parameters that the conditions of known-bad kernels need.

    Arguments:
        policy: what the site expects.
        entries: kernels known to be bad.
    """
    keys = (key for entry in entries for key, _ in entry.unless)
    return dataclasses.replace(policy, watched_sysctls=tuple(dict.fromkeys((*policy.watched_sysctls, *keys))))


def judge_host(host: Host, checks: Sequence[Check], policy: VerifyPolicy) -> tuple[Verdict, ...]:
    """Ask a host once, and judge it by several checks.

    Arguments:
        host: the machine.
        checks: the checks.
        policy: what the site expects.

    Returns:
        One verdict a check; all UNKNOWN when the host could not be asked.
    """
    return ask_host(host, checks, policy)[0]


def ask_host(host: Host, checks: Sequence[Check], policy: VerifyPolicy) -> tuple[tuple[Verdict, ...], Facts | None]:
    """The same, and what the host answered; None where it did not."""
    sources = [source for check in checks for source in check.sources(policy)]
    if not sources:
        return (), None
    try:
        facts = read_facts(host, sources)
    except (HostError, ParseError) as error:
        why = f"not asked: {one_line(str(error))}"
        return tuple(Verdict(check.name, Status.UNKNOWN, why) for check in checks), None
    return tuple(check.verdict(facts, policy) for check in checks), facts


def condition(host: Host, policy: VerifyPolicy, entries: Sequence[KnownBad] = ()) -> tuple[Verdict, ...]:
    """The checks that say something also of a host out of service: read only, one round trip.

    Arguments:
        host: the machine; its MTA may be held.
        policy: what the site expects.
        entries: kernels known to be bad.
    """
    checks = [check for check in all_checks(entries) if check.scope is Scope.CONDITION]
    return judge_host(host, checks, _without_mta(with_watched(policy, entries)))


def _without_mta(policy: VerifyPolicy) -> VerifyPolicy:
    """The policy for a host whose MTA may be stopped on purpose."""
    others = tuple(names for names in policy.required_units if exim.UNIT not in names.split("|"))
    return dataclasses.replace(
        policy, required_units=others or policy.required_units, ignored_units=(*policy.ignored_units, exim.UNIT)
    )


def verify_host(host: Host, request: Request, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> HostReport:
    """Every check that was asked for, and the test mails.

    Arguments:
        host: the machine.
        request: what is to be verified.
        now: the time.
    """
    began = now()
    policy = with_watched(request.policy, request.entries)
    checks = select(all_checks(request.entries, request.aliases), request.only, request.skip)
    judged, facts = ask_host(host, checks, policy)
    verdicts = list(judged)
    if request.probes:
        verdicts += [v for v in _probe(host, request.probes, request, policy) if request.wants(v.check)]
    return HostReport(host.name, _worst_first(verdicts), began, (now() - began).total_seconds(), facts)


def _worst_first(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(sorted(verdicts, key=lambda verdict: verdict.status.severity))


def _probe(host: Host, section: ProbeSection, request: Request, policy: VerifyPolicy) -> list[Verdict]:
    """Test mails, and sessions from here; only those of which something was asked for."""
    wanted = tuple(one for one in section.outbound if request.wants(outbound_name(one.name)))
    verdicts: list[Verdict] = []
    if wanted:
        verdicts += probe.outbound(host, dataclasses.replace(section, outbound=wanted), request.run_tag, policy)
    if any(request.wants(name) for name in (*(f"inbound-v{family}" for family in policy.families), "certificate")):
        verdicts += probe.inbound(host.name, section, policy)
    return verdicts


def verify_hosts(hosts: Sequence[Host], request: Request, others: Sequence[Host] = ()) -> tuple[HostReport, ...]:
    """Verify several hosts at the same time.

    Arguments:
        hosts: the machines.
        request: what is to be verified.
        others: the site's other MXs, which are only compared with.

    Returns:
        A report each, worst first, and within one status in the order of the names.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(MAX_PARALLEL, len(hosts)))) as pool:
        reports = list(pool.map(lambda host: verify_host(host, request), hosts))
    compared = _with_aliases(compare(reports), request, (*hosts, *others))
    return tuple(sorted(compared, key=lambda report: (report.status.severity, report.host)))


def _with_aliases(reports: list[HostReport], request: Request, hosts: Sequence[Host]) -> list[HostReport]:
    """Add what only a look at every MX tells about generated aliases."""
    wanted = frozenset(filter(request.wants, verify_aliases.names(request.aliases, request.probes)))
    if not wanted:
        return reports
    known = {report.host: report.facts for report in reports if report.facts and request.wants(verify_aliases.OWN)}
    probes = request.probes if ANSWERS in wanted else None
    told = verify_aliases.look(hosts, request.aliases, known, probes, request.policy)
    return [
        dataclasses.replace(report, verdicts=_worst_first((*report.verdicts, *told.verdicts(report.host, wanted))))
        for report in reports
    ]


def compare(reports: Sequence[HostReport]) -> list[HostReport]:
    """Say of each failed test mail whether it failed on the other hosts too: then the remote end is the likely cause.

    Arguments:
        reports: of several MXs, asked at the same time.
    """
    return [
        dataclasses.replace(
            report, verdicts=tuple(_with_control(verdict, report.host, reports) for verdict in report.verdicts)
        )
        for report in reports
    ]


def _with_control(verdict: Verdict, host: str, reports: Sequence[HostReport]) -> Verdict:
    others = {
        report.host: other.status
        for report in reports
        for other in report.verdicts
        if report.host != host and other.check == verdict.check
    }
    if verdict.status is not Status.FAILED or not verdict.check.startswith("outbound-") or not others:
        return verdict
    passed = sorted(name for name, status in others.items() if status is Status.OK)
    told = (
        f"passes on {', '.join(passed)}: this host is at fault" if passed else "on no other MX better: the remote end?"
    )
    return dataclasses.replace(verdict, why=f"{verdict.why} [{told}]")
