"""Emptying the queue, bringing the MTA to rest, and the ledger of what it had taken."""

import dataclasses
from collections import Counter
from dataclasses import dataclass

from mxlib import exim
from mxlib.errors import StepError
from mxlib.facts import mta
from mxlib.facts.depool import DIRECTORY, HOLD
from mxlib.facts.mta import Role
from mxlib.facts.source import read_facts
from mxlib.record import Record
from mxlib.state import State
from mxlib.steps import clients, runners
from mxlib.steps import drain as emptying
from mxlib.steps.context import Context, Done, record_of
from mxlib.text import duration, one_line, plural

_LEFT = {
    "back": "give the host back as it was found",
    "wait": "drain once more, for as long again",
    "on": "go on: what is left stays on disk during the reboot and is delivered afterwards",
}
LEDGER = f"{DIRECTORY}/ledger"
MAX_SHOWN = 20

# POSIX tools know no (?:...)
_ID = exim.MESSAGE_ID.replace("(?:", "(")
# Exim's log lines: date, time, perhaps a zone and a pid, then the id and the mark.
_LINE = r"^[^ ]+ [^ ]+( [+-][0-9]{4})?( \[[0-9]+\])? "
# A pipe hides the failure of its first commands, and a ledger that misses lines in silence is worse than none: each
# command writes a file, and the first that fails ends the script.
_READ_SPOOL = f"""\
find {exim.SPOOL}/input -name '*-H' -printf '%f\\n' >@L@.names
sed -nE 's/^({_ID})-H$/\\1/p' @L@.names >@L@.spool
"""
_READ_LOG = f"""\
growth >@L@.growth
sed -nE 's/{_LINE}({_ID}) (<= .*|Completed.*)$/\\3 \\5/p' @L@.growth >@L@.log
awk '$2 == "<=" {{ print $1 }}' @L@.log >@L@.arrived
awk '$2 ~ /^Completed/ {{ print $1 }}' @L@.log >@L@.completed
"""
_GROWTH = """\
growth() {
log=@LOG@; inode=@INODE@; from=$((@OFFSET@ + 1))
if [ "$(stat -c %i "$log")" = "$inode" ]; then tail -c "+$from" "$log"; return; fi
old=$(find "${log%/*}" -maxdepth 1 -inum "$inode" -name "${log##*/}.*" ! -name '*.gz')
if [ -n "$old" ]; then tail -c "+$from" "$old"
else zcat -f "$log".2.gz 2>/dev/null || true; cat "$log".1 2>/dev/null || true; fi
cat "$log"
}
"""


def growth_function(mark: tuple[int, int]) -> str:
    """A shell function that prints the mail log since a mark, or more where it was rotated out of sight.

    Arguments:
        mark: inode and offset.
    """
    inode, offset = mark
    return (
        _GROWTH.replace("@LOG@", exim.MAINLOG).replace("@INODE@", str(int(inode))).replace("@OFFSET@", str(int(offset)))
    )


def close_ledger_script(mark: tuple[int, int], ledger: str = LEDGER) -> str:
    """Write down every message the host has taken and not yet given away, and every arrival since the mark.

    Arguments:
        mark: inode and offset of the mail log when the host was claimed.
        ledger: the file.
    """
    script = f"""\
export LC_ALL=C
{growth_function(mark)}
{_READ_SPOOL}{_READ_LOG}
[ -e @L@ ] || : >@L@
sort -u @L@ @L@.spool @L@.arrived >@L@.new
sync @L@.new
mv @L@.new @L@
echo "ledger $(wc -l <@L@)"
echo "spool $(wc -l <@L@.spool)"
rm -f @L@.*
"""
    return script.replace("@L@", ledger)


def check_ledger_script(mark: tuple[int, int], ledger: str = LEDGER) -> str:
    """Look for each message of the ledger: in the spool or completed in the log. The spool is read first.

    Arguments:
        mark: inode and offset of the mail log when the host was claimed.
        ledger: the file.
    """
    script = f"""\
export LC_ALL=C
{growth_function(mark)}
look() {{
{_READ_SPOOL}{_READ_LOG}
sort -u @L@ @L@.arrived >@L@.must
sort -u @L@.spool @L@.completed >@L@.have
comm -23 @L@.must @L@.have >@L@.missing
}}
look
# Exim removes a message from the spool just before it logs its completion
if [ -s @L@.missing ]; then sleep 2; look; fi
echo "must $(wc -l <@L@.must)"
echo "spool $(wc -l <@L@.spool)"
echo "missing $(wc -l <@L@.missing)"
head -n {MAX_SHOWN} @L@.missing
rm -f @L@.*
"""
    return script.replace("@L@", ledger)


@dataclass(frozen=True)
class QueueSample:
    """The queue at one moment.

    Attributes:
        count: messages in the spool.
        deliveries: Exim processes other than the daemon.
        at: when, by the monotonic clock.
    """

    count: int
    deliveries: int
    at: float


