"""From the arguments of sre.mail.remedy-mx to what it does and its outcome."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spicerack import Spicerack

from mxlib.base.errors import ConfigError, FencedError, MxlibError
from mxlib.base.text import one_line, with_remark
from mxlib.base.verdict import Status, Verdict
from mxlib.checks import alerts
from mxlib.commands.command import Command
from mxlib.commands.request import check_host
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.sections import Site
from mxlib.facts.source import read_facts
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.mta.standing import read_standing
from mxlib.probes import verdicts as probe
from mxlib.probes.judge import outbound_name
from mxlib.protocols.host import CommandResult, Host
from mxlib.remedies import guard as claimed
from mxlib.remedies.bounds import ALLOW, Order
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.remedy import Bench, Remedy
from mxlib.remedies.suggest import advise, sources, suggest
from mxlib.verify import request as verify
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.outside import NIC
from mxlib.verify.report import table, worst
from mxlib.verify.request import HostReport

_BY_STATUS = {Status.OK: Outcome.DONE, Status.FAILED: Outcome.FAILED, Status.UNKNOWN: Outcome.UNKNOWN}


@dataclass(frozen=True)
class RemedyRequest:
    """What the operator asked for.

    Attributes:
        host: the MX.
        remedy: name of the remedy; empty: only say what would help.
        arguments: what it is for; one order each.
        sources: addresses that are let through.
        how_long: seconds until a hole closes; 0 where it is not said.
        reason: why, in words.
        task: the task's id; may be empty.
        run: id of the run on the host that is this operator's own; empty: there is none.
        prove: name of a destination that is proven afterwards; empty: none is.
        probes: whether test mails are sent to see what fails.
    """

    host: str
    remedy: str
    arguments: tuple[str, ...]
    sources: tuple[str, ...]
    how_long: float
    reason: str
    task: str = ""
    run: str = ""
    prove: str = ""
    probes: bool = True

    def orders(self) -> tuple[Order, ...]:
        """Return one for each argument.

        Raises:
            mxlib.base.errors.ConfigError: an unknown remedy, or options that do not belong to it.
        """
        if self.remedy not in REMEDIES:
            raise ConfigError(f"there is no remedy {self.remedy!r}; there are {', '.join(REMEDIES)}")
        if self.remedy == ALLOW:
            if self.arguments or not self.sources or not self.how_long:
                raise ConfigError("allow needs --from ADDRESS --for TIME, such as --for 30m")
            return tuple(Order(self.remedy, one, self.how_long) for one in self.sources)
        if self.sources or self.how_long:
            raise ConfigError("--from and --for belong to allow")
        return tuple(Order(self.remedy, one) for one in self.arguments or ("",))


class RemedyMx(Command):
    """One run of remedy-mx."""

    name = "remedy-mx"

    def __init__(self, spicerack: Spicerack, site: Site, request: RemedyRequest) -> None:
        """Check what was asked for; nothing is touched.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX, or what is asked for is not within the site's bounds.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host))
        self._request = request
        self._orders = request.orders() if request.remedy else ()
        self._refuse()
        self.reads_only = bool(spicerack.dry_run) or not self._orders
        self._entries = load_kernels(site.verify.known_bad)

    @property
    def description(self) -> str:
        """What logs say beside the cookbook's name."""
        return f"for {self.subject}: {self._request.remedy or 'what would help'}"

    def _refuse(self) -> None:
        for order in self._orders:
            if why := REMEDIES[order.remedy].refuse(self.site, order):
                raise ConfigError(f"{order.remedy}: {why}")
        names = [one.name for one in self.site.probes.outbound]
        if self._request.prove and self._request.prove not in names:
            raise ConfigError(f"--prove: probes.outbound has no {self._request.prove!r}, only {', '.join(names)}")

    def work(self) -> Outcome:
        """Apply a remedy, or say which would help."""
        return self._remedy() if self._orders else self._suggest()

    def interrupted(self, by: str) -> str:
        """Return what is left."""
        done = "what was begun may be done; look with --suggest" if self.acted else "nothing was changed"
        return f"stopped by {by}: {done}"

    # --- the two ways

    def _suggest(self) -> Outcome:
        """Verify, and say what would help."""
        host, policy = self.wiring.host(self.subject), self.site.verify
        probes = self.site.probes if self._request.probes and not self.spicerack.dry_run else None
        wanted = verify.VerificationScope(policy, self._entries, probes, run_tag=self.run_id)
        (report,) = verify_hosts([host], wanted, (), self.operator.busy)
        for line in table([report]).splitlines():
            self.operator.line(line)
        why = worst([report]).removeprefix(f"{self.subject}: ")
        if report.status is Status.OK:
            return self.said(Outcome.DONE, f"{why}; only verify-mx judges {', '.join(self._unjudged(wanted, report))}")
        facts = read_facts(host, sources(policy))
        found = suggest(report.verdicts, facts, self.site, policy, self._entries)
        advice = advise(report.verdicts, facts, policy)
        commands = [f"cookbook sre.mail.remedy-mx {self.subject} {one.order.said}" for one in found]
        for one, command in zip(found, commands, strict=True):
            self.operator.line(f"for {one.check}: {command}   # {one_line(one.why, 120)}")
        for text in advice:
            self.operator.line(f"for log, by hand: {text}")
        return self.said(_BY_STATUS[report.status], f"{why}; {_following(commands, by_hand=bool(advice))}")

    def _unjudged(self, wanted: verify.VerificationScope, report: HostReport) -> Iterator[str]:
        """Yield what verify-mx judges besides, and may have found wrong: it is not well because nothing else fails."""
        everything = dataclasses.replace(wanted, probes=self.site.probes, aliases=self.site.aliases).names
        judged = {one.check for one in report.verdicts}
        yield from (name for name in (NIC, alerts.NAME, *everything) if name not in judged)

    def _remedy(self) -> Outcome:
        """Apply each order in turn, as far as the host is free for it."""
        remedy, host = REMEDIES[self._request.remedy], self.wiring.host(self.subject)
        record = self._claimed(host, remedy)
        bench = self._bench(host, remedy, record)
        if self.spicerack.dry_run:
            return self._rehearse(bench, remedy)
        path = self.open_journal(f"{self.subject}.remedy-{self.run_id}", host=self.subject, why=bench.why)
        self.operator.line(f"journal {path}")
        judged = self._each(bench, remedy)
        worst_of = min((one.status for one in judged), key=lambda status: status.severity, default=Status.UNKNOWN)
        end = _BY_STATUS[worst_of]
        self.journal.write("end", outcome=end.name, code=end.value)
        self.operator.line(f"undo: {remedy.undo}")
        told = "; ".join(f"{one.check}: {one.why}" for one in judged if one.status is worst_of)
        return self.said(end, one_line(told, 300) or "nothing has judged it")

    def _each(self, bench: Bench, remedy: Remedy) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for order in self._orders:
            self.journal.write("begin", step=order.said)
            try:
                note = remedy.apply(bench, order)
            except MxlibError as error:
                self.journal.write("failed", step=order.said, error=str(error))
                raise
            self.journal.write("done", step=order.said, note=note)
            self.operator.line(f"{order.said}: {one_line(note, 600)}")
            verdicts += self._judged(remedy.judge(bench, order))
        if self._request.prove:
            verdicts += self._judged(self._prove(bench))
        return verdicts

    def _judged(self, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
        for one in verdicts:
            self.journal.write("verdict", stage="after", check=one.check, status=one.status.value, why=one.why)
            self.operator.line(f"  {one.status.value:8}{one.check}: {one_line(one.why, 300)}")
        return verdicts

    def _prove(self, bench: Bench) -> tuple[Verdict, ...]:
        """Send test mails to one destination, whatever hints its failures have left."""
        wanted = tuple(one for one in self.site.probes.outbound if one.name == self._request.prove)
        section = dataclasses.replace(self.site.probes, outbound=wanted)
        verdicts = probe.outbound(bench.host, section, self.run_id, self.site.verify, force=True)
        # what connection tracking drops meanwhile is the host's own fault, and says nothing of the destination
        return tuple(one for one in verdicts if one.check == outbound_name(self._request.prove))

    def _rehearse(self, bench: Bench, remedy: Remedy) -> Outcome:
        for order in self._orders:
            self.operator.line(f"would {order.said}")
            for line in remedy.commands(bench, order):
                self.operator.line(f"    {line}")
        return self.said(Outcome.DONE, "dry run, nothing was changed")

    # --- the wiring

    def _claimed(self, host: Host, remedy: Remedy) -> Record | None:
        """Return the record of the run that is this operator's own.

        Raises:
            mxlib.base.errors.FencedError: somebody else's run has claimed the host.
        """
        record = read_standing(host, self.wiring.mta).depool.record
        if record is None or remedy.harmless:
            return None
        if record.run == self._request.run:
            return record
        raise FencedError(f"{claimed.claim_of(record)}; if it is yours: --run {record.run}")

    def _bench(self, host: Host, remedy: Remedy, record: Record | None) -> Bench:
        why = f"{self._request.reason}{f' - {self._request.task}' if self._request.task else ''}"
        what = " ".join((self._request.remedy, *self._request.arguments))
        said = f"remedy {self.run_id} by {self.wiring.who}: {what}: {why}"

        def act(script: str, timeout: float) -> CommandResult:
            guarded = claimed.guarded(script, one_line(said), run=record, harmless=remedy.harmless)
            before, self.acted = self.acted, True
            try:
                return claimed.act(host, guarded, timeout)
            except FencedError:
                # this did nothing; an order before it may have
                self.acted = before
                raise

        return Bench(self.site, host, act, self.wiring.who, why, self.run_id, self._entries)


def _following(commands: Sequence[str], *, by_hand: bool) -> str:
    """Return what to do next: the first command, or what no remedy does."""
    if commands:
        more = f"and {len(commands) - 1} more above"
        return f"next: {with_remark(commands[0], more) if commands[1:] else commands[0]}"
    if by_hand:
        return "next: the change of the site's configuration above, which no remedy makes"
    return "none of the remedies fits what fails"


def list_remedies() -> str:
    """Return the remedies, one a line, for the help."""
    width = max(len(f"{one.name} {one.argument}") for one in REMEDIES.values())
    return "\n".join(f"        {f'{one.name} {one.argument}':<{width}}  {one.about}" for one in REMEDIES.values())
