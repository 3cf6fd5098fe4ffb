"""The serial console of a virtual machine: attach, read without pause, detach.

A thread reads all the time: a console that is attached and not read stalls the guest's boot and shutdown (seen: a
poweroff hung for a minute). What was read goes, without the password, to a transcript only its owner may read.
"""

import contextlib
import os
import re
import select
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pexpect

from mxlib.adapters.redact import redact
from mxlib.adapters.secret import Secret
from mxlib.adapters.transcript import Transcript
from mxlib.base.clock import Clock, SystemClock
from mxlib.base.errors import HostError
from mxlib.nic.screen import Screen, look, plain, quiet

DETACH = b"\x1d"
"""Ctrl-]: ends the socat of ``gnt-instance console``."""
_KEPT = 1 << 20
_TAIL = 16384
_LOOKS_UP_S = 0.5
_COLUMNS, _ROWS = 500, 50
_ENDS_S = 8.0


class ConsoleError(HostError):
    """The console cannot be used.

    Attributes:
        screen: what was last seen on it, None if nothing was.
    """

    def __init__(self, why: str, screen: Screen | None = None) -> None:
        seen = f"\nlast seen on the console:\n{screen.last}" if screen is not None and screen.last else ""
        super().__init__(why + seen)
        self.why = why
        self.screen = screen


class ConsoleBusyError(ConsoleError):
    """Somebody else holds the console: it is attached and stays silent until they leave."""


class ConsoleEndedError(ConsoleError):
    """The command that joins us to the console ended by itself."""


class ConsoleLoginError(ConsoleError):
    """The login was refused, or asks for more than the password.

    Attributes:
        advice: what a person should do next; empty where the password itself is to be looked at.
    """

    advice = ""


class ConsoleExpiredError(ConsoleLoginError):
    """The password was taken, and has to be changed before anybody gets in."""

    advice = "Log in by hand and change it, then put the new one into the password file: gnt-instance console {name}"


class ConsoleMuteError(ConsoleLoginError):
    """A name was typed at the login prompt, and nothing came after it."""

    advice = "The host is too busy for a login, or its login hangs. Log in by hand: gnt-instance console {name}"


class ConsoleStateError(ConsoleError):
    """The machine is not at a prompt that can be used: see the screen."""


