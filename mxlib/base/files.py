"""Files that are replaced as a whole: a reader sees the old or the new one, never half of it."""

import os
import tempfile
from pathlib import Path

from mxlib.base.errors import ReportError

COLLECTOR = "the directory of the node exporter's textfile collector (in Debian /var/lib/prometheus/node-exporter)"
"""The expected folder of a file of metrics."""


def check_folder(path: Path, expected: str = "an existing one") -> None:
    """Refuse, before anything is done, a file that could not be written at the end.

    Arguments:
        expected: what its folder should be, in words.

    Raises:
        mxlib.base.errors.ReportError: the folder is missing, or this process may not write there.
    """
    if not path.parent.is_dir():
        raise ReportError(f"{path}: there is no folder {path.parent}: expected {expected}")
    # By the rights this process has: root in a unit may have no capability, and a read-only system around it.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ReportError(
            f"{path}: the folder {path.parent} cannot be written: expected {expected}, "
            "owned by the user that runs this and, in a unit, named in ReadWritePaths="
        )


def replace_file(path: Path, text: str) -> str:
    """Replace a file, readable by everybody: the new one is made beside it and takes its place once it is whole.

    Returns:
        Its name, for a message.

    Raises:
        mxlib.base.errors.ReportError: the file cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None
    return str(path)
