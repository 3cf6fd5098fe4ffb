"""The ledger of the mail that the MTA had taken: written at the claim and when it is at rest, checked after a boot."""

import dataclasses

from mxlib.base.errors import StepError
from mxlib.base.text import one_line, plural
from mxlib.model.on_host import DIRECTORY, REPLACE
from mxlib.model.record import Record
from mxlib.model.state import State, Step
from mxlib.mta.protocol import Mta
from mxlib.protocols.world import Done
from mxlib.reboot.peers import begin_to_ask
from mxlib.reboot.steps.step import Action, host_of, shows, with_record
from mxlib.reboot.world import RebootWorld, record_of

LEDGER = f"{DIRECTORY}/ledger"
ACCEPT = "ledger"
"""``--accept`` with this name returns a host to service that misses messages: somebody has found out where they are."""
MAX_SHOWN = 20
_FEW = 3

# A pipe hides the failure of its first commands, and a ledger that misses lines in silence is worse than none: each
# command writes a file, and the first that fails ends the script. One awk for all, as each process costs a slow host as
# much as it does.
_READ = r"""
export LC_ALL=C
[ -e @L@-untraced ] || : >@L@-untraced
[ -e @L@ ] || : >@L@
# the disk is read first; the arguments say what is counted
read_all() {
on_disk >@L@.disk
events >@L@.events
awk -v to_file=@L@ -v counted=" $* " '
# a message that was given another name is the same message: all are called by their last one
function last(key,  n) { for (n = 0; key in to && n < 99; n++) key = to[key]; return key }
function list(keys, name,  key, n) {
name = to_file name; printf "" >name
for (key in keys) { n++; print key >name }
close(name); return n + 0
}
function count(name, n) { if (index(counted, " " name " ")) print name, n + 0 >to_file ".numbers" }
what == "events" && $1 == "renamed" { to[$2] = $3 }
what == "events" && $1 == "hole" { holes++ }
what == "events" && $1 == "arrived" { came[$2] }
what == "events" && $1 == "gone" { went[$2] }
what == "ledger" { came[$1] }
what == "disk" { disk[$1] }
what == "untraced" { untraced[$1] }
END {
for (key in disk) spool[last(key)]
for (key in went) ended[last(key)]
for (key in untraced) apart[last(key)]
for (key in came) all[last(key)]
for (key in all) if (!(key in apart)) { must++; if (!(key in spool) && !(key in ended)) missing[key] }
for (key in spool) all[key]
for (key in missing) known[key]
for (key in apart) known[key]
list(known, "-untraced.new")
count("ledger", list(all, ".new")); count("must", must); count("spool", list(spool, ".spool"))
count("missing", list(missing, ".missing")); count("untraced", list(apart, ".apart")); count("holes", holes)
}' what=events @L@.events what=ledger @L@ what=untraced @L@-untraced what=disk @L@.disk
}
"""
# What is in the ledger or has come since, and is neither on disk nor gone in order.
_LOOK = f"""\
{_READ}
look() {{ read_all must spool missing untraced holes; }}
look
# a message leaves the disk just before the log says that it is gone
if [ -s @L@.missing ]; then sleep 2; look; fi
"""


def _script(mta: Mta, mark: str, ledger: str, purpose: str, text: str) -> str:
    whole = f"# {purpose}\n{REPLACE}{mta.ledger_functions(mark)}{text}rm -f @L@.* @L@-untraced.*\n"
    return whole.replace("@RAW@", "@L@.raw").replace("@L@", ledger)


def close_script(mta: Mta, mark: str, ledger: str = LEDGER) -> str:
    """Return the script that writes down every message in the spool, and every arrival since the mark.

    Arguments:
        mark: where the mail log ended when the host was claimed.
    """
    text = f"""\
{_READ}
read_all ledger spool holes
settle
replace @L@
cat @L@.numbers
"""
    return _script(mta, mark, ledger, "write down the messages in hand", text)