def sample(context: Context) -> QueueSample:
    """Count the queue by the names in the spool: no message is opened.

    Arguments:
        context: the world.
    """
    result = context.target.read(
        f"find {exim.SPOOL}/input -name '*-H' -printf x | wc -c; pgrep -c -x 'exim4?' || true", timeout=20
    )
    numbers = result.output.split()
    if result.exit_code != 0 or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise StepError(f"the queue cannot be counted: {one_line(result.output)}")
    return QueueSample(int(numbers[0]), int(numbers[1]), context.clock.monotonic())


def drain(context: Context, state: State) -> Done:
    """Empty the queue, and note in which boot that was."""
    record = record_of(state)
    since = context.clock.now()
    done = _emptied(context)
    came = clients.settled(context, record, since)
    context.remember(dataclasses.replace(record, drained=record.boot))
    return Done(f"{done.note}; {came.note}", {**done.evidence, **came.evidence})


def _emptied(context: Context) -> Done:
    """Empty it; where more is left than the bound allows, the operator may know better."""
    while True:
        try:
            return emptying.empty(context)
        except StepError as error:
            if not error.evidence:
                raise
            answer = context.ask(f"The queue is not empty enough: {one_line(str(error), 400)}.", _LEFT, "back")
            if answer == "back":
                raise
            if answer == "on":
                return Done(
                    f"gone on with what is left, as the operator said: {one_line(str(error), 300)}", error.evidence
                )


def hold(context: Context, _state: State) -> Done:
    """Keep the MTA from being started, stop it, and wait until nothing of it is left.

    A stop alone is no proof: systemd reports success while the daemon and its deliveries go on. A delivery under way is
    never ended from here; an SMTP session that does not end in half the time is, as its sender keeps the message.
    """
    runners.stop(context)
    context.act(f"touch {HOLD}\nsync {DIRECTORY}\nsystemctl stop {exim.UNIT}", timeout=90)
    limit = context.site.drain.still_timeout
    begin = context.clock.monotonic()
    ended: str | None = None
    while True:
        facts = read_facts(context.target, (mta.SOURCE,)).get(mta.SOURCE)
        waited = context.clock.monotonic() - begin
        if facts.still:
            return Done(f"{exim.UNIT} is stopped, held, and at rest after {duration(waited)}{ended or ''}")
        if waited > limit:
            raise StepError(f"the MTA did not come to rest within {duration(waited)}: {_processes(facts)}{ended or ''}")
        if waited > limit / 2 and ended is None:
            ended = _end_sessions(context, facts)
        context.tell.live(f"waiting for the MTA to come to rest, {_still_to_end(facts, waited, limit)}")
        context.clock.sleep(1.0)


def _processes(facts: mta.MtaFacts) -> str:
    return ", ".join(f"{one.pid} ({one.role.value})" for one in facts.processes)


def _still_to_end(facts: mta.MtaFacts, waited: float, limit: float) -> str:
    roles = Counter(one.role.value for one in facts.processes)
    said = ", ".join(f"{count} x {role}" for role, count in roles.most_common()) or "a listener"
    left = limit / 2 - waited
    sessions = facts.role(Role.SESSION) and left > 0
    ask = f"; open SMTP sessions are ended in {duration(left)}" if sessions else ""
    return f"{said} left after {duration(waited)}, given up in {duration(max(0.0, limit - waited))}{ask}"


def _end_sessions(context: Context, facts: mta.MtaFacts) -> str:
    """Ask SMTP sessions to end; without our 250 their senders keep the message and go elsewhere."""
    sessions = facts.role(Role.SESSION)
    if not sessions:
        return ""
    context.act(f"kill -TERM {' '.join(str(one.pid) for one in sessions)} || true")
    context.tell.line(f"{plural(len(sessions), 'SMTP session')} did not end by itself and was asked to")
    return f"; {plural(len(sessions), 'SMTP session')} had to be ended, the senders keep what was not taken"


def ledger(context: Context, state: State) -> Done:
    """Close the ledger of a still MTA."""
    record = record_of(state)
    result = context.act(close_ledger_script(record.log_mark), timeout=120)
    numbers = _numbers(result.output)
    context.remember(dataclasses.replace(record, ledger=record.boot))
    return Done(f"{numbers['ledger']} messages to account for, {numbers['spool']} of them on disk", numbers)


def check_ledger(context: Context, record: Record) -> Done:
    """Find each message of the ledger again.

    Arguments:
        context: the world; its ``lost`` is set.
        record: the memory.
    """
    result = context.act(check_ledger_script(record.log_mark), timeout=120)
    numbers = _numbers(result.output)
    shown = [line for line in result.output.split() if exim.is_message_id(line)]
    context.lost = tuple(shown)
    if numbers["missing"] != len(shown) and numbers["missing"] <= MAX_SHOWN:
        raise StepError(f"the ledger's answer cannot be understood: {one_line(result.output)}")
    missing = f"MISSING {numbers['missing']}: {', '.join(shown)}" if numbers["missing"] else "none missing"
    return Done(
        f"ledger: {numbers['must']} messages, {numbers['spool']} on disk, the others delivered, {missing}", numbers
    )


def _numbers(output: str) -> dict[str, int]:
    words = [line.split() for line in output.splitlines()]
    found = {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}
    if not found:
        raise StepError(f"the ledger cannot be read: {one_line(output)}")
    return found
