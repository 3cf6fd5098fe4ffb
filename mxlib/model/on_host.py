"""What these cookbooks keep on a host: its paths, the fence before every act, the record."""

import shlex

from mxlib.model.record import Record

DIRECTORY = "/var/lib/mx-cookbooks"
RECORD = f"{DIRECTORY}/run.json"
TOKEN = f"{DIRECTORY}/token"

FENCED = 75
"""Exit code of a script that found a newer token on the host (EX_TEMPFAIL of sysexits.h)."""

# This stands before every act, so it starts as few processes as it can: on a slow host they are what takes the time.
# A step's children must not keep the lock: descriptor 9 is closed for what the step runs.
_FENCE = f"""\
set -eu
umask 022
[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY}
exec 9>{DIRECTORY}/lock
flock -w 20 9 || {{ echo 'the record on the host is locked by another command'; exit {FENCED}; }}
have=0
{{ read -r have <{TOKEN}; }} 2>/dev/null || :
if [ "$have" -gt @TOKEN@ ]; then
echo "token $have on the host is newer than ours, @TOKEN@: another operator has taken over"; exit {FENCED}
fi
[ "$have" = @TOKEN@ ] || {{ echo @TOKEN@ >{TOKEN}.new; mv {TOKEN}.new {TOKEN}; }}
"""

_WRITE = f"""\
printf %s @RECORD@ >{RECORD}.new
sync {RECORD}.new
mv {RECORD}.new {RECORD}
sync {DIRECTORY}
"""


def fenced(script: str, token: int, record: Record | None = None) -> str:
    """Put the fence before a script, and the record, which holds the undo, before the act.

    Arguments:
        script: what acts; POSIX sh under ``set -eu``.
        token: our fencing token.
        record: the memory to write first.
    """
    head = _FENCE.replace("@TOKEN@", str(token))
    if record is not None:
        head += _WRITE.replace("@RECORD@", quoted(record.to_json()))
    return f"{head}(\nset -eu\n{script}\n) 9>&-\n" if script else f"# write the record of the run\n{head}"


def quoted(text: str) -> str:
    """An argument for a shell.

    Arguments:
        text: anything.
    """
    return shlex.quote(text)
