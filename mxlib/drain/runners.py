"""Queue runners of our own, started and stopped on the host, how the queue moves, and stale hints cleared.

What is tried is chosen on the host when the runners start, and handed to Exim by message id (``exim -Mc``): an ordinary
attempt, which respects retry hints and does not wake frozen messages. The runners are a transient unit that ends by
itself at the deadline, also if the management host dies meanwhile.
"""

from mxlib.base.errors import MxlibError, ParseError, StepError
from mxlib.base.text import one_line, plural
from mxlib.model.on_host import quoted
from mxlib.mta.exim import maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue_flow as pulse
from mxlib.mta.exim.hints import Hint
from mxlib.protocols.world import World as Context

UNIT = "mx-drain.service"
_BATCH = 5
"""Messages handed to one runner at once: after the deadline a runner finishes its batch, no more."""
_FLAG = "/run/mx-drain.go"
_WORK = "/run/mx-drain.sh"


def look(context: Context, mark: maillog.LogMark) -> pulse.Pulse:
    """How the queue moved since a mark.

    Arguments:
        context: the world.
        mark: where the last look ended.

    Raises:
        mxlib.base.errors.StepError: it cannot be told.
    """
    result = context.target.read(pulse.script(mark, UNIT), timeout=20)
    try:
        return pulse.parse(result.output)
    except ParseError as error:
        raise StepError(str(error)) from error


def start_script(choose: str, runners: int, seconds: int) -> str:
    """Start our queue runners: so many side by side, none beginning a batch after the time is over.

    Arguments:
        choose: a script that prints the ids of the messages to try.
        runners: how many.
        seconds: how long.
    """
    batch = f'[ -e {_FLAG} ] && [ "$(date +%s)" -lt "$0" ] || exit 0; {exim.BINARY} -Mc "$@" </dev/null || :'
    work = f"""\
end=$(($(date +%s) + {seconds}))
ids=$(
{choose}
) || exit
printf '%s\\n' "$ids" | xargs -r -n {_BATCH} -P {runners} sh -c {quoted(batch)} "$end"
"""
    # a file, as systemd would expand what looks like a variable in an argument; KillMode: deliveries outlive a stop
    return f"""\
touch {_FLAG}
printf '%s' {quoted(work)} >{_WORK}
systemd-run --quiet --collect --unit={UNIT} --property=KillMode=process sh {_WORK}
"""


def stop(context: Context) -> None:
    """Let our queue runners begin nothing more; deliveries under way end by themselves.

    Arguments:
        context: the world; nothing needs to be claimed.
    """
    try:
        context.target.act(f"rm -f {_FLAG} {_WORK}\nsystemctl stop {UNIT} 2>/dev/null || true", timeout=30)
    except MxlibError as error:
        why = one_line(str(error))
        context.operator.line(f"drain: our queue runners end by themselves, they could not be stopped: {why}")


def clear(context: Context, stale: tuple[Hint, ...]) -> None:
    """Clear retry hints that a delivery has proven stale; all others stay.

    Arguments:
        context: the world; nothing needs to be claimed.
        stale: which.
    """
    if stale:
        context.target.act(clear_script([hint.key for hint in stale]), timeout=60)
        context.operator.line(f"drain: {plural(len(stale), 'stale retry hint')} cleared")


def clear_script(keys: list[str]) -> str:
    """Clear single hints; Exim may go on working with the database meanwhile.

    Arguments:
        keys: as the database has them.
    """
    # exim_fixdb asks for a key, shows its record, then takes "d" for deleting it; a key that is gone is said and passed
    wanted = "".join(f"{key}\nd\n" for key in keys if key.isprintable() and key[:2] in ("T:", "R:"))
    return f"printf %s {quoted(wanted)} | exim_fixdb {exim.SPOOL} retry >/dev/null"
