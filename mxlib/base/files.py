"""A file that tells how something ended: whoever reads it sees the old or the new one, never half of it."""

import os
import tempfile
from pathlib import Path

from mxlib.base.errors import ReportError


def replace_file(path: Path, text: str) -> str:
    """Write a file anew, readable by everybody.

    Arguments:
        path: its name; the new one is made beside it and takes its place when it is whole.
        text: what it holds.

    Returns:
        Its name, as it is told.

    Raises:
        mxlib.base.errors.ReportError: it cannot be written.
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
