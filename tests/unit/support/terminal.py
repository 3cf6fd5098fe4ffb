"""A real terminal for a test: a program runs in a pseudo-terminal, and what stands on its screen is read by pyte."""

import os
import sys
import time

import pexpect
import pyte

ROWS = 40


class Terminal:
    """A Python program in a terminal.

    Arguments:
        code: the program.
        columns: how wide the terminal is.
        echo: whether what is typed is shown, as terminals do.
        environment: changes the program's environment; None takes a variable away.
    """

    def __init__(self, code, *, columns=80, echo=False, **environment):
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "COLUMNS")}
        wanted = {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
        self.raw = b""
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn(
            sys.executable,
            ["-c", code],
            dimensions=(ROWS, columns),
            env={name: value for name, value in wanted.items() if value is not None},
            timeout=30,
            echo=echo,
        )

    @property
    def lines(self):
        """What stands on the screen, without the empty lines at its end."""
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def shows(self, text, seconds=30.0):
        """Wait until a text stands on the screen; its lines."""
        end = time.monotonic() + seconds
        while not any(text in line for line in self.lines):
            assert time.monotonic() < end, f"no {text!r} on the screen:\n" + "\n".join(self.lines)
            assert self._read(), f"the program ended without {text!r}:\n" + "\n".join(self.lines)
        return self.lines

    def type(self, text):
        """Type."""
        self._child.send(text)

    def resize(self, columns):
        """Make the terminal wider or narrower."""
        self._read()
        self._screen.resize(ROWS, columns)
        self._child.setwinsize(ROWS, columns)

    def stays(self, seconds):
        """Let time pass, and take what comes meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self._read(), "the program ended:\n" + "\n".join(self.lines)

    def end(self):
        """Wait for the program's end; what stands on the screen then, and its exit code."""
        end = time.monotonic() + 30
        while self._read():
            assert time.monotonic() < end, "the program does not end:\n" + "\n".join(self.lines)
        self._child.wait()
        return self.lines, self._child.exitstatus

    def _read(self):
        """Take what has come; whether the program still runs."""
        try:
            piece = self._child.read_nonblocking(65536, timeout=0.5)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += piece
        self._stream.feed(piece)
        return True
