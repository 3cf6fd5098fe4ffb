"""Generated aliases on every MX side by side: the files compared, and the same recipients asked of each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.aliases.judge import ANSWERS, NAME, AliasState, answers_of, judge_answers, judge_peers
from mxlib.aliases.read import read_states
from mxlib.base.verdict import Evidence, Verdict
from mxlib.checks import aliases as own
from mxlib.checks.check import Finding
from mxlib.config.aliases import AliasGenerator
from mxlib.config.probes import ProbeSection
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.source import Facts
from mxlib.model.answers import InboundResult
from mxlib.probes.everywhere import ask_everywhere
from mxlib.protocols.host import Host

OWN = own.NAME


def names(generators: Sequence[AliasGenerator], probes: ProbeSection | None) -> tuple[str, ...]:
    """Return the names of the verdicts that take a look at every MX.

    Arguments:
        probes: how an MX is asked from outside; None where it is not.
    """
    return (NAME, *((ANSWERS,) if probes else ())) if generators else ()


@dataclass(frozen=True)
class AliasLook:
    """Generated aliases on every MX.

    Attributes:
        states: each generator on each host.
        results: a session with each MX, by its name; empty where none was asked.
        when: when (UTC).
    """

    states: tuple[AliasState, ...]
    results: Mapping[str, InboundResult]
    when: datetime

    def verdicts(self, host: str, wanted: Collection[str]) -> tuple[Verdict, ...]:
        """Return the verdicts on one host."""
        found = []
        if NAME in wanted:
            found.append(self._verdict(NAME, judge_peers(self.states, host), "the alias files of every MX"))
        if ANSWERS in wanted:
            finding = judge_answers(self.results, host, self._samples)
            found.append(self._verdict(ANSWERS, finding, "RCPT, from the management host, to every MX"))
        return tuple(found)

    @property
    def asked(self) -> tuple[str, ...]:
        """Recipients that some MX answered for, or was to."""
        return tuple(dict.fromkeys((*self._samples, *(a for one in self.results.values() for a in answers_of(one)))))

    @property
    def _samples(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for state in self.states for one in state.generator.samples))

    def _verdict(self, name: str, finding: Finding, command: str) -> Verdict:
        evidence = (Evidence(command, "\n".join(finding.lines), self.when),) if finding.lines else ()
        return Verdict(name, finding.status, finding.why, evidence, finding.warnings)


def look(
    hosts: Sequence[Host],
    generators: Sequence[AliasGenerator],
    known: Mapping[str, Facts],
    probes: ProbeSection | None,
    policy: VerifyPolicy,
    addresses: Sequence[str] = (),
) -> AliasLook:
    """Look at every MX; read only.

    Arguments:
        hosts: every MX of the site.
        known: what hosts have already answered.
        probes: how an MX is asked from outside; None for not at all.
        addresses: recipients to ask for in addition to the samples and those that differ.
    """
    when = datetime.now(UTC)
    states = read_states(hosts, generators, known)
    samples = [one for state in states for one in state.generator.samples]
    differing = [one for state in states for one in state.differing]
    # A key of a file may be anything: what is no plain address is compared, and never put into a command.
    asked = tuple(filter(ADDRESS_PATTERN.fullmatch, dict.fromkeys((*addresses, *samples, *differing))))
    results = ask_everywhere([host.name for host in hosts], asked, probes, policy) if probes and asked else {}
    return AliasLook(states, results, when)
