"""What proves that a host is well: the test mails of the site, sent and judged."""

from collections.abc import Iterable, Sequence

from mxlib import probe_inbound, probe_outbound
from mxlib.clock import Clock
from mxlib.config_sections import Site
from mxlib.errors import HostError, ParseError
from mxlib.host import Host
from mxlib.probe_inbound import InboundResult, InboundStage
from mxlib.probe_outbound import OutboundResult, Outcome
from mxlib.text import one_line, plural
from mxlib.verdict import Evidence, Status, Verdict

_STATUS = {Outcome.DELIVERED: Status.OK, Outcome.FAILED: Status.FAILED, Outcome.TIMEOUT: Status.FAILED}
"""A message that was not tried, held back by old retry hints, proves nothing about the path."""


class HostVerifier:
    """Judges hosts as the site's configuration says."""

    def __init__(self, site: Site, clock: Clock, run: str, *, dry_run: bool):
        """Send nothing yet.

        Arguments:
            site: what the site says.
            clock: the time to live in.
            run: id of the run, named in the test mails.
            dry_run: send nothing at all.
        """
        self._site = site
        self._clock = clock
        self._run = run
        self._dry_run = dry_run

    def condition(self, host: Host) -> tuple[Verdict, ...]:
        """The host itself, read only."""
        del host
        return ()

    def outbound(self, host: Host) -> tuple[Verdict, ...]:
        """The site's test mails through the host's MTA: one verdict a destination. None in a dry run."""
        probes = self._site.probes
        if self._dry_run:
            return ()
        mails = probe_outbound.plan_mails(probes.outbound)
        try:
            run = probe_outbound.send(host, mails, probes.sender, self._run, probes.timeout)
        except (HostError, ParseError) as error:
            return tuple(
                Verdict(f"outbound-{one.name}", Status.UNKNOWN, one_line(str(error))) for one in probes.outbound
            )
        evidence = run.source.evidence()
        return tuple(
            _judge_destination(one.name, [found for found in run.results if found.mail.probe == one], evidence)
            for one in probes.outbound
        )

    def inbound(self, host: Host) -> tuple[Verdict, ...]:
        """A session with the host over each address family it has."""
        probes = self._site.probes
        found = [probe_inbound.ask(host.name, family, probes.inbound, probes.sender) for family in (4, 6)]
        there = [one for one in found if one.address]
        if not there:
            return (Verdict("inbound", Status.UNKNOWN, f"{host.name} has no address"),)
        return tuple(_judge_session(one, self._clock) for one in there)


def _judge_destination(name: str, results: Sequence[OutboundResult], evidence: Evidence) -> Verdict:
    statuses = [_STATUS.get(one.outcome, Status.UNKNOWN) for one in results]
    worst = min(statuses, key=lambda one: one.severity, default=Status.UNKNOWN)
    if worst is Status.OK:
        return Verdict(f"outbound-{name}", worst, f"{plural(len(results), 'test mail')} delivered", (evidence,))
    bad = [one for one, status in zip(results, statuses, strict=True) if status is worst]
    return Verdict(f"outbound-{name}", worst, _said(bad) or "no test mail was sent", (evidence,))


def _said(results: Iterable[OutboundResult]) -> str:
    return "; ".join(f"{one.mail.size} bytes: {one.outcome.value}, {one_line(one.text, 120)}" for one in results)


def _judge_session(found: InboundResult, clock: Clock) -> Verdict:
    evidence = Evidence(
        f"SMTP session with {found.host} [{found.address}]",
        "\n".join(f"{one.stage.value} {one.subject}: {one.code} {one.text}" for one in found.answers),
        clock.now(),
    )
    name = f"inbound-v{found.family}"
    for answers, status in ((found.wrong, Status.FAILED), (found.unknown, Status.UNKNOWN)):
        if answers:
            said = "; ".join(f"{one.stage.value} {one.subject}: {one.code or ''} {one.text}" for one in answers)
            return Verdict(name, status, one_line(said), (evidence,))
    complete = any(one.stage is InboundStage.ACCEPTED for one in found.answers)
    why = f"{plural(len(found.answers), 'answer')} right over IPv{found.family}"
    return Verdict(name, Status.OK if complete else Status.UNKNOWN, why, (evidence,))
