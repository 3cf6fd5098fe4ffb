"""A root shell over a serial console, as one more :class:`mxlib.protocols.host.Host`.

A serial line mixes what we asked for with kernel messages, late boot output and echoes. So: prompts and markers are
random and typed in two halves (their echo cannot match); a script goes over compressed in short lines and is checked by
cksum before it runs; its output stays in the guest's memory, comes back in marked lines with a checksum, and is printed
again if the line was disturbed. A script is never run twice. The shell ends by itself after a while: should this
program be killed, no root shell stays open on the console.
"""

import base64
import contextlib
import gzip
import re
import secrets
from typing import Self

from mxlib.adapters.console import Console, ConsoleError, ConsoleStateError
from mxlib.adapters.console_login import ConsoleLogin, Login, Pace
from mxlib.adapters.limited import ended, noted
from mxlib.base.errors import CommandFailedError, CommandTimeoutError, InterruptedRunError, MxlibError
from mxlib.base.text import one_line
from mxlib.nic.screen import Waiting
from mxlib.protocols.host import CommandResult

_CHUNK = 600  # below the 4096 of a terminal's line buffer, with room for noise

_STARTS, _UPLOADS, _PRINTS = 3, 3, 5
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = f"env -i HOME=/root USER=root TERM=dumb LC_ALL=C HISTFILE= PATH={_PATH}"
_LONGEST_S = 900
# Sent over once and checked, so that little is typed for each script: go runs the script in M, under a name; show
# prints what became of it, with its name and checksum. A child may outlive its script: hence a file, not a pipe. Where
# there is no room for a page more, the output may be cut: then there is no answer.
_RUNNER = """\
go() {
K=; S=$(printf %s "$M" | base64 -d | gzip -dc) && T=$(mktemp -p SCRATCH mx.XXXXXX) || return
timeout -k 5 "$2" /bin/sh -c "$S" </dev/null >"$T" 2>&1
printf '\\n%s-limit %s\\n' "$1" $? >>"$T"
head -c 4096 /dev/zero >"$T.room" && K=$1
O=$(gzip -c "$T" | base64 -w 100); rm -f "$T" "$T.room"; C=$(printf %s "$O" | cksum | cut -d" " -f1)
}
show() { printf '%s\\n' "$O" | sed "s/^/$1:/"; printf '%s=%s=\\n' "$K" "$C"; }
"""


def cksum(data: bytes) -> int:
    """Return what the command cksum prints first for these bytes (POSIX)."""
    length, register = len(data), 0
    tail = bytearray()
    while length:
        tail.append(length & 0xFF)
        length >>= 8
    for byte in data + bytes(tail):
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ 0x04C11DB7 if register & 0x80000000 else register << 1
            register &= 0xFFFFFFFF
    return register ^ 0xFFFFFFFF


