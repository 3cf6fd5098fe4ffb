"""What a roll leaves behind: its summary in three forms, metrics, an entry for the known-bad list, and a mail."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mxlib.adapters import mail as roll_notify
from mxlib.base.clock import Clock
from mxlib.base.errors import MxlibError
from mxlib.base.files import replace_file
from mxlib.base.journal import Event
from mxlib.commands.page import write_page
from mxlib.config.roll import RollSection
from mxlib.model.outcome import Outcome
from mxlib.pages import roll as roll_page
from mxlib.protocols.operator import Operator
from mxlib.roll import report as roll_report
from mxlib.roll.state import Finish
from mxlib.roll.survey import known_bad_entry

_DAY_S = 86400.0
NOWHERE_YET = "https://example.org/say-where-it-is-described"


@dataclass(frozen=True)
class RollStory:
    """Where it goes.

    Attributes:
        section: what the site says.
        directory: of the reports.
        why: reason and task of the roll.
        task: the task's id; may be empty.
    """

    section: RollSection
    directory: Path
    why: str
    task: str
    clock: Clock
    operator: Operator

    def write(self, path: Path, events: Sequence[Event], announce: Callable[[str], None]) -> None:
        """Write all of it; what cannot be written is said, and the rest is written all the same.

        Arguments:
            path: the journal, which the summaries lie beside.
            events: what it says, or would say if the disk had taken it.
            announce: writes to the site's log of what operators do.
        """
        summary = roll_report.build(events, self._tried(lambda: self._known_bad(events)))
        made = self._tried(lambda: replace_file(path.with_suffix(".md"), roll_report.markdown(summary)))
        if made and self._tried(lambda: replace_file(path.with_suffix(".json"), roll_report.as_json(summary))):
            self.operator.line(f"summary: {made} (and .json)")
        if page := self._tried(lambda: write_page(path.with_suffix(".html"), partial(roll_page.page, summary, events))):
            self.operator.line(f"page: {page}")
        if summary.end is not Outcome.TAKEN:
            # the run that is at work has a summary of its own
            announce(summary.headline)
            self._tell(summary)
        for line in roll_report.terminal(summary):
            self.operator.line(line)

    def write_unbegun(self, run: str, who: str, kernel: str, finish: Finish) -> None:
        """Write the metrics and the mail of a roll that ended before it had a journal.

        Arguments:
            kernel: as it was asked for.
            finish: how it ended.
        """
        at = self.clock.now().isoformat()
        start = Event("start", at, {"run": run, "who": who, "why": self.why, "kernel": kernel})
        end = Event("end", at, {"end": finish.end.name, "why": finish.why})
        self._tell(roll_report.build([start, end]))

    def end_alerts(self, kernel: str) -> None:
        """Have the metrics of the last run here ask for nobody any more, where a failure with a kernel ended it.

        They would ask until the next window. When that run was, and how the hosts stand, stays there.
        """
        if (path := self.section.metrics) is not None and path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            if (ended := roll_report.forgotten(text, kernel)) != text:
                self._tried(lambda: replace_file(path, ended))

    def _tell(self, summary: roll_report.Summary) -> None:
        """Write the metrics and the mail."""
        if (metrics := self.section.metrics) is not None:
            text = roll_report.metrics(summary, self.clock.now().timestamp(), self.section.stale_days * _DAY_S)
            self._tried(lambda: replace_file(metrics, text))
        self._tried(lambda: self._mail(summary))

    def _tried(self, act: Callable[[], str]) -> str:
        try:
            return act()
        except MxlibError as error:
            self.operator.line(str(error))
            return ""

    def _mail(self, summary: roll_report.Summary) -> str:
        notify = self.section.notify
        if roll_notify.wanted(notify, summary):
            roll_notify.send(notify, roll_notify.message(notify, summary))
            self.operator.line(f"mail to {', '.join(notify.to)}")
        return ""

    def _known_bad(self, events: Iterable[Event]) -> str:
        """Where the roll led back to an older kernel, write an entry for the list of known-bad ones, to be reviewed."""
        known = list(events)
        hosts = (one for event in known if event.name == "seen" for one in event.values["hosts"])
        newer = sorted({one["newer"] for one in hosts} - {""})
        if not newer or not any(event.name == "take" for event in known):
            return ""
        kernel = next((str(event.values["kernel"]) for event in known if event.name == "start"), "")
        url = self.section.task_url.replace("{task}", self.task) if self.task else NOWHERE_YET
        today = self.clock.now().date().isoformat()
        text = known_bad_entry(newer[-1], kernel, url, self.why, today)
        return replace_file(self.directory / f"known-bad.{newer[-1]}.yaml", text)