def check_script(mta: Mta, mark: str, ledger: str = LEDGER) -> str:
    """Return the script that looks for each message of the ledger: it is on disk, or gone by the log.

    Arguments:
        mark: where the mail log ended when the host was claimed.
    """
    text = f"""\
{_LOOK}
cat @L@.numbers
[ ! -s @L@.missing ] || sort @L@.missing | head -n {MAX_SHOWN}
"""
    return _script(mta, mark, ledger, "look for every message of the ledger", text)


def untraced_script(mta: Mta, mark: str, ledger: str = LEDGER) -> str:
    """Return the script that sets the messages apart which a boot that nobody ordered has left without a trace.

    An MTA removes a message from the disk only once it is delivered or given up, and the file system writes that down
    within seconds. The line in the log that says so may be on its way to the disk for half a minute when the power goes
    (ext4's delayed allocation; seen in the lab: 42 messages, all of them delivered). Such a message is not missing, and
    not proven either.

    Arguments:
        mark: where the mail log ended when the host was claimed.
    """
    text = f"""\
{_LOOK}
replace @L@-untraced
sed -n 's/^missing/untraced/p' @L@.numbers
cat @L@.missing
"""
    return _script(mta, mark, ledger, "set messages without a trace apart", text)


def close(world: RebootWorld, state: State) -> Done:
    """Close the ledger of an MTA at rest."""
    record = record_of(state)
    begin_to_ask(world)  # the reboot order comes soon, and needs the others
    result = world.act(close_script(world.mta, record.log_mark), timeout=120)
    numbers = _numbers(result.output)
    world.note(dataclasses.replace(record, ledger=record.boot))
    counted = f"{numbers['ledger']} messages to account for, {numbers['spool']} of them on disk"
    return Done(f"{counted}{_hole(numbers)}", numbers)


def check(world: RebootWorld, record: Record, then: str = "", *, look: bool = False) -> Done:
    """Find each message of the ledger again; how many are missing is left in the run's progress.

    Arguments:
        then: a script that is run after it in the same round trip; it prints nothing.
        look: read then where the host stands, for a decision that follows soon.
    """
    result = world.act(f"{check_script(world.mta, record.log_mark)}{then}", timeout=120, look=look)
    numbers = _numbers(result.output)
    shown = [line for line in result.output.split() if world.mta.is_key(line)]
    accepted = ACCEPT in world.accepted
    # with a hole in the log it is unknown, not shown, that a message is lost
    world.progress.lost = 0 if accepted or numbers["holes"] else numbers["missing"]
    if numbers["missing"] != len(shown) and numbers["missing"] <= MAX_SHOWN:
        raise StepError(f"the ledger's answer cannot be understood: {one_line(result.output)}")
    word = "UNKNOWN" if numbers["holes"] else "MISSING"
    missing = f"{word} {numbers['missing']}: {', '.join(shown)}" if numbers["missing"] else "none missing"
    if numbers["missing"] and accepted:
        numbers["accepted"] = numbers["missing"]
        missing += f" (accepted by --accept {ACCEPT})"
    untraced = f"; {numbers['untraced']} more not traceable, see found boot" if numbers["untraced"] else ""
    counted = f"ledger: {numbers['must']} messages, {numbers['spool']} on disk, the others delivered"
    return Done(f"{counted}, {missing}{untraced}{_hole(numbers)}", numbers)


def set_apart_untraced(world: RebootWorld, record: Record) -> Done:
    """Set the messages apart that a boot which nobody ordered has left without a trace: they no longer count."""
    result = world.act(untraced_script(world.mta, record.log_mark), timeout=120, look=False)
    count = _numbers(result.output)["untraced"]
    if not count:
        return Done("")
    ids = [line for line in result.output.split() if world.mta.is_key(line)]
    shown = f"{', '.join(ids[:_FEW])}{', ...' if len(ids) > _FEW else ''}"
    note = (
        f"; {plural(count, 'message')} left the spool, as after a delivery, but the end of the log is lost that would "
        f"prove it ({shown})"
    )
    return Done(note, {"untraced": count, "untraced_ids": ids})


def _hole(numbers: dict[str, int]) -> str:
    """Return what the operator has to know where a part of the log is gone."""
    return "; THE LOG HAS A HOLE: what came and went in it is unknown" if numbers["holes"] else ""


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
