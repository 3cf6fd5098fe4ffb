"""Passwords: read from a protected file or a prompt, and never shown by accident."""

import getpass
import os
import stat
import sys
from pathlib import Path

from mxlib.adapters.live_line import live_line_of
from mxlib.base.errors import MxlibError

_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


class SecretError(MxlibError):
    """A password cannot be read: says where it was to come from and why not, never what was read."""


class Secret:
    """A text that prints as stars; only :meth:`reveal` returns it, at the one place that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text or "\n" in text or "\r" in text:
            raise SecretError("a password must be one line, and not empty")
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be pickled")


def from_file(path: Path) -> Secret:
    """Read the first line of a file that only its owner may read.

    Raises:
        SecretError: no such file, an empty one, or one that others may read.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            line = stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"password file {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    if mode & _OTHERS_MAY_READ:
        raise SecretError(f"password file {path}: group or others may read it (mode {mode & 0o777:04o}), expected 0600")
    if not line:
        raise SecretError(f"password file {path}: its first line is empty")
    return Secret(line)


def from_prompt(question: str) -> Secret:
    """Ask on the terminal, without echo.

    Raises:
        SecretError: no terminal, or nothing was typed.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise SecretError(f"{question}: no password file is configured, and there is no terminal to ask on")
    live_line_of(sys.stderr).clear()
    try:
        return Secret(getpass.getpass(f"{question}: "))
    except EOFError:
        raise SecretError(f"{question}: nothing was typed") from None


def from_file_or_prompt(path: Path | None, question: str) -> Secret:
    """Return the password from the file where one is configured, else from the terminal."""
    return from_file(path) if path is not None else from_prompt(question)
