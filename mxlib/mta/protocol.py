"""The protocol of a mail transfer agent (MTA): what the other rooms ask it, and what they do to it.

A question is a :class:`~mxlib.facts.source.Source`: a script that reads, and a pure parser of its output. An action is
a POSIX sh script that may be run twice. No method touches a host. Marks in the log, keys of messages and classes of
senders are opaque: the other rooms only keep them and pass them back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mxlib.facts.source import Source
from mxlib.model.on_host import DIRECTORY
from mxlib.mta.backlog import Backlog, GiveUp, Hint, Try
from mxlib.mta.event import LogGrowth, RecentLog
from mxlib.mta.mail import Followed, ProbeMail
from mxlib.mta.queue import Deadlines, Flow, QueueFacts
from mxlib.mta.refusal import Refusal, RefusalCache
from mxlib.mta.service import MtaFacts

PARKED = f"{DIRECTORY}/parked"
"""The file on a host in which :attr:`Mta.quiet_script` keeps what was parked before it.

While it exists, a run has parked the queue."""


@dataclass(frozen=True)
class Can:
    """Capabilities that not every MTA has.

    Attributes:
        hints: its memory of failures can be read, and single entries can be cleared.
        relay_test: an SMTP session of a stranger can be simulated with it.
        stop_spares: deliveries under way survive a stop; else a run parks the queue and waits for them first.
        refusal_cache: its memory of refusals elsewhere can be read, and single entries can be cleared.
    """

    hints: bool
    relay_test: bool
    refusal_cache: bool
    stop_spares: bool


class Mta(Protocol):
    """A mail transfer agent."""

    @property
    def name(self) -> str:
        """Its name for people."""

    @property
    def can(self) -> Can:
        """Its capabilities."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units that may start it; the first is the one that is started and stopped."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Directories of its queue and its logs."""

    @property
    def configuration(self) -> tuple[str, ...]:
        """Directories of its configuration."""

    @property
    def configuration_script(self) -> str:
        """Print its whole configuration, without what it looks up at run time; fail where that is unknown.

        The output is the same until somebody changes the configuration.
        """

    @property
    def packages(self) -> tuple[str, ...]:
        """Its packages, as patterns for ``dpkg-query``."""

    # --- its state

    @property
    def service(self) -> Source[MtaFacts]:
        """Its unit, its listeners and its processes."""

    @property
    def version(self) -> Source[str]:
        """Its upstream version, such as ``4.96``."""

    @property
    def queue(self) -> Source[QueueFacts]:
        """Length, ages and destinations of its queue."""

    @property
    def length(self) -> Source[int]:
        """Number of messages in its queue; cheap, as no message is opened."""

    @property
    def deadlines(self) -> Source[Deadlines]:
        """When the messages in its queue bounce."""

    @property
    def recent(self) -> Source[RecentLog]:
        """What its log says about the last quarter of an hour."""

    @property
    def relay(self) -> Source[str]:
        """Its reply to a stranger who wants to relay, such as ``550 relay not permitted``; needs ``can.relay_test``."""

    def settings(self, found: RecentLog) -> tuple[str, ...]:
        """Return the settings of its configuration that would end faults that its log shows, as they are written.

        Args:
            found: :attr:`recent`.
        """

    def advice(self, found: RecentLog, version: str) -> tuple[str, ...]:
        """Return what would end faults that its log shows, where that is its configuration's or its package's matter.

        No remedy does it: both belong to the site. Each item is a whole sentence, with the setting as it is written.

        Args:
            found: :attr:`recent`.
            version: :attr:`version`.
        """

    # --- stop and start

    @property
    def count_script(self) -> str:
        """Print ``processes N``, the number of its processes, with few forks; nothing where that is unknown."""

    @property
    def quiet_script(self) -> str:
        """Start no further delivery while it runs: park the queue, and record in :data:`PARKED` what was parked before.

        The file is written before anything is parked, and only once: the one of a run that died stays. Used where a
        stop does not spare deliveries (``can.stop_spares``).
        """

    @property
    def stop_script(self) -> str:
        """Stop it; only its processes show when it has come to rest."""

    @property
    def start_script(self) -> str:
        """Start it; what is parked stays parked."""

    @property
    def let_go_script(self) -> str:
        """Release everything that is parked except what :data:`PARKED` names, and remove that file; undoes quiet."""

    # --- its ledger

    def is_key(self, text: str) -> bool:
        """Return whether a text has the form of a message's key: one printable word."""

    def ledger_functions(self, mark: str) -> str:
        """Return the shell functions of a ledger; each fails where its answer is unknown.

        ``on_disk`` prints the key of each message in the spool, one a line. ``events`` prints the events of the log
        since a mark: ``arrived KEY``, ``gone KEY`` (in any way), ``renamed OLD NEW``, and ``hole`` where lines are
        missing. ``settle`` writes the end of the log to the disk. Where the two disagree the disk is right, as the log
        may lag. ``@RAW@`` stands for a scratch file.

        Args:
            mark: where to begin.
        """

    # --- its log

    @property
    def mark(self) -> Source[str]:
        """The end of its log, as a mark: one word, no longer than a line."""

    def growth(self, mark: str) -> Source[LogGrowth]:
        """Return what was written to its log since a mark; much growth comes in pieces (:attr:`LogGrowth.whole`)."""

    def flow(self, mark: str) -> Source[Flow]:
        """Return the flow of the queue since a mark: counts only."""

    def arrivals(self, since: datetime) -> Source[Mapping[str, int]]:
        """Return how many messages arrived since a time, by the address of the client."""

    def refusals(self, addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
        """Return the refusals of some recipients since a time."""

    # --- emptying the queue

    @property
    def give_up(self) -> Source[GiveUp]:
        """Its rules for giving up."""

    def waiting(self, classes: Sequence[str]) -> Source[Backlog]:
        """Return what is queued, by destination and class of senders.

        Args:
            classes: :attr:`GiveUp.classes`.
        """

    def attempt_script(self, tries: Sequence[Try], spared: Sequence[str], classes: Sequence[str], parallel: int,
                       seconds: int) -> str:  # fmt: skip
        """Return the script that tries messages by order, in the background; it ends by itself.

        Args:
            tries: the orders; a message is tried only if every destination it is going to is among them.
            spared: recipients whose messages are not tried, and keys of messages that are not.
            classes: :attr:`GiveUp.classes`.
            parallel: attempts at the same time.
            seconds: time after which no further attempt is started.
        """

    @property
    def stop_attempts_script(self) -> str:
        """Start no further attempt; those under way end by themselves."""

    @property
    def attempt_words(self) -> str:
        """The command with which an operator would try messages."""

    # --- its memory of failures and refusals

    @property
    def hints(self) -> Source[tuple[Hint, ...]]:
        """Its retry hints; needs ``can.hints``."""

    def forget_script(self, keys: Sequence[str]) -> str:
        """Return the script that clears single hints while it works; a missing one is no error; needs ``can.hints``."""

    @property
    def remembered_refusals(self) -> Source[RefusalCache]:
        """The refusals of other hosts that it remembers; needs ``can.refusal_cache``."""

    def drop_refusals_script(self, keys: Sequence[str]) -> str:
        """Return the script that clears single remembered refusals and prints how many; needs ``can.refusal_cache``."""

    # --- test mails

    def probe(self, mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool
              ) -> Source[tuple[Followed, ...]]:  # fmt: skip
        """Send test mails through it, follow them, and remove those that stay queued; no daemon needs to run.

        Args:
            mails: those of one number are sent together; the next number follows when they have settled.
            sender: their envelope sender.
            run_tag: named in their subject, so that people see where they come from.
            patience_s: seconds to wait for each round.
            force: deliver in spite of retry hints.

        Raises:
            mxlib.base.errors.ParseError: an address or the tag is not safe in a command.
        """
