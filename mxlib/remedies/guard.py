"""The guard of what acts without a run's transaction, as remedies and drains do: a claimed host is left to its run."""

import shlex
from collections.abc import Callable

from mxlib.base.errors import FencedError, LockedError
from mxlib.base.text import one_line
from mxlib.model.on_host import DIRECTORY, FENCED, LOCK_S, RECORD, TOKEN
from mxlib.model.record import Record
from mxlib.protocols.host import CommandResult, Host

_BUSY = "the record on the host is locked by another command"
# The lock is the one that a run's claim takes: no run can begin between the look and the act.
_LOCK = f"""\
set -eu
umask 022
mkdir -p {DIRECTORY}
exec 9>{DIRECTORY}/lock
flock -w {LOCK_S} 9 || {{ echo '{_BUSY}'; exit {FENCED}; }}
"""
_FREE = f"[ ! -e {RECORD} ] || {{ echo 'a run has claimed the host just now'; exit {FENCED}; }}\n"
_OURS = f"""\
if ! grep -sqF '"run": "@RUN@"' {RECORD} || [ "$(cat {TOKEN})" != @TOKEN@ ]; then
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


class GuardedHost:
    """A host on which every act is guarded."""

    def __init__(self, host: Host, said: str, run: Record | None, acting: Callable[[], None]) -> None:
        """Nothing is asked yet.

        Arguments:
            said: who does what, for the host's own log.
            run: the run that may have claimed it, as its record was read; None: nobody may.
            acting: is called once something may have been changed.
        """
        self._host, self._said, self._run, self._acting = host, one_line(said), run, acting

    @property
    def name(self) -> str:
        """The host's name."""
        return self._host.name

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Read it; see :meth:`mxlib.protocols.host.Host.read`."""
        return self._host.read(script, timeout=timeout)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Change it, if nobody else has claimed it; see :meth:`mxlib.protocols.host.Host.act`.

        Raises:
            mxlib.base.errors.LockedError: another command is at work there; nothing was done.
            mxlib.base.errors.FencedError: another run has claimed it, or ours is over; nothing was done.
        """
        whole = guarded(script, self._said, run=self._run)
        changed = True
        try:
            result = self._host.act(whole, timeout=timeout + LOCK_S, ok_codes=(*ok_codes, FENCED))
            changed = result.exit_code != FENCED
        finally:
            if changed:
                self._acting()
        if changed:
            return result
        said = one_line(result.output)
        raise (LockedError if said == _BUSY else FencedError)(f"{self.name}: {said}")


def claim_of(record: Record) -> str:
    """Return in words which run has claimed a host, who began it, when and why."""
    return one_line(f"run {record.run} ({record.who} since {record.since}) has claimed the host: {record.why}")
