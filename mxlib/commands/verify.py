"""From the arguments of sre.mail.verify-mx to its table and exit code."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spicerack import Spicerack

from mxlib.adapters.alertmanager import source_of
from mxlib.adapters.cumin_host import CuminHost, cumin_transport
from mxlib.adapters.etcd_budget import ProbeBudget
from mxlib.adapters.etcd_slot import make_client
from mxlib.adapters.machine import rapi_opener
from mxlib.adapters.operator import TerminalOperator
from mxlib.base.errors import ConfigError, InterruptedRunError, MxlibError
from mxlib.base.files import replace_file
from mxlib.base.ids import new_run
from mxlib.base.stop import Stop, StoppableClock, signals
from mxlib.config.known_bad import load, overdue
from mxlib.config.sections import Site
from mxlib.model.outcome import Outcome
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.metrics import metrics
from mxlib.verify.outside import alerts_check, nic_check
from mxlib.verify.report import VerifyExit, as_json, exit_code, table
from mxlib.verify.request import HostReport, Request


@dataclass(frozen=True)
class VerifyRequest:
    """What the operator asked for.

    Attributes:
        query: a cumin query; empty stands for every MX of the site.
        json_file: where everything is written as JSON; None for nowhere.
        metrics_file: where metrics for Prometheus are written; None for nowhere.
        only: names of checks; none stands for all.
        skip: names of checks that are left out.
        probes: whether test mails are sent and sessions opened.
        over_budget: whether test mails are sent whatever their budget says.
        verbose: show a line also for what is OK.
    """

    query: str
    json_file: Path | None = None
    metrics_file: Path | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    probes: bool = True
    over_budget: bool = False
    verbose: bool = False


class VerifySession:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: VerifyRequest) -> None:
        """Find the hosts and check what was asked for; no host is touched.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.

        Raises:
            mxlib.base.errors.ConfigError: an unknown check, a host that is no MX, a wrong list of known-bad kernels.
        """
        self._spicerack = spicerack
        self._request = request
        self._stop = Stop()
        self._clock = StoppableClock(self._stop)
        self._tell = TerminalOperator(self._clock)
        budget = ProbeBudget(
            lambda: make_client(site.slot.etcdrc),
            site.slot.key,
            site.verify.probes_per_hour,
            exceed=request.over_budget,
        )
        self._what = Request(
            policy=site.verify,
            entries=load(site.verify.known_bad),
            probes=site.probes if request.probes else None,
            run_tag=f"verify-{new_run()}",
            only=request.only,
            skip=request.skip,
            outside=(
                nic_check(rapi_opener(spicerack, site.ganeti)),
                alerts_check(source_of(spicerack, site.alerts), site.alerts),
            ),
            # A dry run sends nothing, so it takes nothing from the budget.
            reserve=(lambda host, mails: {}) if spicerack.dry_run else budget.reserve,
            aliases=site.aliases,
        )
        self._check_names()
        self.hosts = self._find(site)
        self._others = tuple(name for name in site.mxs if name not in self.hosts)

    def _check_names(self) -> None:
        for name in (*self._request.only, *self._request.skip):
            if name not in self._what.names:
                raise ConfigError(f"there is no check {name!r}; there are {', '.join(self._what.names)}")

    def _find(self, site: Site) -> tuple[str, ...]:
        """The hosts of the query; each must be an MX of the site, as no other is judged by its policy."""
        if not self._request.query:
            return tuple(site.mxs)
        names = tuple(sorted(str(name) for name in self._spicerack.remote().query(self._request.query).hosts))
        strangers = [name for name in names if name not in site.mxs]
        if strangers:
            raise ConfigError(f"not an MX of the site: {', '.join(strangers)}")
        return names

    def execute(self) -> int:
        """Verify, tell, and give the exit code."""
        with signals(self._stop):
            try:
                others = [self._host(name) for name in self._others]
                reports = verify_hosts([self._host(name) for name in self.hosts], self._what, others)
                self._write(reports)
            except InterruptedRunError as error:
                self._tell.line(f"verify-mx: stopped by {error}; nothing is left standing")
                return Outcome.INTERRUPTED.value
            except MxlibError as error:
                self._tell.line(f"verify-mx: {error}")
                return VerifyExit.REFUSED.value
        notes = (f"note: {note}" for note in self._notes())
        for line in (*table(reports, verbose=self._request.verbose).splitlines(), *notes):
            self._tell.line(line)
        return exit_code(reports).value

    def _notes(self) -> tuple[str, ...]:
        return overdue(self._what.entries, datetime.now(UTC).date())

    def _host(self, name: str) -> CuminHost:
        transport = cumin_transport(self._spicerack.remote().query(name))
        return CuminHost(name, transport, self._clock, dry_run=self._spicerack.dry_run, check=self._stop.check)

    def _write(self, reports: tuple[HostReport, ...]) -> None:
        everything = as_json(reports, self._notes())
        told = metrics(reports, self._what.policy, self._what.aliases)
        for path, text in ((self._request.json_file, everything), (self._request.metrics_file, told)):
            if path:
                replace_file(path, text)
