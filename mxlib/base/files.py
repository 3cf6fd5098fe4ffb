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
        mxlib.base.errors.ReportError: the folder is missing, this process may not write there, or something else than a
            file has the name.
    """
    refuse_other(path)
    if not path.parent.is_dir():
        raise ReportError(f"{path}: there is no folder {path.parent}: expected {expected}")
    # By the rights this process has: root in a unit may have no capability, and a read-only system around it.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ReportError(
            f"{path}: the folder {path.parent} cannot be written: expected {expected}, "
            "owned by the user that runs this and, in a unit, named in ReadWritePaths="
        )


def refuse_other(path: Path) -> None:
    """Refuse a name whose replacement would destroy something else than a file: /dev/null, a pipe, a folder.

    Raises:
        mxlib.base.errors.ReportError: the name stands for such a thing, or can be none of a file.
    """
    try:
        other = path.exists() and not path.is_file()
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}: expected the name of a file") from None
    if other:
        raise ReportError(f"{path}: it is a device, a pipe or a folder: expected a file, or a name that is not taken")


def replace_file(path: Path, text: str) -> str:
    """Replace a file, readable by everybody: the new one is made beside it and takes its place once it is whole.

    A symbolic link stays, and what it leads to is replaced: /dev/stdout is one. What UTF-8 lacks is spelt.

    Returns:
        Its name, for a message.

    Raises:
        mxlib.base.errors.ReportError: the file cannot be written; nothing is left beside it.
    """
    refuse_other(path)
    target = Path(os.path.realpath(path))
    made: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        made = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        made.chmod(0o644)
        made.replace(target)
    except OSError as error:
        if made is not None:
            made.unlink(missing_ok=True)
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None
    return str(path)
