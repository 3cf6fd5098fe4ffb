"""Queue runners of our own on the host.

What is tried is chosen on the host when the runners start, and handed to Exim by message id (``exim -Mc``): an ordinary
attempt, which respects retry hints and does not wake frozen messages. The runners are a transient unit that ends by
itself at the deadline, also if the management host dies meanwhile.
"""

from mxlib.model.on_host import quoted
from mxlib.mta.exim import names as exim

UNIT = "mx-drain.service"
_BATCH = 5
"""Messages handed to one runner at once: after the deadline a runner finishes its batch, no more."""
_FLAG = "/run/mx-drain.go"
_WORK = "/run/mx-drain.sh"

STOP = f"# stop our queue runners\nrm -f {_FLAG} {_WORK}\nsystemctl stop {UNIT} 2>/dev/null || true"
"""Begin no further attempt; those under way end by themselves."""


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
# try messages of the queue
touch {_FLAG}
printf '%s' {quoted(work)} >{_WORK}
systemd-run --quiet --collect --unit={UNIT} --property=KillMode=process sh {_WORK}
"""
