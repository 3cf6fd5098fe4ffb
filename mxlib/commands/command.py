"""The shell around every cookbook: signals, the id of the run, its journal and report, from an error to an outcome."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import ClassVar

from spicerack import Spicerack

from mxlib.base import journal
from mxlib.base.errors import (
    CommandFailedError,
    FencedError,
    HostError,
    HostUnreachableError,
    InterruptedRunError,
    MxlibError,
    ParseError,
    ReportError,
)
from mxlib.base.files import replace_file
from mxlib.base.ids import new_run
from mxlib.base.stop import Stop, signals
from mxlib.commands.answers import after_no_answer
from mxlib.commands.page import write_page
from mxlib.commands.wiring import Wiring
from mxlib.config.sections import Site
from mxlib.model.outcome import Outcome

_BY_ERROR: tuple[tuple[type[MxlibError], Outcome], ...] = (
    (HostUnreachableError, Outcome.NO_ANSWER),
    (FencedError, Outcome.REFUSED),
    (CommandFailedError, Outcome.FAILED),
    (HostError, Outcome.UNKNOWN),
    (ParseError, Outcome.UNKNOWN),
)
"""What an error means before anything was changed: the first that fits. Any other one is a refusal."""


def outcome_of(error: MxlibError) -> Outcome:
    """Return how a cookbook ends that could not begin because of an error."""
    return next((outcome for kind, outcome in _BY_ERROR if isinstance(error, kind)), Outcome.REFUSED)


class Command(ABC):
    """One run of a cookbook. A subclass says what it does in :meth:`work`, and how it differs.

    Attributes:
        name: of the cookbook, such as ``verify-mx``.
        subject: what its last line is about: a host, or the cookbook itself.
        reads_only: whether it changes nothing, sends nothing that is announced, and needs no lock.
        alone: whether a second one with the same subject has to wait.
        acted: whether anything may have been changed.
        events: what the journal of this run says, also where the disk did not take it.
    """

    name: ClassVar[str]
    reads_only = False
    alone = False

    def __init__(self, spicerack: Spicerack, site: Site, *, subject: str = "", stop: Stop | None = None) -> None:
        """Wire what a run works with; nothing is touched yet.

        Arguments:
            subject: what the last line is about; empty: the cookbook itself.
            stop: gets the request to stop, where more than this run is to be stopped by it.
        """
        self.spicerack = spicerack
        self.site = site
        self.subject = subject or self.name
        self.stop = stop or Stop()
        self.wiring = Wiring(spicerack, site, self.stop)
        self.operator = self.wiring.operator
        self.run_id = new_run()
        self.acted = False
        self.journal: journal.EventLog = journal.NoJournal()
        self.events: Sequence[journal.Event] = ()
        self._file: journal.Journal | None = None

    @property
    def description(self) -> str:
        """What logs say beside the cookbook's name."""
        return f"for {self.subject}"

    def execute(self) -> Outcome:
        """Do it, and return how it ended; whatever goes wrong is one line and no traceback."""
        with signals(self.stop):
            try:
                return self.work()
            except InterruptedRunError as error:
                # from here on the run ends: it is not interrupted a second time
                self.stop.rest()
                return self.said(Outcome.INTERRUPTED, self.interrupted(str(error)))
            except MxlibError as error:
                return self._broken_off(error)
            finally:
                self.close()

    def _broken_off(self, error: MxlibError) -> Outcome:
        """Say what an error means; of a host that is silent, also what to do next."""
        outcome = self.failed(error)
        why = str(error).removeprefix(f"{self.subject}: ")
        if outcome is Outcome.NO_ANSWER and "next: " not in why:
            asked = () if self.subject == self.name else (self.subject,)
            why = f"{why}; next: {after_no_answer(asked)}"
        return self.said(outcome, why)

    @abstractmethod
    def work(self) -> Outcome:
        """Do what the cookbook is for.

        Raises:
            mxlib.base.errors.MxlibError: it could not be done; :meth:`failed` says what that means.
            mxlib.base.errors.InterruptedRunError: somebody asked it to stop.
        """

    def failed(self, error: MxlibError) -> Outcome:
        """Return how the cookbook ends with an error."""
        return Outcome.FAILED if self.acted else outcome_of(error)

    def interrupted(self, by: str) -> str:
        """Return what is left after a request to stop.

        Arguments:
            by: the signal's name.
        """
        return f"stopped by {by}; {'what was begun may be done' if self.acted else 'nothing was changed'}"

    def said(self, outcome: Outcome, why: str) -> Outcome:
        """Say the last line, and return the outcome."""
        self.operator.line(f"{self.subject}: {outcome.phrase}{f': {why}' if why else ''}")
        return outcome

    def close(self) -> None:
        """Close the journal, take the live line away, and nothing else; harmless when done before."""
        self.operator.close()
        self.wiring.extras.into(journal.NoJournal())
        self.journal = journal.NoJournal()
        if self._file is not None:
            self._file.close()
        self._file = None

    # --- what is kept

    @property
    def directory(self) -> Path:
        """The directory of journals and reports."""
        return self.site.reports or log_directory()

    def open_journal(self, stem: str, **start: object) -> Path:
        """Begin the journal of this run. Later events that cannot be written are said, and change no outcome.

        Arguments:
            stem: the file's name, without its suffix.
            start: what the first event says besides the run and the operator.

        Raises:
            mxlib.base.errors.JournalError: it cannot be opened, or not even begun: nothing was done yet.
        """
        path = self.directory / f"{stem}.jsonl"
        self._file = journal.Journal(path, self.wiring.clock)
        self._file.write("start", run=self.run_id, who=self.wiring.who, **start)
        sparing = journal.SparingJournal(self._file, self.operator.line)
        kept = journal.KeptJournal(sparing, self.wiring.clock, journal.read(path))
        self.journal, self.events = kept, kept.events
        return path

    def write_report(
        self, path: Path, markdown: str, as_json: str, page: Callable[[], str] | None = None
    ) -> None:
        """Write a report in all its forms beside its journal; one that cannot be written changes nothing else.

        Arguments:
            path: the journal.
            page: makes the report as HTML; None: it has no page.
        """
        try:
            replace_file(path.with_suffix(".md"), markdown)
            replace_file(path.with_suffix(".json"), as_json)
        except ReportError as error:
            self.operator.line(str(error))
        else:
            self.operator.line(f"report: {path.with_suffix('.md')} (and .json)")
        if page is None:
            return
        try:
            self.operator.line(f"page: {write_page(path.with_suffix('.html'), page)}")
        except ReportError as error:
            self.operator.line(str(error))


def log_directory() -> Path:
    """Return the directory of the log that Spicerack writes for the cookbook; without one, the current directory."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, RotatingFileHandler)]
    return Path(handlers[0].baseFilename).parent if handlers else Path.cwd()
