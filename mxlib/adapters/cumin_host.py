"""A host reached through Spicerack and cumin; their traps are handled here, and nobody else has to know them.

Cumin reports its own status (1, 2, 4) and never the remote exit code, merges standard error, loses text around lone
carriage returns, breaks on bytes that are not UTF-8, writes every command line to the log several times (and Spicerack
to the terminal in a dry run), and in a dry run takes ssh's error text for an answer (tried on Spicerack 14, cumin 6,
ClusterShell 1.9.3). So the command line is ``sh -s`` with a few words about what is asked. The script travels on its
standard input, and the output comes back as base64 between marks of our own, with the exit code inside.
"""

import base64
import binascii
import logging
import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import ClusterShell.Worker.Ssh  # noqa: F401
from ClusterShell.Task import task_self
from cumin.transports import Command
from spicerack.remote import RemoteExecutionError, RemoteHosts

from mxlib.adapters.limited import ended, noted
from mxlib.base.clock import Clock
from mxlib.base.errors import CommandFailedError, CommandTimeoutError, HostError, HostUnreachableError
from mxlib.base.journal import EventLog, NoJournal
from mxlib.base.text import one_line, printable
from mxlib.protocols.host import CommandResult, purpose

# ClusterShell loads its worker when it is first used, and two threads at once meet it half loaded ("partially
# initialized module 'ClusterShell.Worker.Ssh'", seen): so it is imported above, before there are threads.
logger = logging.getLogger(__name__)

