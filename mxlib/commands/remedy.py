"""From the arguments of sre.mail.remedy-mx to what it does and its exit code."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from spicerack import Spicerack

from mxlib.base.errors import ConfigError, FencedError, InterruptedRunError, MxlibError
from mxlib.base.ids import new_run
from mxlib.base.journal import Journal
from mxlib.base.stop import Stop, signals
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.commands.reboot import log_directory
from mxlib.commands.wiring import Wiring
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.sections import Site
from mxlib.facts.source import read_facts
from mxlib.model.record import Record
from mxlib.mta.find import find
from mxlib.mta.standing import read_standing
from mxlib.probes import verdicts as probe
from mxlib.probes.judge import outbound_name
from mxlib.protocols.host import CommandResult, Host
from mxlib.remedies import guard as claimed
from mxlib.remedies.bounds import ALLOW, Order
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.remedy import Bench, Remedy, RemedyExit
from mxlib.remedies.suggest import sources, suggest
from mxlib.verify import request as verify
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.report import table

_UNITS = {"s": 1, "m": 60, "h": 3600}
_BY_STATUS = {Status.OK: RemedyExit.DONE, Status.FAILED: RemedyExit.FAILED, Status.UNKNOWN: RemedyExit.UNKNOWN}


@dataclass(frozen=True)
class RemedyRequest:
    """What the operator asked for.

    Attributes:
        host: the MX.
        remedy: name of the remedy; empty: only what would help is wanted.
        arguments: what it is for; one order each.
        sources: addresses that are let through.
        how_long: until a hole closes, such as ``30m``; empty where it is not said.
        reason: why, in words.
        task: the task's id; may be empty.
        run: id of the run on the host that this operator goes on with; empty for none.
        prove: name of a destination that is proven afterwards; empty for none.
        probes: whether test mails are sent to see what fails.
    """

    host: str
    remedy: str
    arguments: tuple[str, ...]
    sources: tuple[str, ...]
    how_long: str
    reason: str
    task: str = ""
    run: str = ""
    prove: str = ""
    probes: bool = True

    def orders(self) -> tuple[Order, ...]:
        """One for each argument.

        Raises:
            mxlib.base.errors.ConfigError: an unknown remedy, or options that do not belong to it.
        """
        if self.remedy not in REMEDIES:
            raise ConfigError(f"there is no remedy {self.remedy!r}; there are {', '.join(REMEDIES)}")
        if self.remedy == ALLOW:
            if self.arguments or not self.sources or not self.how_long:
                raise ConfigError("allow needs --from ADDRESS --for TIME, such as --for 30m")
            return tuple(Order(self.remedy, one, seconds_of(self.how_long)) for one in self.sources)
        if self.sources or self.how_long:
            raise ConfigError("--from and --for belong to allow")
        return tuple(Order(self.remedy, one) for one in self.arguments or ("",))


def seconds_of(text: str) -> float:
    """Read a time such as ``90s``, ``30m`` or ``2h``.

    Arguments:
        text: what the operator typed.

    Raises:
        mxlib.base.errors.ConfigError: it is no time.
    """
    found = re.fullmatch(r"(\d{1,5})([smh])", text)
    if found is None:
        raise ConfigError(f"{text!r} is no time: expected such as 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


class RemedySession:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: RemedyRequest) -> None:
        """Check what was asked for; nothing is touched.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.

        Raises:
            mxlib.base.errors.ConfigError: it is not within the site's bounds.
        """
        self._spicerack = spicerack
        self._site = site
        self._request = request
        self._orders = request.orders() if request.remedy else ()
        self._refuse()
        self._stop = Stop()
        self._wiring = Wiring(spicerack, site, self._stop)
        self._tell = self._wiring.tell
        self._run = new_run()
        self._who = self._wiring.who
        self._entries = load_kernels(site.verify.known_bad)
        self._acted = False

    def _refuse(self) -> None:
        for order in self._orders:
            if why := REMEDIES[order.remedy].refuse(self._site, order):
                raise ConfigError(f"{order.remedy}: {why}")
        names = [one.name for one in self._site.probes.outbound]
        if self._request.prove and self._request.prove not in names:
            raise ConfigError(f"--prove: probes.outbound has no {self._request.prove!r}, only {', '.join(names)}")

    def execute(self) -> int:
        """Do what was asked, and give the exit code."""
        with signals(self._stop):
            try:
                return (self._remedy() if self._orders else self._suggest()).value
            except InterruptedRunError as error:
                done = "what was begun may be done; look with --suggest" if self._acted else "nothing was changed"
                return self._said(f"stopped by {error}: {done}", RemedyExit.INTERRUPTED)
            except MxlibError as error:
                failed = self._acted and not isinstance(error, FencedError)
                return self._said(str(error), RemedyExit.FAILED if failed else RemedyExit.REFUSED)

    def _said(self, text: str, end: RemedyExit) -> int:
        self._tell.line(f"{self._request.host}: {end.name.lower()}: {text}")
        return end.value

    # --- the two ways

    def _suggest(self) -> RemedyExit:
        """Verify, and say what would help."""
        host, policy = self._wiring.host(self._request.host), self._site.verify
        probes = self._site.probes if self._request.probes and not self._spicerack.dry_run else None
        (report,) = verify_hosts([host], verify.Request(policy, self._entries, probes, run_tag=self._run))
        for line in table([report]).splitlines():
            self._tell.line(line)
        if report.status is Status.OK:
            return RemedyExit.DONE
        facts = read_facts(host, sources(policy))
        found = suggest(report.verdicts, facts, self._site, policy, self._entries)
        for one in found:
            command = f"cookbook sre.mail.remedy-mx {self._request.host} {one.order.said}"
            self._tell.line(f"for {one.check}: {command}   # {one_line(one.why, 120)}")
        if not found:
            self._tell.line("none of the remedies fits what fails")
        return _BY_STATUS[report.status]

    def _remedy(self) -> RemedyExit:
        """Each order in turn, as long as they help."""
        remedy, host = REMEDIES[self._request.remedy], self._wiring.host(self._request.host)
        record = self._claimed(host, remedy)
        bench = self._bench(host, remedy, record)
        if self._spicerack.dry_run:
            return self._rehearse(bench, remedy)
        directory = self._site.reports or log_directory()
        path = directory / f"{self._request.host}.remedy-{self._run}.jsonl"
        journal = Journal(path, self._wiring.clock)
        journal.write("start", host=self._request.host, run=self._run, who=self._who, why=bench.why)
        self._tell.line(f"journal {path}")
        try:
            end = self._each(bench, remedy, journal)
            journal.write("end", outcome=end.name, code=end.value)
        finally:
            journal.close()
        self._tell.line(f"undo: {remedy.undo}")
        return end

    def _each(self, bench: Bench, remedy: Remedy, journal: Journal) -> RemedyExit:
        verdicts: list[Verdict] = []
        for order in self._orders:
            journal.write("begin", step=order.said)
            try:
                note = remedy.apply(bench, order)
            except MxlibError as error:
                journal.write("failed", step=order.said, error=str(error))
                raise
            journal.write("done", step=order.said, note=note)
            self._tell.line(f"{order.said}: {one_line(note, 600)}")
            verdicts += self._judged(remedy.judge(bench, order), journal)
        if self._request.prove:
            verdicts += self._judged(self._prove(bench), journal)
        worst = min((one.status for one in verdicts), key=lambda status: status.severity, default=Status.UNKNOWN)
        return _BY_STATUS[worst]

    def _judged(self, verdicts: Sequence[Verdict], journal: Journal) -> Sequence[Verdict]:
        for one in verdicts:
            journal.write("verdict", stage="after", check=one.check, status=one.status.value, why=one.why)
            self._tell.line(f"  {one.status.value:8}{one.check}: {one_line(one.why, 300)}")
        return verdicts

    def _prove(self, bench: Bench) -> tuple[Verdict, ...]:
        """Test mails to one destination, against the hints that its failures have left."""
        wanted = tuple(one for one in self._site.probes.outbound if one.name == self._request.prove)
        section = dataclasses.replace(self._site.probes, outbound=wanted)
        verdicts = probe.outbound(bench.host, section, self._run, self._site.verify, force=True)
        # what conntrack loses meanwhile is the host's fault that a hole goes around, not the destination's
        return tuple(one for one in verdicts if one.check == outbound_name(self._request.prove))

    def _rehearse(self, bench: Bench, remedy: Remedy) -> RemedyExit:
        for order in self._orders:
            self._tell.line(f"would {order.said}")
            for line in remedy.commands(bench, order):
                self._tell.line(f"    {line}")
        return RemedyExit.DONE

    # --- the wiring

    def _claimed(self, host: Host, remedy: Remedy) -> Record | None:
        """The record of the run that this operator goes on with.

        Raises:
            mxlib.base.errors.FencedError: somebody else's run has claimed the host.
        """
        record = read_standing(host, find(self._site.mta)).depool.record
        if record is None or remedy.harmless:
            return None
        if record.run == self._request.run:
            return record
        raise FencedError(
            f"run {record.run} ({record.who} since {record.since}) has claimed the host: {record.why}; "
            f"if it is yours to go on with: --run {record.run}"
        )

    def _bench(self, host: Host, remedy: Remedy, record: Record | None) -> Bench:
        why = f"{self._request.reason}{f' - {self._request.task}' if self._request.task else ''}"
        said = f"remedy {self._run} by {self._who}: {self._request.remedy} {' '.join(self._request.arguments)}: {why}"

        def act(script: str, timeout: float) -> CommandResult:
            self._acted = True
            guarded = claimed.guarded(script, one_line(said), run=record, harmless=remedy.harmless)
            return claimed.act(host, guarded, timeout)

        return Bench(self._site, host, act, self._who, why, self._run, self._entries)


def list_remedies() -> str:
    """The remedies, one a line, for the help."""
    width = max(len(f"{one.name} {one.argument}") for one in REMEDIES.values())
    return "\n".join(f"        {f'{one.name} {one.argument}':<{width}}  {one.about}" for one in REMEDIES.values())
