"""``--json FILE`` of what only reads: a wrong file is refused before a host is asked; ``-`` is the standard output."""

import json
import sys
from pathlib import Path
from typing import Any

from mxlib.base.errors import ConfigError
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
        mxlib.base.errors.ReportError: its folder is missing, or this process may not write there.
    """
    if path not in (None, STANDARD_OUTPUT):
        check_folder(path)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write what was found.

    Arguments:
        path: the file's name; None: nothing is written.

    Raises:
        mxlib.base.errors.ReportError: it cannot be written.
    """
    if path is None:
        return
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        replace_file(path, text)