class SerialShell:
    """A shell of our own on the console: logged in by us, logged out by us.

    Arguments:
        console: an attached console.
        name: the host's name, for results.
    """

    ANSWER_S, STILL_S, LEAVE_S = 15.0, 0.6, 6.0
    SCRATCH = "/run"
    PRINTK = "/proc/sys/kernel/printk"
    UID = "0"

    def __init__(self, console: Console, name: str, login: Login) -> None:
        self._console = console
        self._name = name
        self._login = login
        token = secrets.token_hex(8)
        self._halves = (f"Q{token[:6]}", token[6:])
        self._prompt = re.compile(re.escape("".join(self._halves)) + r"> *\Z")
        self._level: str | None = None
        self._open = False
        self._entry: ConsoleLogin | None = None

    @property
    def name(self) -> str:
        """Fully qualified name."""
        return self._name

    # --- in

    def open(self) -> None:
        """Find a prompt, log in, and start a shell of our own.

        Raises:
            mxlib.adapters.console.ConsoleLoginError: the login was refused, or asks for more than the password.
            mxlib.adapters.console.ConsoleStateError: the machine waits for something else.
            mxlib.adapters.console.ConsoleEndedError: the command that joins us to the console ended.
            mxlib.adapters.console.ConsoleError: no prompt within the time.
        """
        self._entry = ConsoleLogin(self._console, self._name, self._login, uid=self.UID, pace=self.pace)
        self._entry.enter()
        self._start_shell(self._entry)

    @property
    def pace(self) -> Pace:
        """How long each wait lasts."""
        return Pace(self.ANSWER_S, self.STILL_S, self.LEAVE_S)

    @property
    def found_logged_in(self) -> bool:
        """Whether a root shell was open already."""
        return self._entry is not None and self._open and not self._entry.passwords

    @property
    def autologin(self) -> bool:
        """Whether the console's getty logs root in by itself, so that it never shows a login prompt."""
        return self._entry is not None and self._entry.autologin

    def _start_shell(self, entry: ConsoleLogin) -> None:
        self._open = True
        for attempt in range(_STARTS):
            if attempt:
                self._enter_again(entry)
            if self._exec_shell():
                break
        else:
            raise ConsoleError("no shell of our own could be started on the console", self._console.screen())
        self._type("stty -echo -ixon cols 500")
        self._upload(_RUNNER.replace("SCRATCH", self.SCRATCH))
        self._type('eval "$(printf %s "$M" | base64 -d | gzip -dc)"')
        if self._value("id -u") != self.UID:
            raise ConsoleStateError("the shell on the console is not root's", self._console.screen())
        # Kernel messages below emergency stay off the line while it is ours.
        self._level = self._value(f"cut -f1 {self.PRINTK}; echo 1 >{self.PRINTK}")

    def _enter_again(self, entry: ConsoleLogin) -> None:
        """Find a shell once more: the one before may have ended, and what is typed next would be a name for login."""
        if not entry.no_shell():
            self._console.send("\x03\r")  # a quote may have been lost: the shell waits for the other one
        entry.enter()

    def _exec_shell(self) -> bool:
        left, right = self._halves
        limited = f"timeout --foreground -k 5 -s HUP {_LONGEST_S} /bin/sh"
        self._console.forget()
        self._console.send(f"\x03\r exec {_ENVIRONMENT} PS1='{left}''{right}> ' PS2= {limited}\r")
        return self._at_prompt(self.ANSWER_S)

    # --- out

    def close(self) -> None:
        """Log out, whatever state the line is in; the console itself stays attached. Never raises."""
        entry = self._entry
        if entry is None or not (self._open or entry.entered):
            return
        ours, self._open = self._open, False
        with contextlib.suppress(MxlibError, InterruptedRunError):
            if not self._console.alive and not self._console.reattach(timeout=self.ANSWER_S):
                return
            if ours and not entry.is_over(self._console.text()):
                self._end_ours(entry)
            entry.leave()

    def _end_ours(self, entry: ConsoleLogin) -> None:
        """Put the kernel's level back and end our shell, if it answers."""
        self._console.send("\x03\r")
        if not self._at_prompt(5.0):
            return
        with contextlib.suppress(ConsoleError):
            if self._level is not None and self._level.isdigit():
                self._type(f"echo {self._level} >{self.PRINTK}")
            self._console.forget()
            self._console.send("exit\r")
            self._console.wait(entry.is_over, timeout=10.0)

    @property
    def logged_out(self) -> bool:
        """Whether the console shows a login prompt, or is gone: no shell of ours is left on it."""
        entered = self._entry is not None and self._entry.entered
        there = self._console.alive and self._console.screen().waiting is not Waiting.LOGIN
        return not (self._open or entered or there)

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- lines

    def _at_prompt(self, timeout: float) -> bool:
        return self._console.wait(lambda text: bool(self._prompt.search(text)), timeout=timeout)

    def _type(self, line: str, timeout: float | None = None) -> str:
        """Type one line, wait for our prompt, and return what came before it."""
        self._refuse_gone()
        self._console.forget()
        # The prompt may have been hit by a message; or a quote was lost, and the shell waits for the other one.
        for keys, limit in ((line + "\r", timeout or self.ANSWER_S), ("\r", 5.0), ("\x03\r", 5.0)):
            self._refuse_gone()
            self._console.send(keys)
            if self._at_prompt(limit):
                return self._prompt.sub("", self._console.text())
        raise ConsoleError("the shell on the console does not answer", self._console.screen())

    def _refuse_gone(self) -> None:
        """Refuse to type where our shell has ended: a line would be a name for login, or choose an entry in GRUB.

        Raises:
            mxlib.adapters.console.ConsoleStateError: it has.
        """
        if self._entry is not None and self._entry.no_shell():
            screen = self._console.screen()
            raise ConsoleStateError(f"our shell has ended: the console shows {screen.waiting.value}", screen)

    def _value(self, command: str) -> str:
        return self._run(command, 10.0)[1].strip()

    # --- scripts

    def _upload(self, script: str) -> None:
        packed = base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()
        wanted = f"<{cksum(packed.encode())}>"
        for _ in range(_UPLOADS):
            self._type("M=")
            for start in range(0, len(packed), _CHUNK):
                self._type(f'M="$M"{packed[start : start + _CHUNK]}')
            if wanted in self._type("""printf '<%s>' "$(printf %s "$M" | cksum | cut -d' ' -f1)" """):
                return
        raise ConsoleError(f"a script did not arrive whole in {_UPLOADS} attempts: the line loses characters")

    def _run(self, script: str, timeout: float) -> tuple[int | None, str]:
        """Return the exit code, None where the time limit ended the script, and the output."""
        mark = secrets.token_hex(6)
        self._upload(noted(script, mark))
        self._type(f"go {mark} {timeout:g}", timeout + self.ANSWER_S)
        for _ in range(_PRINTS):
            printed = _received(self._type(f"show {mark}"), mark)
            answer = ended(printed, mark) if printed is not None else None
            if answer is not None:
                return answer
        raise ConsoleError(f"an output did not come whole over the console in {_PRINTS} attempts")

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Run a read-only script; see :class:`mxlib.protocols.host.Host`."""
        clock = self._console.clock
        started, begin = clock.now(), clock.monotonic()
        code, output = self._run(script, timeout)
        if code is None:
            raise CommandTimeoutError(f"{self._name} (console): no end within {timeout:g} s: {one_line(script)}")
        return CommandResult(script, code, output, started, clock.monotonic() - begin)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Run a script that changes the host; see :class:`mxlib.protocols.host.Host`."""
        result = self.read(script, timeout=timeout)
        if result.exit_code not in ok_codes:
            said = one_line(result.output)
            raise CommandFailedError(f"{self._name} (console): exit code {result.exit_code}: {said}")
        return result


def _received(shown: str, mark: str) -> str | None:
    """Return the output between the marks; None when it did not come whole."""
    end = re.search(rf"{mark}=(\d+)=", shown)
    packed = "\n".join(re.findall(rf"^{mark}:([A-Za-z0-9+/=]*) *$", shown, re.MULTILINE))
    if end is None or cksum(packed.encode()) != int(end[1]):
        return None
    return gzip.decompress(base64.b64decode(packed)).decode(errors="replace")
