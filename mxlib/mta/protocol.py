"""What everything else knows of a mail transfer agent (MTA): questions to it, and what is done to it.

A question is a :class:`~mxlib.facts.source.Source`: a script to read, and a pure parser of its answer. What acts is a
text, a POSIX sh script that may be run twice. No method touches the world. Marks in the log, keys of messages and
classes of senders are the MTA's own: everybody else keeps them and hands them back.
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
"""The file on a host in which :attr:`Mta.quiet_script` keeps what was parked before.

While it is there, a run has parked the queue."""


@dataclass(frozen=True)
class Can:
    """What not every MTA can.

    Attributes:
        hints: its memory of failures can be read, and single entries can be cleared.
        relay_test: a session of a stranger can be played with it.
        stop_spares: a stop leaves deliveries under way alone; else the queue is parked before, and they are waited for.
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
        """What people call it."""

    @property
    def can(self) -> Can:
        """What it can."""

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit that may start it; the first is the one that is started and stopped."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Directories of its queue and its logs."""

    @property
    def configuration(self) -> tuple[str, ...]:
        """Directories of its configuration."""

    @property
    def configuration_script(self) -> str:
        """Print the whole configuration that it reads, but not what it looks up meanwhile; fail where that is unknown.

        What is printed is the same until somebody changes the configuration.
        """

    @property
    def packages(self) -> tuple[str, ...]:
        """Its packages, as patterns for ``dpkg-query``."""

    # --- what it is, and how it does

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
        """Messages in its queue, cheaply: no message is opened, whatever the length."""

    @property
    def deadlines(self) -> Source[Deadlines]:
        """When the messages in its queue bounce."""

    @property
    def recent(self) -> Source[RecentLog]:
        """What its log says of the last quarter of an hour."""

    @property
    def relay(self) -> Source[str]:
        """Its reply to a stranger who wants to relay, such as ``550 relay not permitted``; needs ``can.relay_test``."""

    # --- to rest, and back to work

    @property
    def count_script(self) -> str:
        """Print ``processes N``, every process of it, with few forks; nothing where that is unknown."""

    @property
    def quiet_script(self) -> str:
        """Begin no further delivery while it runs: park the queue, and keep in :data:`PARKED` what was parked before.

        That file is written before anything is parked, and once: what a run that died has written stays. Used where a
        stop does not spare deliveries (``can.stop_spares``).
        """

    @property
    def stop_script(self) -> str:
        """Stop it; that it has come to rest is seen by its processes alone."""

    @property
    def start_script(self) -> str:
        """Start it; what is parked stays parked."""

    @property
    def let_go_script(self) -> str:
        """Release all that was parked but what :data:`PARKED` names, and remove that file; the opposite of quiet."""

    # --- its ledger

    def is_key(self, text: str) -> bool:
        """Whether a text has the form of a message's key: one word, fit for a terminal."""

    def ledger_functions(self, mark: str) -> str:
        """Return shell functions that a ledger is made of; each fails where it cannot know.

        ``on_disk`` prints the key of each message in hand, one a line. ``events`` prints what the log says since a
        mark: ``arrived KEY``, ``gone KEY`` (whatever its end), ``renamed OLD NEW``, and ``hole`` where lines are lost.
        ``settle`` writes the end of the log to the disk. Where the two disagree the disk is right: the log may be late.
        A scratch file of their own is called ``@RAW@``.

        Args:
            mark: where to begin.
        """

    # --- its log

    @property
    def mark(self) -> Source[str]:
        """Where its log ends now: one word, no longer than a line."""

    def growth(self, mark: str) -> Source[LogGrowth]:
        """What was written to its log since a mark; a long growth comes in pieces (:attr:`LogGrowth.whole`)."""

    def flow(self, mark: str) -> Source[Flow]:
        """How the queue has moved since a mark: counts alone."""

    def arrivals(self, since: datetime) -> Source[Mapping[str, int]]:
        """Messages that came in since a time, by the address of the client."""

    def refusals(self, addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
        """Whose mail for some recipients was refused since a time."""

    # --- emptying the queue

    @property
    def give_up(self) -> Source[GiveUp]:
        """When it gives up."""

    def waiting(self, classes: Sequence[str]) -> Source[Backlog]:
        """What waits, by destination and class of senders.

        Args:
            classes: :attr:`GiveUp.classes`.
        """

    def attempt_script(self, tries: Sequence[Try], spared: Sequence[str], classes: Sequence[str], parallel: int,
                       seconds: int) -> str:  # fmt: skip
        """Try what orders let through, in the background, and end by itself.

        Args:
            tries: the orders; a message is tried only if every destination it is going to is among them.
            spared: recipients whose messages are left alone.
            classes: :attr:`GiveUp.classes`.
            parallel: so many at once.
            seconds: nothing is begun after them.
        """

    @property
    def stop_attempts_script(self) -> str:
        """Begin no further attempt; those under way end by themselves."""

    @property
    def attempt_words(self) -> str:
        """What an operator would type to try messages."""

    # --- its memory of failures and refusals

    @property
    def hints(self) -> Source[tuple[Hint, ...]]:
        """What it remembers of failures; needs ``can.hints``."""

    def forget_script(self, keys: Sequence[str]) -> str:
        """Clear single hints while it is at work; one that is gone is no error; needs ``can.hints``."""

    @property
    def remembered_refusals(self) -> Source[RefusalCache]:
        """What it remembers of refusals elsewhere; needs ``can.refusal_cache``."""

    def drop_refusals_script(self, keys: Sequence[str]) -> str:
        """Clear single remembered refusals, and say how many; needs ``can.refusal_cache``."""

    # --- test mails

    def probe(self, mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool
              ) -> Source[tuple[Followed, ...]]:  # fmt: skip
        """Send test mails through it, follow them, and remove what is left of them; nothing else of it need be running.

        Args:
            mails: the test mails; those of one number are sent at once, the next number follows when they have settled.
            sender: their envelope sender.
            run_tag: named in their subject, so that people can tell where they come from.
            patience_s: seconds until each round has to be delivered.
            force: deliver also against what it remembers of failures.

        Raises:
            mxlib.base.errors.ParseError: an address or the tag is not fit for a command.
        """
