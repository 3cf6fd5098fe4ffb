"""What proves that a host is well, as a run asks it: the checks and the test mails of the site."""

from collections.abc import Sequence
from typing import Any

from mxlib.base.verdict import Status, Verdict
from mxlib.checks import kernel
from mxlib.config.known_bad import KnownBad
from mxlib.config.sections import Site
from mxlib.facts.source import Facts, FactUnknownError, Source
from mxlib.probes import verdicts as probe
from mxlib.protocols.host import Host
from mxlib.verify import request as verify


class HostVerifier:
    """Judges hosts as the site's configuration says."""

    def __init__(self, site: Site, entries: Sequence[KnownBad], run: str, *, dry_run: bool):
        """Send nothing yet.

        Arguments:
            run: id of the run, named in the test mails.
        """
        self._site = site
        self._entries = entries
        self._run = run
        self._dry_run = dry_run

    def condition(self, host: Host) -> tuple[Verdict, ...]:
        """Judge the host itself, read only."""
        return verify.condition(host, self._site.verify, self._entries)

    def sources(self) -> tuple[Source[Any], ...]:
        """Return what the host itself is judged by, for a caller that reads it together with something else."""
        return verify.condition_sources(self._site.verify, self._entries)

    def judged(self, facts: Facts) -> tuple[Verdict, ...]:
        """Judge the host itself, from facts that are known."""
        return verify.judge_condition(facts, self._site.verify, self._entries)

    def known_bad(self, facts: Facts, release: str) -> Verdict:
        """Judge whether an installed kernel is known to be bad under the settings of its host."""
        policy = verify.with_watched(self._site.verify, self._entries)
        try:
            found = kernel.judge_installed(release, facts, policy, self._entries)
        except FactUnknownError as error:
            return Verdict("known-bad", Status.UNKNOWN, str(error), error.evidence)
        return Verdict("known-bad", found.status, found.why, warnings=found.warnings)

    def outbound(self, host: Host) -> tuple[Verdict, ...]:
        """Send the site's test mails through the host's MTA, and judge them. None in a dry run."""
        if self._dry_run:
            return ()
        return probe.outbound(host, self._site.probes, self._run, self._site.verify, untried=probe.Untried.REPLACED)

    def inbound(self, host: Host) -> tuple[Verdict, ...]:
        """Hold a session with the host over each address family, and judge them."""
        return probe.inbound(host.name, self._site.probes, self._site.verify)
