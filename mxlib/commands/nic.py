"""From the arguments of sre.mail.repair-nic to what it does and its exit code."""

import re
from dataclasses import dataclass

from spicerack import Spicerack

from mxlib.adapters.console_repair import Means, diagnose_and_repair, forecast_for, prove_console
from mxlib.adapters.cumin_host import CuminHost, cumin_transport
from mxlib.adapters.machine import means_of
from mxlib.adapters.operator import TerminalOperator
from mxlib.base.errors import ConfigError, InterruptedRunError, MxlibError
from mxlib.base.ids import new_run
from mxlib.base.stop import Stop, StoppableClock, signals
from mxlib.config.sections import Site
from mxlib.facts import nic
from mxlib.facts.source import read_facts
from mxlib.model.outcome import Outcome
from mxlib.model.record import Level
from mxlib.nic.advice import nothing_to_pin, undo_lines
from mxlib.nic.forecast import Fate, Forecast
from mxlib.nic.prevent import installed_kernels, note_names, plan_prevention, plan_settling, prevent, settle_names

_KNOWN = re.compile(r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})=(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,14})", re.IGNORECASE)


@dataclass(frozen=True)
class NicRequest:
    """What the operator asked for.

    Attributes:
        host: the MX.
        way: forecast, pin, settle, repair or console.
        method: stanzas or link; None is the site's.
        kernels: with link, each release that may boot; none are all that are installed.
        known: names before, ``MAC=NAME``.
        timeout: seconds a prompt may take on the console.
    """

    host: str
    way: str
    method: str | None
    kernels: tuple[str, ...]
    known: tuple[str, ...]
    timeout: float

    def known_names(self) -> dict[str, str] | None:
        """Name by MAC; None if none was given.

        Raises:
            mxlib.base.errors.ConfigError: one is not MAC=NAME.
        """
        found = [_KNOWN.fullmatch(text) for text in self.known]
        if not all(found):
            raise ConfigError(f"--known: expected MAC=NAME such as aa:00:00:77:00:21=ens5, not {', '.join(self.known)}")
        return {match["mac"].lower(): match["name"] for match in found if match} or None


class NicSession:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: NicRequest) -> None:
        """Wire nothing that touches the world yet."""
        self._spicerack = spicerack
        self._site = site
        self._request = request
        self._known = request.known_names()
        self._stop = Stop()
        self._clock = StoppableClock(self._stop)
        self._tell = TerminalOperator(self._clock)
        self._run = new_run()

    def execute(self) -> int:
        """Do what was asked, and give the exit code."""
        way = {
            "forecast": self._forecast,
            "pin": self._pin,
            "settle": self._settle,
            "repair": self._repair,
            "console": self._console,
        }[self._request.way]
        with signals(self._stop):
            try:
                return way().value
            except InterruptedRunError as error:
                self._tell.line(f"{self._request.host}: stopped by {error}; look at the host before you go on")
                return Outcome.INTERRUPTED.value
            except MxlibError as error:
                self._tell.line(f"{self._request.host}: {error}")
                return Outcome.REFUSED.value

    # --- the ways

    def _forecast(self) -> Outcome:
        expected = self._forecast_now()
        unknown = any(expected.fate(level) is Fate.UNKNOWN for level in Level)
        return Outcome.INCONCLUSIVE if unknown else Outcome.DONE

    def _pin(self) -> Outcome:
        expected, host = self._forecast_now(), self._host(self._request.host)
        method = self._request.method or self._site_method()
        if nothing := nothing_to_pin(expected):
            self._tell.line(nothing)
            return Outcome.DONE if expected.fate(Level.COLD) is Fate.KEPT else Outcome.REFUSED
        # What would refuse it does so here, before anything is touched.
        self._show(plan_prevention(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE), expected, method, self._run))
        note_names(host, expected.known())
        kernels = self._request.kernels or (installed_kernels(host) if method == "link" else ())
        done = prevent(host, expected, method=method, run=self._run, kernels=kernels)
        state = "would be pinned" if self._spicerack.dry_run else "pinned"
        self._tell.line(f"{state} by {method}{f', old files in {done.backup}' if done.backup else ''}")
        for line in undo_lines(self._request.host, expected, method, kernels):
            self._tell.line(line)
        return Outcome.DONE

    def _settle(self) -> Outcome:
        host = self._host(self._request.host)
        self._show(plan_settling(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE)).diff())
        done = settle_names(host, self._run)
        self._tell.line("would be one name each" if self._spicerack.dry_run else "one name each")
        for place in done.places:
            self._tell.line(f"names it too, look at it: {place}")
        return Outcome.DONE

    def _repair(self) -> Outcome:
        report = diagnose_and_repair(
            self._means(), self._request.host, run=self._run, known=self._known, timeout=self._request.timeout
        )
        for line in report.lines(story=False):  # it was shown as it happened
            self._tell.line(line)
        return Outcome.DONE if report.ok else Outcome.LEFT_OUT

    def _console(self) -> Outcome:
        verdict = prove_console(self._means(), self._request.host, self._run, timeout=self._request.timeout)
        self._tell.line(f"{verdict.status.value}: {verdict.why}")
        return Outcome.DONE if verdict.passed else Outcome.REFUSED

    # --- what they share

    def _forecast_now(self) -> Forecast:
        expected = forecast_for(self._host(self._request.host), self._means_or_none())
        for line in expected.lines():
            self._tell.line(line)
        return expected

    def _show(self, diff: str) -> None:
        for line in diff.splitlines() or ["no file changes"]:
            self._tell.line(f"| {line}")

    def _site_method(self) -> str:
        chosen = self._site.ganeti.prevention if self._site.ganeti is not None else "none"
        return "stanzas" if chosen == "none" else chosen

    def _means(self) -> Means:
        means = self._means_or_none()
        if means is None:
            raise ConfigError("the site's configuration has no ganeti section: its consoles are not known")
        return means

    def _means_or_none(self) -> Means | None:
        return means_of(self._spicerack, self._site, self._request.host, self._host, self._clock, self._tell.line)

    def _host(self, name: str) -> CuminHost:
        transport = cumin_transport(self._spicerack.remote().query(name))
        return CuminHost(name, transport, self._clock, dry_run=self._spicerack.dry_run, check=self._stop.check)
