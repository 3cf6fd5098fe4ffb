"""Queue runners of our own on the host.

The messages are chosen on the host when the runners start, and passed to Exim by id (``exim -Mc``): an ordinary
attempt, which obeys retry hints and does not thaw frozen messages. The runners are a transient unit that ends by itself
at the deadline, even if the management host dies.

Each start has a unit and a file of its own: a unit that was stopped stays loaded while a delivery of it hangs, and the
runners of it that still wait for that delivery must not take a later start's file for their own.
"""

from mxlib.model.on_host import quoted
from mxlib.mta.exim import names as exim

UNITS = "mx-drain-*.service"
_BATCH = 20
"""Most messages that one process gets: its start takes an emulated machine as long as a delivery.

After the deadline a runner only finishes its batch. That is no long wait: the first attempt that a host lets time out
leaves a retry hint, which the rest of the batch obeys.
"""
# A batch is of one queue: QUEUE -Mc ID...
_BATCHES = f"""
NF == 2 {{ ids[$1, ++many[$1]] = $2 }}
END {{
for (queue in many) {{
size = int((many[queue] + runners - 1) / runners); if (size > {_BATCH}) size = {_BATCH}
for (n = 1; n <= many[queue]; n++) {{
batch = batch " " ids[queue, n]
if (n % size == 0 || n == many[queue]) {{ print queue, "-Mc" batch; batch = "" }}
}}
}}
}}
"""
WORK = "/run/mx-drain-"
"""How the file of a start begins: its runners begin a batch only while it exists, and its unit is called after it."""

STOP = f"# stop our queue runners\nrm -f {WORK}*\nsystemctl stop '{UNITS}' 2>/dev/null || true"
"""Start no further attempt, whoever started them; those under way end by themselves."""


def start_script(choose: str, runners: int, seconds: int) -> str:
    """Return the script that starts our queue runners; none of them begins a batch after the time is over.

    Args:
        choose: a script that prints the messages to try, as :func:`~mxlib.mta.exim.backlog_script.choose_script` says.
        runners: number of runners side by side.
        seconds: time after which no batch is begun.
    """
    batch = (
        '[ -e "$0" ] && [ "$(date +%s)" -lt "$1" ] || exit 0\n'
        "shift\n"
        f'[ "$1" = - ] && shift || {{ set -- -MCG "$@"; }}\n'
        f'{exim.BINARY} "$@" </dev/null || :'
    )
    work = f"""\
end=$(($(date +%s) + {seconds}))
ids=$(
{choose}
) || exit
printf '%s\\n' "$ids" | awk -v runners={runners} '{_BATCHES}' |
xargs -r -L 1 -P {runners} sh -c {quoted(batch)} "$0" "$end"
"""
    # a file, as systemd would expand variables in an argument; KillMode: deliveries survive a stop
    return f"""\
# try messages of the queue
work=$(mktemp {WORK}XXXXXX) && printf '%s' {quoted(work)} >"$work" || exit
systemd-run --quiet --collect --unit="${{work##*/}}.service" --property=KillMode=process sh "$work" || {{
code=$?; rm -f "$work"; exit "$code"
}}
"""
