"""From the arguments of sre.mail.repair-nic to what it does and its outcome."""

from dataclasses import dataclass

from spicerack import Spicerack

from mxlib.adapters.console_proof import prove_console
from mxlib.adapters.console_repair import Means, diagnose_and_repair, forecast_for
from mxlib.adapters.machine import means_of
from mxlib.base.errors import ConfigError
from mxlib.base.verdict import Status
from mxlib.commands.command import Command
from mxlib.commands.request import check_host
from mxlib.config.sections import Site
from mxlib.facts import nic
from mxlib.facts.source import read_facts
from mxlib.model.outcome import Outcome
from mxlib.model.record import Level
from mxlib.nic.advice import nothing_to_pin, undo_lines
from mxlib.nic.forecast import Fate, Forecast
from mxlib.nic.prevent import installed_kernels, note_names, plan_prevention, plan_settling, prevent, settle_names


@dataclass(frozen=True)
class NicRequest:
    """What the operator asked for.

    Attributes:
        host: the MX.
        way: forecast, pin, settle, repair or console.
        method: stanzas or link; None: what the site says.
        kernels: with link, each release that may boot; none: all that are installed.
        known: MAC address and earlier name of each card that is not certain.
        timeout: seconds a prompt may take on the console.
    """

    host: str
    way: str
    method: str | None
    kernels: tuple[str, ...]
    known: tuple[tuple[str, str], ...]
    timeout: float


class RepairNic(Command):
    """One run of repair-nic."""

    name = "repair-nic"
    alone = True  # two would type on the same console

    def __init__(self, spicerack: Spicerack, site: Site, request: NicRequest) -> None:
        """Check what was asked for; nothing is touched.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX of the site.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host))
        self._request = request
        self.reads_only = bool(spicerack.dry_run) or request.way == "forecast"

    def work(self) -> Outcome:
        """Foretell, prevent, settle, repair, or prove the console."""
        ways = {
            "forecast": self._forecast,
            "pin": self._pin,
            "settle": self._settle,
            "repair": self._repair,
            "console": self._console,
        }
        return ways[self._request.way]()

    def interrupted(self, by: str) -> str:
        """Return what is left, and the command for the rest."""
        if not self.acted:
            return f"stopped by {by}; nothing was changed"
        again = f"cookbook sre.mail.repair-nic {self.subject} --{self._request.way}"
        return f"stopped by {by}; the network configuration may be changed in part; for the rest: {again}"

    # --- the ways

    def _forecast(self) -> Outcome:
        expected = self._forecast_now()
        fates = {level: expected.fate(level) for level in Level}
        told = ", ".join(f"{level.value}: {fate.value}" for level, fate in fates.items())
        unknown = Fate.UNKNOWN in fates.values() or any(expected.unknown(level) for level in Level)
        return self.said(Outcome.UNKNOWN if unknown else Outcome.DONE, f"the names at a reboot: {told}")

    def _pin(self) -> Outcome:
        expected, host = self._forecast_now(), self.wiring.host(self.subject)
        method = self._request.method or self._site_method()
        if nothing := nothing_to_pin(expected):
            known = expected.fate(Level.COLD) is not Fate.UNKNOWN
            kept = expected.fate(Level.COLD) is Fate.KEPT
            return self.said(Outcome.DONE if kept else Outcome.REFUSED if known else Outcome.UNKNOWN, nothing)
        # What would refuse it does so here, before anything is touched.
        self._show(plan_prevention(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE), expected, method, self.run_id))
        self._act()
        note_names(host, expected.known())
        kernels = self._request.kernels or (installed_kernels(host) if method == "link" else ())
        done = prevent(host, expected, method=method, run=self.run_id, kernels=kernels)
        state = "would be pinned" if self.spicerack.dry_run else "pinned"
        for line in undo_lines(self.subject, expected, method, kernels):
            self.operator.line(line)
        return self.said(Outcome.DONE, f"{state} by {method}{f', old files in {done.backup}' if done.backup else ''}")

    def _settle(self) -> Outcome:
        host = self.wiring.host(self.subject)
        self._show(plan_settling(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE)).diff())
        self._act()
        done = settle_names(host, self.run_id)
        for place in done.places:
            self.operator.line(f"still has the old name, check it: {place}")
        return self.said(Outcome.DONE, "would be one name each" if self.spicerack.dry_run else "one name each")

    def _repair(self) -> Outcome:
        known, timeout = dict(self._request.known) or None, self._request.timeout
        means = self._means()
        self._act()
        report = diagnose_and_repair(means, self.subject, run=self.run_id, known=known, timeout=timeout)
        for line in report.details():  # its story was shown as it happened
            self.operator.line(line)
        why = f"{report.state}; next: {report.next}" if report.next else report.state
        return self.said(Outcome.DONE if report.ok else Outcome.FAILED, why)

    def _console(self) -> Outcome:
        verdict = prove_console(self._means(), self.subject, self.run_id, timeout=self._request.timeout)
        ends = {Status.OK: Outcome.DONE, Status.UNKNOWN: Outcome.UNKNOWN}
        return self.said(ends.get(verdict.status, Outcome.FAILED), verdict.said)

    # --- what they share

    def _act(self) -> None:
        """From here on the host may be changed; a dry run changes nothing."""
        self.acted = not self.spicerack.dry_run

    def _forecast_now(self) -> Forecast:
        expected = forecast_for(self.wiring.host(self.subject), self._means_or_none())
        for line in expected.lines():
            self.operator.line(line)
        return expected

    def _show(self, diff: str) -> None:
        for line in diff.splitlines() or ["no file changes"]:
            self.operator.line(f"| {line}")

    def _site_method(self) -> str:
        chosen = self.site.ganeti.prevention if self.site.ganeti is not None else "none"
        return "stanzas" if chosen == "none" else chosen

    def _means(self) -> Means:
        means = self._means_or_none()
        if means is None:
            raise ConfigError("the site's configuration has no ganeti section: its consoles are not known")
        return means

    def _means_or_none(self) -> Means | None:
        return means_of(
            self.spicerack, self.site, self.subject, self.wiring.host, self.wiring.clock, self.operator.line
        )
