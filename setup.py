"""What an installation needs beside the library lies below share/: setup.cfg has all the rest."""

import sys
from pathlib import Path

from setuptools import setup

SHARE = "share/mx-cookbooks"
FOLDERS = ("alerts", "cookbooks", "dashboards", "docs", "examples", "systemd")
FILES = ("CHANGELOG.md", "LICENSE", "README.md")
MADE = ("__pycache__", "reference")
"""Folders whose content is made where it is needed."""


def data_files() -> list[tuple[str, list[str]]]:
    """Where each file goes: the folders as they are, and the man pages where man looks for them."""
    found: dict[str, list[str]] = {SHARE: list(FILES)}
    for folder in FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not set(path.parts) & set(MADE):
                found.setdefault(f"{SHARE}/{path.parent}", []).append(str(path))
    pages = sorted(str(path) for path in Path("man").glob("*.1"))
    return [*found.items(), *([("share/man/man1", pages)] if pages else [])]


# Who installs --editable has the clone, and a copy beside it would stay behind.
setup(data_files=[] if "editable_wheel" in sys.argv else data_files())
