"""The HTML page of a report, written to a file: whatever goes wrong costs the page and nothing else."""

from collections.abc import Callable
from pathlib import Path

from mxlib.base.errors import ReportError
from mxlib.base.files import replace_file
from mxlib.base.text import one_line


def write_page(path: Path, make: Callable[[], str]) -> str:
    """Make a page and write it.

    Arguments:
        path: its file.
        make: makes it.

    Returns:
        The file's name.

    Raises:
        mxlib.base.errors.ReportError: it cannot be made or written, for whatever reason.
    """
    try:
        text = make()
    except ImportError as error:
        raise ReportError(f"{path}: not written: {error.name} is not installed (Debian: python3-jinja2)") from None
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}")
        raise ReportError(f"{path}: the page could not be made: {why}") from None
    return replace_file(path, text)
