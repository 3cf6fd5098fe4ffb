"""A host: run a script there, get a typed result."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mxlib.base.errors import CommandFailedError
from mxlib.base.text import one_line


@dataclass(frozen=True)
class CommandResult:
    """The result of a script on a host.

    Attributes:
        command: the script as it was run.
        exit_code: the script's own exit code, never the transport's.
        output: standard output and error in the order they came, decoded as UTF-8 with replacement. Unsafe characters
            are kept: strip them with :func:`mxlib.base.text.printable` before showing them.
        started: when it was started (UTC).
        seconds: how long it took.
    """

    command: str
    exit_code: int
    output: str
    started: datetime
    seconds: float


def purpose(script: str) -> str:
    """Return what a script is for, in words: its first comment, or its beginning if it has none.

    Arguments:
        script: POSIX sh.
    """
    said = re.search(r"^# (.+)$", script, re.MULTILINE)
    return one_line(said[1] if said else script, 80)


class Host(Protocol):
    """A host that can be read and changed.

    The first comment of a script says what it is for, such as ``# read 31 facts`` or ``# close the mail ports``. Dry
    runs and logs show that comment, never the script.
    """

    @property
    def name(self) -> str:
        """Fully qualified name."""

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Run a read-only POSIX sh script, also in a dry run; whatever its exit code is, see :func:`read_text`.

        Arguments:
            script: the script as one text; its standard input is empty.
            timeout: seconds until it is abandoned.

        Raises:
            mxlib.base.errors.HostUnreachableError: no session could be opened.
            mxlib.base.errors.CommandTimeoutError: the script did not end in time.
        """

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Run a POSIX sh script that changes the host; a dry run only shows it (exit code 0, no output).

        Arguments:
            script: the script as one text; its standard input is empty.
            timeout: seconds until it is abandoned.
            ok_codes: exit codes that are expected.

        Raises:
            mxlib.base.errors.HostUnreachableError: no session could be opened.
            mxlib.base.errors.CommandTimeoutError: the script did not end in time; it may have acted.
            mxlib.base.errors.CommandFailedError: the exit code is not among ``ok_codes``.
        """


def read_text(host: Host, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> str:
    """Return what a read-only script prints: one that failed has not said that there is nothing.

    Arguments:
        timeout: see :meth:`Host.read`.
        ok_codes: exit codes that are expected.

    Raises:
        mxlib.base.errors.CommandFailedError: the exit code is not among ``ok_codes``.
        mxlib.base.errors.HostError: see :meth:`Host.read`.
    """
    result = host.read(script, timeout=timeout)
    if result.exit_code not in ok_codes:
        said = one_line(result.output) or "it said nothing"
        raise CommandFailedError(f"{host.name}: exit code {result.exit_code} of {purpose(script)}: {said}")
    return result.output
