"""From the arguments of sre.mail.refresh-aliases to what it does and its exit code."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spicerack import Spicerack

from mxlib.aliases import report as alias_report
from mxlib.aliases.found import RefreshExit, Wanted, World
from mxlib.aliases.run import Refresh
from mxlib.base.errors import ConfigError, InterruptedRunError, MxlibError
from mxlib.base.ids import new_run
from mxlib.base.journal import Journal, NoJournal
from mxlib.base.stop import Stop, signals
from mxlib.commands.reboot import log_directory
from mxlib.commands.wiring import Wiring
from mxlib.config.sections import Site
from mxlib.config.values import ADDRESS_PATTERN


@dataclass(frozen=True)
class RefreshRequest:
    """What the operator asked for.

    Attributes:
        query: which MXs may be changed, as a cumin query.
        reason: why, in words; may be empty.
        addresses: to ask for beside the samples and those that differ.
        limit: seconds a run may take; None is the generator's bound.
        check: look and tell, change nothing.
        pin: give the units a start timeout afterwards.
        unpin: take it away again, and nothing else.
    """

    query: str
    reason: str = ""
    addresses: tuple[str, ...] = ()
    limit: float | None = None
    check: bool = False
    pin: bool = False
    unpin: bool = False


class _Story:
    """The operator, who also remembers what was said."""

    def __init__(self, wiring: Wiring) -> None:
        self._tell = wiring.tell
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)
        self._tell.line(text)

    def live(self, text: str) -> None:
        self._tell.live(text)


class RefreshSession:
    """One cookbook run."""

    def __init__(self, spicerack: Spicerack, site: Site, request: RefreshRequest) -> None:
        """Find the hosts and check what was asked for; no host is touched.

        Arguments:
            spicerack: the door to the world.
            site: what the site says.
            request: what the operator asked for.

        Raises:
            mxlib.base.errors.ConfigError: no generators, not an address, a host that is no MX.
        """
        if not site.aliases:
            raise ConfigError("the site's configuration has no section aliases: no generator is known")
        for address in request.addresses:
            if not ADDRESS_PATTERN.fullmatch(address):
                raise ConfigError(f"--address: expected a mail address, not {address!r}")
        if request.limit is not None and not 1 <= request.limit <= 86400:
            raise ConfigError(f"--limit: expected 1 to 86400 seconds, not {request.limit:g}")
        self._site = site
        self._request = request
        self._dry_run = bool(spicerack.dry_run)
        self.targets = _find(spicerack, site, request.query)
        self._stop = Stop()
        self._wiring = Wiring(spicerack, site, self._stop)
        self._story = _Story(self._wiring)
        self._run = new_run()
        self._journal: Journal | None = None

    def execute(self) -> int:
        """Do it, tell, report, and give the exit code."""
        with signals(self._stop):
            try:
                return self._refresh().value
            except InterruptedRunError as error:
                return self._said(error, RefreshExit.INTERRUPTED)
            except ConfigError as error:
                return self._said(error, RefreshExit.REFUSED)
            except MxlibError as error:
                return self._said(error, RefreshExit.UNKNOWN)
            finally:
                self.close()

    def close(self) -> None:
        """Close the journal, and nothing else; harmless when done before."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _said(self, error: Exception, outcome: RefreshExit) -> int:
        self._story.line(f"refresh-aliases: {outcome.phrase}: {error}")
        if outcome is RefreshExit.INTERRUPTED:
            self._story.line("a run on a host ends by itself, within its limit; to go on, start this again")
        return outcome.value

    def _refresh(self) -> RefreshExit:
        path = None if self._dry_run or self._request.check else self._open_journal()
        wanted = Wanted(
            self.targets,
            self._request.addresses,
            self._request.limit,
            check=self._request.check,
            pin=self._request.pin,
            unpin=self._request.unpin,
        )
        run = Refresh(self._world(), wanted)
        outcome = run.execute()
        now = self._wiring.clock.now()
        for line in alias_report.terminal(run.found, outcome, now):
            self._story.line(line)
        if path is not None and self._journal is not None:
            self._journal.write("end", outcome=outcome.name, wrong=run.found.wrong, unknown=run.found.unknown)
            self._report(path, run, outcome, now)
        return outcome

    def _open_journal(self) -> Path:
        path = (self._site.reports or log_directory()) / f"aliases.{self._run}.jsonl"
        self._journal = Journal(path, self._wiring.clock)
        self._journal.write(
            "start", run=self._run, who=self._wiring.who, why=self._request.reason, hosts=list(self.targets)
        )
        self._story.line(f"run {self._run} on {', '.join(self.targets)}, journal {path}")
        return path

    def _world(self) -> World:
        return World(
            hosts={name: self._wiring.host(name) for name in self._site.mxs},
            generators=self._site.aliases,
            probes=self._site.probes,
            policy=self._site.verify,
            clock=self._wiring.clock,
            tell=self._story,
            journal=self._journal or NoJournal(),
            dry_run=self._dry_run,
        )

    def _report(self, path: Path, run: Refresh, outcome: RefreshExit, now: datetime) -> None:
        text = alias_report.markdown(run.found, outcome, self._run, self._wiring.who, self._story.lines, now)
        path.with_suffix(".md").write_text(text, encoding="utf-8")
        told = alias_report.as_json(run.found, outcome, self._run, self._wiring.who)
        path.with_suffix(".json").write_text(told, encoding="utf-8")
        self._wiring.tell.line(f"report: {path.with_suffix('.md')} (and .json)")


def _find(spicerack: Spicerack, site: Site, query: str) -> tuple[str, ...]:
    """The hosts of the query; each must be an MX of the site."""
    names = tuple(sorted(str(name) for name in spicerack.remote().query(query).hosts))
    strangers = [name for name in names if name not in site.mxs]
    if strangers:
        raise ConfigError(f"not an MX of the site: {', '.join(strangers)}")
    return names
