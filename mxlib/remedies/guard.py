"""The guard of a remedy on its own: what a run has claimed is left to that run."""

import shlex

from mxlib.base.errors import FencedError
from mxlib.model.on_host import DIRECTORY, FENCED, RECORD, TOKEN
from mxlib.model.record import Record
from mxlib.protocols.host import CommandResult, Host

# The lock is the one that a run's claim takes: no run can begin between the look and the act.
_LOCK = f"""\
set -eu
umask 022
mkdir -p {DIRECTORY}
exec 9>{DIRECTORY}/lock
flock -w 20 9 || {{ echo 'the record on the host is locked by another command'; exit {FENCED}; }}
"""
_FREE = f"[ ! -e {RECORD} ] || {{ echo 'a run has claimed the host just now'; exit {FENCED}; }}\n"
_OURS = f"""\
if ! grep -qF '"run": "@RUN@"' {RECORD} || [ "$(cat {TOKEN})" != @TOKEN@ ]; then
echo 'run @RUN@ is over, or another operator has taken it over'; exit {FENCED}
fi
"""


def guarded(script: str, said: str, *, run: Record | None = None, harmless: bool = False) -> str:
    """Put the guard before a script, and a line into the host's own log.

    Arguments:
        script: what acts; POSIX sh under ``set -eu``.
        said: who does what.
        run: the run that may have claimed the host, as its record was read; None: nobody may.
        harmless: whether any run may have.
    """
    mine = _OURS.replace("@RUN@", run.run).replace("@TOKEN@", str(run.token)) if run else _FREE
    head = f"{_LOCK}{'' if harmless else mine}logger -t mx-cookbooks -- {shlex.quote(said)} || :\n"
    return f"{head}(\nset -eu\n{script}\n) 9>&-\n"


def act(host: Host, script: str, timeout: float) -> CommandResult:
    """Run a guarded script.

    Arguments:
        script: from :func:`guarded`.
        timeout: seconds.

    Raises:
        mxlib.base.errors.FencedError: a run has claimed the host, or another operator has taken it over.
        mxlib.base.errors.HostError: it could not be done.
    """
    result = host.act(script, timeout=timeout, ok_codes=(0, FENCED))
    if result.exit_code == FENCED:
        raise FencedError(f"{host.name}: {result.output.strip()}")
    return result
