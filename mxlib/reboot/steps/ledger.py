"""The ledger of what the MTA had taken: written down at the claim and once it is still, found again later."""

import dataclasses

from mxlib.base.errors import StepError
from mxlib.base.text import one_line, plural
from mxlib.model.on_host import DIRECTORY
from mxlib.model.record import Record
from mxlib.model.state import State, Step
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.maillog import read_mark
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, host_of, shows, with_record
from mxlib.reboot.world import RebootWorld, record_of

LEDGER = f"{DIRECTORY}/ledger"
ACCEPT = "ledger"
"""``--accept`` with this name puts a host back that misses messages: somebody has found out where they are."""
MAX_SHOWN = 20
_FEW = 3

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
# a machine that lost its power may have lost the end of the log, too
[ "$(stat -c %s "$log")" -ge "$((from - 1))" ] || from=1
if [ "$(stat -c %i "$log")" = "$inode" ]; then tail -c "+$from" "$log"; return; fi
old=$(find "${log%/*}" -maxdepth 1 -inum "$inode" -name "${log##*/}.*" ! -name '*.gz')
if [ -n "$old" ]; then tail -c "+$from" "$old"
else zcat -f "$log".2.gz 2>/dev/null || true; cat "$log".1 2>/dev/null || true; fi
cat "$log"
}
"""


def growth_function(mark: str) -> str:
    """A shell function that prints the mail log since a mark, or more where it was rotated out of sight.

    Arguments:
        mark: where to begin.
    """
    begin = read_mark(mark)
    script = _GROWTH.replace("@LOG@", exim.MAINLOG)
    return script.replace("@INODE@", str(begin.inode)).replace("@OFFSET@", str(begin.offset))


def close_script(mark: str, ledger: str = LEDGER) -> str:
    """Write down every message the host has taken and not yet given away, and every arrival since the mark.

    Arguments:
        mark: where the mail log ended when the host was claimed.
        ledger: the file.
    """
    script = f"""\
export LC_ALL=C
{growth_function(mark)}
{_READ_SPOOL}{_READ_LOG}
[ -e @L@ ] || : >@L@
sort -u @L@ @L@.spool @L@.arrived >@L@.new
sync {exim.MAINLOG} @L@.new
mv @L@.new @L@
echo "ledger $(wc -l <@L@)"
echo "spool $(wc -l <@L@.spool)"
rm -f @L@.*
"""
    return script.replace("@L@", ledger)


def _look_script(mark: str) -> str:
    """What is in the ledger or has come since, and is neither on disk nor completed. The spool is read first."""
    return f"""\
export LC_ALL=C
{growth_function(mark)}
look() {{
{_READ_SPOOL}{_READ_LOG}
[ -e @L@-untraced ] || : >@L@-untraced
sort -u @L@ @L@.arrived >@L@.all
comm -23 @L@.all @L@-untraced >@L@.must
sort -u @L@.spool @L@.completed >@L@.have
comm -23 @L@.must @L@.have >@L@.missing
}}
look
# Exim removes a message from the spool just before it logs its completion
if [ -s @L@.missing ]; then sleep 2; look; fi
"""


def check_script(mark: str, ledger: str = LEDGER) -> str:
    """Look for each message of the ledger: in the spool or completed in the log.

    Arguments:
        mark: where the mail log ended when the host was claimed.
        ledger: the file.
    """
    script = f"""\
{_look_script(mark)}
echo "must $(wc -l <@L@.must)"
echo "spool $(wc -l <@L@.spool)"
echo "missing $(wc -l <@L@.missing)"
echo "untraced $(wc -l <@L@-untraced)"
head -n {MAX_SHOWN} @L@.missing
rm -f @L@.*
"""
    return script.replace("@L@", ledger)


def untraced_script(mark: str, ledger: str = LEDGER) -> str:
    """After a boot that nobody ordered: set the messages apart that it has left without a trace.

    Exim removes a message from the spool only once it is delivered or given up, and the file system writes that down
    within seconds. The line in the log that says so may be on its way to the disk for half a minute when the power goes
    (ext4's delayed allocation; seen in the lab: 42 messages, all of them delivered). Such a message is not missing, and
    not proven either.

    Arguments:
        mark: where the mail log ended when the host was claimed.
        ledger: the file.
    """
    script = f"""\
[ -e @L@ ] || : >@L@
{_look_script(mark)}
sort -u @L@.missing @L@-untraced >@L@.new
sync @L@.new
mv @L@.new @L@-untraced
echo "untraced $(wc -l <@L@.missing)"
cat @L@.missing
rm -f @L@.*
"""
    return script.replace("@L@", ledger)


def close(world: RebootWorld, state: State) -> Done:
    """Close the ledger of a still MTA."""
    record = record_of(state)
    result = world.act(close_script(record.log_mark), timeout=120)
    numbers = _numbers(result.output)
    world.remember(dataclasses.replace(record, ledger=record.boot))
    return Done(f"{numbers['ledger']} messages to account for, {numbers['spool']} of them on disk", numbers)


def check(world: RebootWorld, record: Record) -> Done:
    """Find each message of the ledger again.

    Arguments:
        world: the world; its ``lost`` is set.
        record: the memory.
    """
    result = world.act(check_script(record.log_mark), timeout=120)
    numbers = _numbers(result.output)
    shown = [line for line in result.output.split() if exim.is_message_id(line)]
    accepted = ACCEPT in world.accepted
    world.progress.lost = 0 if accepted else numbers["missing"]
    if numbers["missing"] != len(shown) and numbers["missing"] <= MAX_SHOWN:
        raise StepError(f"the ledger's answer cannot be understood: {one_line(result.output)}")
    missing = f"MISSING {numbers['missing']}: {', '.join(shown)}" if numbers["missing"] else "none missing"
    if numbers["missing"] and accepted:
        numbers["accepted"] = numbers["missing"]
        missing += f" (accepted by --accept {ACCEPT})"
    untraced = f"; {numbers['untraced']} more not traceable, see found boot" if numbers["untraced"] else ""
    return Done(
        f"ledger: {numbers['must']} messages, {numbers['spool']} on disk, the others delivered, {missing}{untraced}",
        numbers,
    )


def set_apart_untraced(world: RebootWorld, record: Record) -> Done:
    """Say which messages a boot that nobody ordered has left without a trace; the ledger misses them no more."""
    result = world.act(untraced_script(record.log_mark), timeout=120)
    count = _numbers(result.output)["untraced"]
    if not count:
        return Done("")
    ids = [line for line in result.output.split() if exim.is_message_id(line)]
    shown = f"{', '.join(ids[:_FEW])}{', ...' if len(ids) > _FEW else ''}"
    note = (
        f"; {plural(count, 'message')} left the spool, as after a delivery, but the end of the log is lost that would "
        f"prove it ({shown})"
    )
    return Done(note, {"untraced": count, "untraced_ids": ids})


def _numbers(output: str) -> dict[str, int]:
    words = [line.split() for line in output.splitlines()]
    found = {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}
    if not found:
        raise StepError(f"the ledger cannot be read: {one_line(output)}")
    return found


def _closed(_world: RebootWorld, state: State) -> State:
    return with_record(state, ledger=host_of(state).boot)


_HOW = f"write every id of the spool and of the log since the claim to {LEDGER}"
ACTIONS = (Action(Step.LEDGER, close, _closed, shows(_HOW)),)
