"""From the arguments of sre.mail.verify-mx to its table and outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname

from spicerack import Spicerack

from mxlib.adapters.alertmanager import source_of
from mxlib.adapters.etcd_api import make_client
from mxlib.adapters.etcd_budget import ProbeBudget
from mxlib.adapters.machine import rapi_opener
from mxlib.base.errors import ConfigError, ReportError
from mxlib.base.files import COLLECTOR, check_folder, replace_file
from mxlib.base.verdict import Status
from mxlib.commands.answers import after_no_answer
from mxlib.commands.command import Command
from mxlib.commands.json_out import STANDARD_OUTPUT, check_json, write_text
from mxlib.commands.page import write_page
from mxlib.commands.request import find_hosts
from mxlib.config.known_bad import load, overdue
from mxlib.config.sections import Site
from mxlib.model.outcome import Outcome
from mxlib.pages import verify as verify_page
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.metrics import metrics
from mxlib.verify.outside import alerts_check, nic_check
from mxlib.verify.report import as_json, outcome_of, table, worst
from mxlib.verify.request import HostReport, VerificationScope


@dataclass(frozen=True)
class VerifyRequest:
    """What the operator asked for.

    Attributes:
        query: a cumin query; empty: every MX of the site.
        json_file: where everything is written as JSON; ``-`` is the standard output; None: nowhere.
        html_file: where everything is written as a page; None: nowhere.
        metrics_file: where metrics for Prometheus are written; None: nowhere.
        only: names of checks; none: all.
        skip: names of checks that are left out.
        probes: whether test mails are sent and sessions opened.
        over_budget: whether test mails are sent whatever their budget says.
        verbose: whether a check that is OK gets a line, too.
    """

    query: str
    json_file: Path | None = None
    html_file: Path | None = None
    metrics_file: Path | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    probes: bool = True
    over_budget: bool = False
    verbose: bool = False


class Verify(Command):
    """One verification."""

    name = "verify-mx"
    reads_only = True

    def __init__(self, spicerack: Spicerack, site: Site, request: VerifyRequest) -> None:
        """Find the hosts and check what was asked for; no host is touched.

        Raises:
            mxlib.base.errors.ConfigError: an unknown check, a host that is no MX, a wrong list of known-bad kernels.
            mxlib.base.errors.ReportError: what was found could not be written where it was asked for.
        """
        super().__init__(spicerack, site)
        self._request = request
        self._what = self._wanted()
        self._check_names()
        self._check_files()
        self.hosts = find_hosts(spicerack, site, request.query)

    def _wanted(self) -> VerificationScope:
        site, request = self.site, self._request
        budget = ProbeBudget(
            lambda: make_client(site.slot.etcdrc),
            site.slot.key,
            site.verify.probes_per_hour,
            exceed=request.over_budget,
        )
        return VerificationScope(
            policy=site.verify,
            entries=load(site.verify.known_bad),
            probes=site.probes if request.probes else None,
            run_tag=f"verify-{self.run_id}",
            only=request.only,
            skip=request.skip,
            outside=(
                nic_check(rapi_opener(self.spicerack, site.ganeti)),
                alerts_check(source_of(self.spicerack, site.alerts), site.alerts),
            ),
            # A dry run sends nothing, so it takes nothing from the budget.
            reserve=(lambda host, mails: {}) if self.spicerack.dry_run else budget.reserve,
            aliases=site.aliases,
        )

    def _check_names(self) -> None:
        for option, names in (("--only", self._request.only), ("--skip", self._request.skip)):
            for name in names:
                if name not in self._what.names:
                    raise ConfigError(f"{option}: there is no check {name!r}; there are {', '.join(self._what.names)}")

    def _check_files(self) -> None:
        """Refuse files that cannot be written, before minutes are spent on what would go nowhere."""
        for option, path in (("--html", self._request.html_file), ("--metrics", self._request.metrics_file)):
            if path == STANDARD_OUTPUT:
                raise ConfigError(f"{option} -: expected the name of a file; only --json takes the standard output")
        check_json(self._request.json_file)
        if self._request.html_file:
            check_folder(self._request.html_file)
        if self._request.metrics_file:
            check_folder(self._request.metrics_file, COLLECTOR)

    def work(self) -> Outcome:
        """Verify, and say what was found."""
        hosts = {name: self.wiring.host(name) for name in self.site.mxs}
        others = [host for name, host in hosts.items() if name not in self.hosts]
        reports = verify_hosts([hosts[name] for name in self.hosts], self._what, others, self.operator.busy)
        # a terminal's Ctrl-C, and systemd's stop, end ssh as well: what it found then says nothing of any host
        self.stop.check()
        notes = (f"note: {note}" for note in self._notes())
        for line in (*table(reports, verbose=self._request.verbose).splitlines(), *notes):
            self.operator.line(line)
        self._write(reports)
        outcome = outcome_of(reports)
        found = "" if outcome is Outcome.NO_ANSWER else worst(reports)
        command = self._next(outcome, reports)
        return self.said(outcome, "; ".join(filter(None, (found, command and f"next: {command}"))))

    def _next(self, outcome: Outcome, reports: Sequence[HostReport]) -> str:
        return after_no_answer(self.hosts) if outcome is Outcome.NO_ANSWER else _remedy(reports)

    def _notes(self) -> tuple[str, ...]:
        return overdue(self._what.entries, datetime.now(UTC).date())

    def _write(self, reports: tuple[HostReport, ...]) -> None:
        everything = as_json(reports, self._notes(), self._what.leaves_out(self.site.probes))
        measured = metrics(reports, self._what.policy, self._what.aliases, verifier=gethostname())
        if self._request.json_file:
            write_text(self._request.json_file, f"{everything}\n")
        if self._request.metrics_file and self.spicerack.dry_run:
            # what a dry run leaves out is unknown there, and would raise alerts
            self.operator.line(f"dry run: {self._request.metrics_file} is left as it is")
        elif self._request.metrics_file:
            replace_file(self._request.metrics_file, measured)
        if self._request.html_file:
            self._write_page(self._request.html_file, reports)

    def _write_page(self, path: Path, reports: tuple[HostReport, ...]) -> None:
        """Write the page; where that fails, it is said, and the verification ends as it would without."""
        outcome = outcome_of(reports)
        command = self._next(outcome, reports)
        try:
            write_page(path, lambda: verify_page.page(reports, outcome, command, self._notes()))
        except ReportError as error:
            self.operator.line(str(error))


def _remedy(reports: Sequence[HostReport]) -> str:
    """Return the command that says what is safe to fix on the worst host, the first; empty where all is well."""
    host = next((one.host for one in reports if one.status is not Status.OK), "")
    return f"cookbook sre.mail.remedy-mx {host} --suggest" if host else ""