_GRACE_S = 10.0
"""Seconds that the local ssh gets beyond the script's own time: to connect, and to return the answer."""
_LINE = 76
"""Characters of each line that base64(1) prints, but for the last one."""
_SCRIPT = 6000
"""Characters of a script that are written down."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 .,:;/@=+_()-]+")
"""What a name may not have: ClusterShell replaces %hosts in a command line, and a shell is to read it as one word."""


class _Transport(Protocol):
    def __call__(self, what: str, script: str, *, timeout: float, is_safe: bool) -> str:
        """Run a script under a name, and return all that was printed."""


def wrap(script: str, timeout: float, mark: str) -> str:
    """Wrap a script so that its output and its exit code come back undamaged.

    A shell reads a whole ``{ }`` before it runs any of it: where the connection breaks on the way, nothing is run. The
    answer is closed after the exit code by sed(1): what the script leaves behind may hold its output open for ever.
    What comes after that meets a closed pipe, and where SIGPIPE is ignored the shell says so: not into the answer.

    Arguments:
        script: POSIX sh, of any length.
        timeout: seconds until it is ended on the host.
        mark: a token that does not occur by chance.
    """
    return f"""\
{{
echo {mark}-begin
{{
timeout -k 5 {timeout:g} sh <<'{mark}-script' 2>&1
{noted(script, mark)}
{mark}-script
code=$?
{{ echo; echo {mark}-limit $code; }} 2>/dev/null
}} | LC_ALL=C sed -E '/^{mark}-(code|limit) /q' | base64
echo {mark}-end
}}
"""


def unwrap(printed: str, mark: str) -> tuple[int | None, str] | None:
    """Return the exit code and the output from what the script of :func:`wrap` printed.

    A machine that goes down takes its connections along, at times between the last line of a script and our own: the
    exit code, whole to its line's end, is what shows that the script came to its end. ssh's own words may stand
    between the lines, and are left out; where a line could be either, the answer counts as damaged.

    Arguments:
        printed: all that came back.
        mark: the token it was wrapped with.

    Returns:
        The code is None where the time limit ended the script. None: the script did not come to its end, the answer is
        damaged, or the connection was never there.
    """
    found = re.search(rf"{mark}-begin\s(.*?)(?:{mark}-end|\Z)", printed, re.DOTALL)
    if found is None:
        return None
    lines = [line for line in found[1].splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]+", line)]
    if any(len(line) != _LINE for line in lines[:-1]):
        return None
    try:
        text = base64.b64decode("".join(lines), validate=True).decode(errors="replace")
    except binascii.Error:
        return None
    return ended(text, mark)


class _NamedCommand(Command):  # type: ignore[misc]
    """A shell that reads a script; in every log it is shown by what the script is for."""

    def __init__(self, what: str, timeout: float):
        super().__init__(f"sh -s -- {shlex.quote(_UNSAFE.sub(' ', what))}", timeout=timeout)
        self._what = what

    def __repr__(self) -> str:
        return self._what

    def __str__(self) -> str:
        return self._what


@contextmanager
def _standard_input(text: str) -> Iterator[None]:
    """Hand a text to whatever ClusterShell starts in this thread: cumin closes the standard input of its commands."""
    task = task_self()
    plain = task.default("distant_worker")

    def fed(*args: Any, **kwargs: Any) -> Any:
        worker = plain(*args, **kwargs)
        worker.write(text.encode())
        worker.set_write_eof()
        return worker

    task.set_default("distant_worker", fed)
    try:
        yield
    finally:
        task.set_default("distant_worker", plain)


def cumin_transport(remote: RemoteHosts) -> _Transport:
    """Return what runs scripts through Spicerack, on exactly one host."""

    def run(what: str, script: str, *, timeout: float, is_safe: bool) -> str:
        command = _NamedCommand(what, timeout)
        try:
            with _standard_input(script):
                results = list(
                    remote.run_sync(command, is_safe=is_safe, print_output=False, print_progress_bars=False)
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
        check: Callable[[float], None] = lambda _seconds: None,
        note: Callable[[float], None] = lambda _seconds: None,
        events: EventLog | None = None,
        within: float | None = None,
    ) -> None:
        """Keep what is needed to reach it.

        Arguments:
            dry_run: whether scripts that change the host are only named in the log.
            check: called before each script with the seconds that it may take, and after a reading without an answer;
                raises where the run is to stop.
            note: called after each script with the seconds that it took.
            events: where each script is written down.
            within: seconds within which any script has to be back, connection included; None: its own time, and some
                more to get there.
        """
        self._name = name
        self._transport = transport
        self._clock = clock
        self._dry_run = dry_run
        self._check = check
        self._note = note
        self._events = events or NoJournal()
        self._within = within

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
            logger.info("%s: would %s", self._name, purpose(script))
            return CommandResult(script, 0, "", self._clock.now(), 0.0)
        result = self._run(script, timeout, is_safe=False)
        if result.exit_code not in ok_codes:
            said = one_line(result.output) or purpose(script)
            raise CommandFailedError(f"{self._name}: exit code {result.exit_code}: {said}")
        return result

    def _run(self, script: str, timeout: float, *, is_safe: bool) -> CommandResult:
        timeout = timeout if self._within is None else min(timeout, self._within)
        limit = timeout + _GRACE_S if self._within is None else self._within
        self._check(limit)
        mark = "mx" + secrets.token_hex(8)
        started, begin = self._clock.now(), self._clock.monotonic()
        wrapped = wrap(script, timeout, mark)
        printed = self._transport(purpose(script), wrapped, timeout=limit, is_safe=is_safe)
        seconds = self._clock.monotonic() - begin
        self._note(seconds)
        answer = unwrap(printed, mark)
        self._write_down(script, None if answer is None else answer[0], seconds, is_safe=is_safe)
        if answer is None and is_safe:
            # a terminal's Ctrl-C, and systemd's stop, end ssh as well: that says nothing of the host
            self._check(0.0)
        if answer is None:
            raise self._silent(printed, mark, seconds, timeout)
        code, output = answer
        if code is None:
            raise CommandTimeoutError(f"{self._name}: no end within {timeout:g} s: {purpose(script)}")
        return CommandResult(script, code, output, started, seconds)

    def _write_down(self, script: str, code: int | None, seconds: float, *, is_safe: bool) -> None:
        """Write down what was run; of what only reads, just what it is for. No script holds a password."""
        acted = {} if is_safe else {"script": printable(script)[:_SCRIPT]}
        took = round(seconds, 3)
        self._events.write("command", host=self._name, what=purpose(script), code=code, seconds=took, **acted)

    def _silent(self, printed: str, mark: str, seconds: float, timeout: float) -> HostError:
        said = one_line(printed.replace(f"{mark}-begin", "")) or "no word from ssh"
        if seconds >= timeout:
            return CommandTimeoutError(f"{self._name}: no end within {seconds:.0f} s: {said}")
        if f"{mark}-begin" in printed:
            return HostUnreachableError(f"{self._name}: the connection broke: {said}")
        return HostUnreachableError(f"{self._name}: no session: {said}")
