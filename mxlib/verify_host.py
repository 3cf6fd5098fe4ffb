"""What proves that a host is well, as a run asks it: the checks and the test mails of the site."""

from collections.abc import Sequence

from mxlib import probe, verify
from mxlib.config_sections import Site
from mxlib.host import Host
from mxlib.kernels import KnownBad
from mxlib.verdict import Verdict


class HostVerifier:
    """Judges hosts as the site's configuration says."""

    def __init__(self, site: Site, entries: Sequence[KnownBad], run: str, *, dry_run: bool):
        """Send nothing yet.

        Arguments:
            site: what the site says.
            entries: kernels known to be bad.
            run: id of the run, named in the test mails.
            dry_run: send nothing at all.
        """
        self._site = site
        self._entries = entries
        self._run = run
        self._dry_run = dry_run

    def condition(self, host: Host) -> tuple[Verdict, ...]:
        """The host itself, read only."""
        return verify.condition(host, self._site.verify, self._entries)

    def outbound(self, host: Host) -> tuple[Verdict, ...]:
        """The site's test mails through the host's MTA. None in a dry run."""
        if self._dry_run:
            return ()
        return probe.outbound(host, self._site.probes, self._run, self._site.verify)

    def inbound(self, host: Host) -> tuple[Verdict, ...]:
        """A session with the host over each address family."""
        return probe.inbound(host.name, self._site.probes, self._site.verify)
