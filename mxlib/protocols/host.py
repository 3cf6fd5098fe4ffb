"""A machine as everything else sees it: run a script there, get a typed result."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mxlib.base.text import one_line


@dataclass(frozen=True)
class CommandResult:
    """What a script on a host did.

    Attributes:
        command: the script as it was run.
        exit_code: its exit code on the host (never the transport's).
        output: its standard output and error as they came, decoded as UTF-8 with replacement, unsafe characters kept
            (strip them with :func:`mxlib.base.text.printable` before showing).
        started: when it was started (UTC).
        seconds: how long it took.
    """

    command: str
    exit_code: int
    output: str
    started: datetime
    seconds: float


def purpose(script: str) -> str:
    """Return what a script is for, in words: its first comment, or else its beginning.

    Arguments:
        script: POSIX sh.
    """
    said = re.search(r"^# (.+)$", script, re.MULTILINE)
    return one_line(said[1] if said else script, 80)


class Host(Protocol):
    """A machine that can be read and acted on.

    A script says what it does in its first comment, such as ``# read 31 facts`` or ``# close the mail ports``: a dry
    run and the log show that, and never the script.
    """

    @property
    def name(self) -> str:
        """Fully qualified name."""

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Run a read-only POSIX sh script; also in dry run.

        Arguments:
            script: the script, as one text; its standard input is empty.
            timeout: seconds until it is given up.

        Raises:
            mxlib.base.errors.HostUnreachableError: no session.
            mxlib.base.errors.CommandTimeoutError: no end within the time.
        """

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Run a POSIX sh script that changes the host; only shown in dry run (then exit code 0 and empty output).

        Arguments:
            script: the script, as one text; its standard input is empty.
            timeout: seconds until it is given up.
            ok_codes: exit codes that are expected.

        Raises:
            mxlib.base.errors.HostUnreachableError: no session.
            mxlib.base.errors.CommandTimeoutError: no end within the time; it may have acted.
            mxlib.base.errors.CommandFailedError: another exit code.
        """
