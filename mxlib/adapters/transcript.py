"""The transcript of a console: everything seen, without the password, in a file for its owner alone."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from mxlib.adapters.redact import Redactor
from mxlib.adapters.secret import Secret
from mxlib.base.errors import MxlibError

_NAMES = 10


class TranscriptError(MxlibError):
    """No file can be had that only its owner reads."""


class Transcript:
    """A file of everything seen.

    It goes on in the file of an earlier session of the same run. One of that name that others may read, or that is not
    ours, is left alone: another name is taken.

    Attributes:
        path: the file; None for none.
    """

    def __init__(self, path: Path | None, secret: Secret | None) -> None:
        """Open it.

        Raises:
            TranscriptError: neither the file nor the next ones of its name can be had.
            OSError: its directory cannot be made.
        """
        self.path = path
        self._redactor = Redactor(secret)
        self._file = -1
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path, self._file = _open_private(path)

    def write(self, piece: bytes) -> None:
        """Note what came."""
        self._put(self._redactor.feed(piece))

    def note(self, text: str) -> None:
        """Note something about the session itself, on a line of its own."""
        self._put(self._redactor.flush() + f"\n--- {text} ---\n".encode())

    def close(self) -> None:
        """Note what was held back, and close."""
        self._put(self._redactor.flush())
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _put(self, shown: bytes) -> None:
        if self._file >= 0 and shown:
            with contextlib.suppress(OSError):  # a full disk must not end the repair
                os.write(self._file, shown)


def _open_private(path: Path) -> tuple[Path, int]:
    """Open a file that only its owner reads: this one, or the next one of its name that is ours alone or not there."""
    for name in (path, *(path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, _NAMES))):
        try:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                continue
            raise TranscriptError(f"{name}: the transcript cannot be opened: {error.strerror}") from None
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return name, file
        os.close(file)
    expected = "expected a file that only its owner may read, or a name that is free"
    raise TranscriptError(f"{path}: {expected}; {_NAMES - 2} more of its name are neither")
