"""Exim on Debian behind the protocol of an MTA, see :mod:`mxlib.mta.protocol`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from mxlib.facts.source import Source
from mxlib.mta.backlog import Backlog, GiveUp, Hint, Try
from mxlib.mta.event import LogGrowth, RecentLog
from mxlib.mta.exim import (
    advice,
    backlog,
    backlog_script,
    callout,
    clients,
    ledger,
    maillog,
    names,
    queue_flow,
    rejects,
    retry,
    retry_rules,
    runners,
)
from mxlib.mta.exim import hints as retry_hints
from mxlib.mta.exim import probe as test_mails
from mxlib.mta.exim import queue as spool
from mxlib.mta.exim import relay as stranger
from mxlib.mta.exim import service as processes
from mxlib.mta.mail import Followed, ProbeMail
from mxlib.mta.protocol import Can, Mta
from mxlib.mta.queue import Deadlines, Flow, QueueFacts
from mxlib.mta.refusal import Refusal, RefusalCache
from mxlib.mta.service import MtaFacts


class Exim:
    """Exim, with its files where Debian puts them."""

    name = "Exim"
    can = Can(hints=True, relay_test=True, refusal_cache=True, stop_spares=True)
    units: tuple[str, ...] = (names.UNIT,)
    configuration: tuple[str, ...] = ("/etc/exim4",)
    # As it was parsed, included files and all. What Debian's next start makes a configuration of goes along.
    configuration_script = f"""\
{names.BINARY} -bP config || return
export LC_ALL=C
set --
for file in /etc/exim4/update-exim4.conf.conf /etc/exim4/exim4.conf.template /etc/exim4/exim4.conf.localmacros \
/etc/exim4/conf.d/* /etc/exim4/conf.d/*/*; do
[ ! -f "$file" ] || set -- "$@" "$file"
done
[ $# -eq 0 ] || cat -- "$@"
"""
    packages: tuple[str, ...] = ("exim4*",)
    paths: tuple[str, ...] = (names.SPOOL, names.MAINLOG.rpartition("/")[0])

    service: Source[MtaFacts] = processes.SOURCE
    version: Source[str] = processes.VERSION_SOURCE
    queue: Source[QueueFacts] = spool.SOURCE
    length: Source[int] = spool.LENGTH_SOURCE
    deadlines: Source[Deadlines] = retry.SOURCE
    recent: Source[RecentLog] = maillog.RECENT_SOURCE
    relay: Source[str] = stranger.SOURCE
    mark: Source[str] = maillog.MARK_SOURCE
    give_up: Source[GiveUp] = retry_rules.SOURCE
    hints: Source[tuple[Hint, ...]] = retry_hints.SOURCE
    remembered_refusals: Source[RefusalCache] = callout.SOURCE

    count_script = processes.COUNT
    stop_script = f"systemctl stop {names.UNIT}"
    start_script = f"systemctl start {names.UNIT}"
    # deliveries survive a stop, so nothing has to be parked
    quiet_script = ":"
    let_go_script = ":"
    stop_attempts_script = runners.STOP
    attempt_words = f"{names.BINARY} -Mc ID..."

    def settings(self, found: RecentLog) -> tuple[str, ...]:
        """Return what would end BDAT (CHUNKING) errors."""
        return advice.settings(found)

    def advice(self, found: RecentLog, version: str) -> tuple[str, ...]:
        """Return the same in whole sentences."""
        return advice.advice(found, version)

    def is_key(self, text: str) -> bool:
        """Return whether a text is a message id."""
        return names.is_message_id(text)

    def ledger_functions(self, mark: str) -> str:
        """Return the functions over the names in the spool and the lines of the main log."""
        return ledger.functions(mark)

    def growth(self, mark: str) -> Source[LogGrowth]:
        """Return what was written to the main log since a mark."""
        return maillog.growth_source(mark)

    def flow(self, mark: str) -> Source[Flow]:
        """Return the flow of the queue since a mark."""
        return queue_flow.source(mark)

    def arrivals(self, since: datetime) -> Source[Mapping[str, int]]:
        """Return how many messages arrived since a time, by client."""
        return clients.arrivals_source(since)

    def refusals(self, addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
        """Return the refusals since a time, from the reject log."""
        return rejects.source(addresses, since)

    def waiting(self, classes: Sequence[str]) -> Source[Backlog]:
        """Return what is queued, by destination."""
        asked = backlog_script.section(classes)
        return Source(asked.name, (asked,), lambda outputs: backlog.parse(outputs[asked.name]))

    def attempt_script(
        self, tries: Sequence[Try], spared: Sequence[str], classes: Sequence[str], parallel: int, seconds: int
    ) -> str:
        """Return the script that chooses messages on the host, for ``exim -Mc``, which obeys retry hints."""
        choose = backlog_script.choose_script(classes, backlog_script.order_lines(tries, spared))
        return f"{runners.STOP}\n{runners.start_script(choose, parallel, seconds)}"

    def forget_script(self, keys: Sequence[str]) -> str:
        """Return the script that clears single retry hints."""
        return retry_hints.clear_script(list(keys))

    def drop_refusals_script(self, keys: Sequence[str]) -> str:
        """Return the script that clears single answers of callouts."""
        return callout.clear_script(keys)

    def probe(
        self, mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool
    ) -> Source[tuple[Followed, ...]]:
        """Submit with immediate delivery, which needs no daemon; if forced, queue and then run ``exim -M``."""
        return test_mails.source(mails, sender, run_tag, patience_s, force=force)


ADAPTER: Mta = Exim()
