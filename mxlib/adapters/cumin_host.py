"""A host reached through Spicerack and cumin, with their traps kept behind this wall.

Cumin reports its own status (1, 2, 4) and never the remote exit code, merges standard error, loses text around lone
carriage returns, breaks on bytes that are not UTF-8, and in a dry run takes ssh's error text for an answer (tried on
Spicerack 14, cumin 6, ClusterShell 1.9.3). So the script travels as base64, its output comes back as base64 between
marks of our own, with the exit code inside.
"""

import base64
import binascii
import logging
import re
import secrets
from collections.abc import Callable
from typing import Protocol

import ClusterShell.Worker.Ssh  # noqa: F401
from cumin.transports import Command
from spicerack.remote import RemoteExecutionError, RemoteHosts

from mxlib.base.clock import Clock
from mxlib.base.errors import CommandFailedError, CommandTimeoutError, HostError, HostUnreachableError
from mxlib.base.text import one_line, printable
from mxlib.protocols.host import CommandResult

# ClusterShell loads its worker when it is first used, and two threads at once meet it half loaded ("partially
# initialized module 'ClusterShell.Worker.Ssh'", seen): so it is imported above, before there are threads.
logger = logging.getLogger(__name__)

_GRACE_S = 10.0
"""What the local ssh gets beyond the script's own time: the connection and the way back."""
_TIMED_OUT = (124, 137)
"""Exit codes of timeout(1): by its signal, and killed after it."""
_MAX_SCRIPT = 90_000
"""A single argument may have 128 KiB on Linux, and base64 adds a third."""


class _Transport(Protocol):
    def __call__(self, command: str, *, timeout: float, is_safe: bool) -> str:
        """Run a command line and give back all that was printed."""


def wrap(script: str, timeout: float, mark: str) -> str:
    """The command line that runs a script and sends its output home undamaged.

    Arguments:
        script: POSIX sh.
        timeout: seconds until it is ended on the host.
        mark: a token that does not occur by chance.

    Raises:
        mxlib.base.errors.HostError: the script is too long for one argument.
    """
    if len(script) > _MAX_SCRIPT:
        raise HostError(f"script of {len(script)} characters: too long for one command")
    packed = base64.b64encode(script.encode()).decode()
    run = f'timeout -k 5 {timeout:g} sh -c "$(echo {packed} | base64 -d)" </dev/null 2>&1'
    return f"echo {mark}-begin; {{ {run}; code=$?; echo; echo {mark}-code $code; }} | base64; echo {mark}-end"


def unwrap(printed: str, mark: str) -> tuple[int, str] | None:
    """The exit code and the output out of what :func:`wrap`'s command printed.

    Arguments:
        printed: all that came back.
        mark: the token it was wrapped with.

    A machine that goes down takes its connections along, at times between the last line of a script and our own: the
    exit code, whole to its line's end, is what shows that the script came to its end.

    Returns:
        None: the command did not come to its end, or the connection was never there.
    """
    found = re.search(rf"{mark}-begin\s(.*?)(?:{mark}-end|\Z)", printed, re.DOTALL)
    if found is None:
        return None
    lines = [line for line in found[1].split() if re.fullmatch(r"[A-Za-z0-9+/=]+", line)]
    try:
        text = base64.b64decode("".join(lines), validate=True).decode(errors="replace")
    except binascii.Error:
        return None
    output, _, code = text.rpartition(f"\n{mark}-code ")
    return (int(code), output) if re.fullmatch(r"[0-9]+\n", code) else None


def cumin_transport(remote: RemoteHosts) -> _Transport:
    """Run command lines through Spicerack.

    Arguments:
        remote: exactly one host.
    """

    def run(command: str, *, timeout: float, is_safe: bool) -> str:
        try:
            results = list(
                remote.run_sync(
                    Command(command, timeout=timeout),
                    is_safe=is_safe,
                    print_output=False,
                    print_progress_bars=False,
                )
            )
        except RemoteExecutionError as error:
            results = list(error.results)
        return "\n".join(output.message().decode(errors="replace") for _, output in results)

    return run


class CuminHost:
    """A machine behind Spicerack's remote()."""

    def __init__(
        self,
        name: str,
        transport: _Transport,
        clock: Clock,
        *,
        dry_run: bool,
        check: Callable[[], None] = lambda: None,
        note: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """Keep what is needed to reach it.

        Arguments:
            name: fully qualified name.
            transport: how a command line gets there.
            clock: the time to live in.
            dry_run: only show what changes the host.
            check: called before each command; raises where the run is to stop.
            note: told after each command how many seconds it took.
        """
        self._name = name
        self._transport = transport
        self._clock = clock
        self._dry_run = dry_run
        self._check = check
        self._note = note

    @property
    def name(self) -> str:
        """Fully qualified name."""
        return self._name

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Run a read-only script; see :meth:`mxlib.protocols.host.Host.read`."""
        return self._run(script, timeout, is_safe=True)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Run a script that changes the host; see :meth:`mxlib.protocols.host.Host.act`."""
        if self._dry_run:
            logger.info("would run on %s: %s", self._name, printable(script))
            return CommandResult(script, 0, "", self._clock.now(), 0.0)
        result = self._run(script, timeout, is_safe=False)
        if result.exit_code in _TIMED_OUT:
            raise CommandTimeoutError(f"{self._name}: no end within {timeout:g} s: {one_line(script, 80)}")
        if result.exit_code not in ok_codes:
            raise CommandFailedError(
                f"{self._name}: exit code {result.exit_code}: {one_line(result.output) or one_line(script, 80)}"
            )
        return result

    def _run(self, script: str, timeout: float, *, is_safe: bool) -> CommandResult:
        self._check()
        mark = "mx" + secrets.token_hex(8)
        started, begin = self._clock.now(), self._clock.monotonic()
        printed = self._transport(wrap(script, timeout, mark), timeout=timeout + _GRACE_S, is_safe=is_safe)
        seconds = self._clock.monotonic() - begin
        self._note(seconds)
        answer = unwrap(printed, mark)
        if answer is None:
            raise self._silent(printed, mark, seconds, timeout)
        return CommandResult(script, answer[0], answer[1], started, seconds)

    def _silent(self, printed: str, mark: str, seconds: float, timeout: float) -> HostError:
        said = one_line(printed.replace(f"{mark}-begin", "")) or "no word from ssh"
        if seconds >= timeout:
            return CommandTimeoutError(f"{self._name}: no end within {seconds:.0f} s: {said}")
        if f"{mark}-begin" in printed:
            return HostUnreachableError(f"{self._name}: the connection broke: {said}")
        return HostUnreachableError(f"{self._name}: no session: {said}")