class Console:
    """One attachment to a serial console, by a command that joins it to a terminal.

    Arguments:
        argv: the command, such as ``ssh -tt MASTER gnt-instance console NAME``; holds no secret.
        secret: the password that is masked in all that is shown.
        transcript: file for what is seen; None: none is kept.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        secret: Secret | None = None,
        transcript: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.argv = tuple(argv)
        self.clock = clock or SystemClock()
        self._secret = secret
        self._transcript = Transcript(transcript, secret)
        self.transcript = self._transcript.path
        self._seen = bytearray()
        self._words = bytearray()
        self._news = threading.Condition()
        self._pieces = 0
        self._ended = False
        self._leaving = False
        self._last_came = self.clock.monotonic()
        self._child: pexpect.spawn[bytes] | None = None
        self._reader: threading.Thread | None = None

    def attach(self) -> None:
        """Start the command and read from it in the background.

        Raises:
            ConsoleError: the command cannot be started.
        """
        self._ended = self._leaving = False
        command, arguments = self.argv[0], list(self.argv[1:])
        try:
            self._child = pexpect.spawn(command, arguments, timeout=None, dimensions=(_ROWS, _COLUMNS), echo=False)
        except (pexpect.ExceptionPexpect, OSError) as error:
            raise ConsoleError(f"cannot start {command}: {error}") from None
        self._child.delaybeforesend = None
        self._reader = threading.Thread(target=self._drain, args=(self._child,), name="console", daemon=True)
        self._reader.start()

    def _drain(self, child: "pexpect.spawn[bytes]") -> None:
        descriptor = child.child_fd
        while True:
            try:
                if not select.select([descriptor], [], [], _LOOKS_UP_S)[0] and not self._leaving:
                    continue
                piece = os.read(descriptor, 65536) if not self._leaving else b""
            except OSError:  # EIO: the other side of the terminal is gone
                piece = b""
            with self._news:
                self._take(piece)
                self._news.notify_all()
            if not piece:
                return

    def _take(self, piece: bytes) -> None:
        self._ended = not piece
        self._pieces += 1
        self._last_came = self.clock.monotonic()
        self._transcript.write(piece)
        self._words = (self._words + piece)[-_TAIL:]
        self._seen += piece
        del self._seen[: max(0, len(self._seen) - _KEPT)]

    @property
    def alive(self) -> bool:
        """Whether the attachment still stands: it ends when the virtual machine's process ends."""
        return self._child is not None and not self._ended

    def forget(self) -> None:
        """Forget what was seen so far, so that a wait is for an answer and not for an old echo."""
        with self._news:
            self._seen.clear()

    def send(self, text: str) -> None:
        """Type.

        Raises:
            ConsoleError: the attachment has ended.
        """
        if self._child is None or self._ended:
            raise ConsoleError("the console is not attached", self.screen())
        try:
            self._child.send(text.encode())
        except OSError:
            raise ConsoleError("the console went away while typing", self.screen()) from None

    def text(self) -> str:
        """Return what was seen, but for what kernel and systemd said. Not to be shown: it may hold the password."""
        return quiet(plain(self._raw(_KEPT)))

    def seen(self, pattern: "re.Pattern[str]") -> bool:
        """Whether a text was seen since :meth:`forget`, in what kernel and systemd say too."""
        return bool(pattern.search(plain(self._raw(_KEPT))))

    def screen(self) -> Screen:
        """Return what the console waits for; safe to show."""
        return look(redact(self._raw(_TAIL), self._secret))

    def last_words(self) -> str:
        """Return the last lines that came at all, also before :meth:`forget`; safe to show."""
        with self._news:
            text = bytes(self._words).decode(errors="replace")
        return look(redact(text, self._secret)).last

    def excerpt(self, lines: int) -> tuple[str, ...]:
        """Return the last lines of all that was seen, kernel and systemd included; safe to show."""
        shown = plain(redact(self._raw(_KEPT), self._secret)).splitlines()
        return tuple([line.rstrip()[:_COLUMNS] for line in shown if line.strip()][-lines:])

    def _raw(self, length: int) -> str:
        with self._news:
            return bytes(self._seen[-length:]).decode(errors="replace")

    def wait(self, met: Callable[[str], bool], *, timeout: float) -> bool:
        """Wait until what was seen meets a condition.

        Arguments:
            met: asked with the end of :meth:`text`, each time something came.
            timeout: seconds.

        Returns:
            Whether it was met; False also when the attachment ended without it.
        """
        end = self.clock.monotonic() + timeout
        while True:
            with self._news:
                known, ended = self._pieces, self._ended
            if met(quiet(plain(self._raw(_TAIL)))):
                return True
            left = end - self.clock.monotonic()
            if left <= 0 or ended:
                return False
            with self._news:
                if self._pieces == known:
                    self._news.wait(min(left, 1.0))

    def wait_for(self, pattern: "re.Pattern[str]", *, timeout: float) -> "re.Match[str] | None":
        """Wait for a text, and return its match; None if it did not come in time."""
        self.wait(lambda text: bool(pattern.search(text)), timeout=timeout)
        return pattern.search(self.text())

    def settle(self, *, still: float, timeout: float) -> Screen:
        """Return the screen once nothing has come for a while, or at the timeout.

        Arguments:
            still: seconds without output that count as rest.
            timeout: seconds.
        """
        end = self.clock.monotonic() + timeout
        with self._news:
            while not self._ended:
                now = self.clock.monotonic()
                rest = self._last_came + still - now
                if rest <= 0 or now >= end:
                    break
                self._news.wait(min(rest, end - now))
        return self.screen()

    def detach(self) -> None:
        """Leave by Ctrl-], else by hanging up, and note it in the transcript. May be called twice."""
        child, self._child = self._child, None
        if child is None:
            return
        if not self._ended:
            with contextlib.suppress(OSError):
                child.send(DETACH)
            self.wait(lambda _: self._ended, timeout=_ENDS_S)
        self._leaving = True  # the reader leaves the descriptor alone before it is closed
        if self._reader is not None:
            self._reader.join(timeout=4 * _LOOKS_UP_S)
        with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
            child.close(force=True)
        self._transcript.note("detached")

    def close(self) -> None:
        """Detach and close the transcript."""
        self.detach()
        self._transcript.close()

    def reattach(self, *, timeout: float, every: float = 1.0) -> bool:
        """Attach again after the virtual machine's process ended, trying until the timeout.

        Arguments:
            timeout: seconds until it is given up.
            every: seconds an attachment must live to count, and between two attempts.

        Returns:
            Whether an attachment stands.
        """
        end = self.clock.monotonic() + timeout
        while self.clock.monotonic() < end:
            self.detach()
            self.attach()
            self.wait(lambda _: self._ended, timeout=every)
            if self.alive:
                return True
            self.clock.sleep(min(every, max(0.0, end - self.clock.monotonic())))
        return False

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
