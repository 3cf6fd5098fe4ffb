"""``--json FILE`` of what only reads: a wrong file is refused before a host is asked; ``-`` is the standard output."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from mxlib.base.errors import ConfigError, ReportError
from mxlib.base.files import check_folder, replace_file

STANDARD_OUTPUT = Path("-")
HELP = "Write it there as JSON; - is the standard output, where nothing else is written."


def belongs_to(path: Path | None, option: str) -> None:
    """Refuse ``--json`` where another option is missing that it belongs to.

    Arguments:
        path: what was given; None: nothing.
        option: the option that it belongs to.

    Raises:
        mxlib.base.errors.ConfigError: it was given.
    """
    if path is not None:
        raise ConfigError(f"--json {path}: expected together with {option} only")


def check_json(path: Path | None) -> None:
    """Refuse a file that could not be written in the end.

    Arguments:
        path: its name; None: nothing is to be written.

    Raises:
        mxlib.base.errors.ReportError: its folder is missing, this process may not write there, or it is no file.
    """
    if path == STANDARD_OUTPUT and sys.stdout is None:
        raise ReportError("--json -: the standard output is closed")
    if path not in (None, STANDARD_OUTPUT):
        check_folder(path)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write what was found.

    Arguments:
        path: the file's name; None: nothing is written.

    Raises:
        mxlib.base.errors.ReportError: it cannot be written.
    """
    if path is not None:
        write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write JSON that is text already.

    Raises:
        mxlib.base.errors.ReportError: it cannot be written.
    """
    if path != STANDARD_OUTPUT:
        replace_file(path, text)
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # who reads has read enough, as head(1) does
        _drop_the_rest()
    except OSError as error:
        _drop_the_rest()
        raise ReportError(f"--json -: the standard output cannot be written: {error.strerror}") from None


def _drop_the_rest() -> None:
    """Have what Python still holds go nowhere: it would try again at its end, fail, and take the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
