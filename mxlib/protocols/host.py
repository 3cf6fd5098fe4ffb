"""The one seam to a machine: run a script there, get a typed result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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


class Host(Protocol):
    """A machine that can be read and acted on."""

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
