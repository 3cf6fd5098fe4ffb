"""From the arguments of sre.mail.refresh-aliases to what it does and its outcome."""

from dataclasses import dataclass
from pathlib import Path

from spicerack import Spicerack

from mxlib.aliases import report as alias_report
from mxlib.aliases.found import RefreshWorld, Wanted
from mxlib.aliases.run import Refresh
from mxlib.base.errors import ConfigError, MxlibError
from mxlib.commands.answers import after_no_answer
from mxlib.commands.command import Command
from mxlib.commands.request import find_hosts
from mxlib.commands.wiring import Wiring
from mxlib.config.sections import Site
from mxlib.model.outcome import Outcome
from mxlib.protocols.operator import Share


@dataclass(frozen=True)
class RefreshRequest:
    """What the operator asked for.

    Attributes:
        query: which MXs may be changed, as a cumin query.
        reason: why, in words; may be empty.
        addresses: asked for, besides the samples and those that differ.
        limit: seconds a run may take; None: the generator's own bound.
        check: whether to look and report, and change nothing.
        pin: whether to give the units a start timeout afterwards.
        unpin: whether to take that away again, and do nothing else.
    """

    query: str
    reason: str = ""
    addresses: tuple[str, ...] = ()
    limit: float | None = None
    check: bool = False
    pin: bool = False
    unpin: bool = False


class _Story:
    """An operator who also keeps what was said."""

    def __init__(self, wiring: Wiring) -> None:
        self._operator = wiring.operator
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)
        self._operator.line(text)

    def live(self, text: str, share: Share | None = None) -> None:
        self._operator.live(text, share)

    def busy(self, text: str, share: Share | None = None) -> None:
        self._operator.busy(text, share)


class RefreshAliases(Command):
    """One run of refresh-aliases."""

    name = "refresh-aliases"

    def __init__(self, spicerack: Spicerack, site: Site, request: RefreshRequest) -> None:
        """Find the hosts and check what was asked for; no host is touched.

        Raises:
            mxlib.base.errors.ConfigError: no generators, a host that is no MX.
        """
        super().__init__(spicerack, site)
        if not site.aliases:
            raise ConfigError("the site's configuration has no section aliases: no generator is known")
        self._request = request
        self.reads_only = bool(spicerack.dry_run) or request.check
        self.targets = find_hosts(spicerack, site, request.query)
        self._story = _Story(self.wiring)

    @property
    def description(self) -> str:
        """What logs say beside the cookbook's name."""
        return f"for {', '.join(self.targets)}"

    def work(self) -> Outcome:
        """Look at every MX, and mend what hangs."""
        path = None if self.reads_only else self._begin()
        run = Refresh(self._world(), self._wanted())
        outcome = run.execute()
        now = self.wiring.clock.now()
        for line in alias_report.terminal(run.found, outcome, now):
            self._story.line(line)
        if path is not None:
            self.journal.write("end", outcome=outcome.name, wrong=run.found.wrong, unknown=run.found.unknown)
            story = self._story.lines
            text = alias_report.markdown(run.found, outcome, self.run_id, self.wiring.who, story, now)
            self.write_report(path, text, alias_report.as_json(run.found, outcome, self.run_id, self.wiring.who))
        why = alias_report.why(run.found, outcome)
        after = f"; next: {after_no_answer(self.targets)}" if outcome is Outcome.NO_ANSWER else ""
        return self.said(outcome, f"{why}{after}")

    def failed(self, error: MxlibError) -> Outcome:
        """Return how it ends with an error; whether a host was changed before that is in the lines above it."""
        outcome = super().failed(error)
        return Outcome.UNKNOWN if self.acted and outcome is Outcome.FAILED else outcome

    def interrupted(self, by: str) -> str:
        """Return what is left: the script on the host ends by itself."""
        return f"stopped by {by}; a run on a host ends by itself, within its limit; start this again for the rest"

    def _wanted(self) -> Wanted:
        asked = self._request
        return Wanted(self.targets, asked.addresses, asked.limit, check=asked.check, pin=asked.pin, unpin=asked.unpin)

    def _begin(self) -> Path:
        path = self.open_journal(f"aliases.{self.run_id}", why=self._request.reason, hosts=list(self.targets))
        self._story.line(f"run {self.run_id} on {', '.join(self.targets)}, journal {path}")
        self.acted = True
        return path

    def _world(self) -> RefreshWorld:
        return RefreshWorld(
            hosts={name: self.wiring.host(name) for name in self.site.mxs},
            generators=self.site.aliases,
            probes=self.site.probes,
            policy=self.site.verify,
            clock=self.wiring.clock,
            operator=self._story,
            journal=self.journal,
            dry_run=bool(self.spicerack.dry_run),
        )
