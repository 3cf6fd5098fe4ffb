"""Lets these cookbooks stand beside another repository's regular ``cookbooks/sre`` package.

Spicerack puts every directory of ``cookbooks_base_dirs`` on ``sys.path`` and imports ``cookbooks.sre.*`` from there. As
long as no repository ships ``cookbooks/sre/__init__.py`` the directories add up, as Python's namespace packages do.
One that does (Wikimedia's) hides all the others, in whatever order they are listed. Naming this class as the
``extender_class`` in Spicerack's configuration takes the hiding away: Spicerack makes the instance after ``sys.path``
is complete and before it collects the cookbooks.
"""

import importlib
import sys
from collections.abc import MutableSequence, Sequence
from pathlib import Path

from spicerack import Spicerack, SpicerackExtenderBase

# Outermost first: the parent has to reach every directory before its child is looked for.
SHARED_PACKAGES = ("cookbooks", "cookbooks.sre")


class Extender(SpicerackExtenderBase):
    """Opens the shared packages when Spicerack starts; adds no accessor to Spicerack.

    A site with an extender of its own calls :func:`open_shared_packages` from there, or inherits from this class.
    """

    def __init__(self, *, spicerack: Spicerack) -> None:
        """Open the shared packages.

        Arguments:
            spicerack: the instance that is being made.
        """
        super().__init__(spicerack=spicerack)
        open_shared_packages(sys.path)


def open_shared_packages(search_path: Sequence[str]) -> None:
    """Let every shared package be read from all its directories.

    Arguments:
        search_path: directories that may hold a ``cookbooks`` directory, usually ``sys.path``.
    """
    for package in SHARED_PACKAGES:
        _open_package(package, search_path)


def _open_package(name: str, search_path: Sequence[str]) -> None:
    """Add the directories that a regular package hides; a namespace package has them already."""
    try:
        package_path = importlib.import_module(name).__path__
    except Exception:
        # It is another repository's code that failed: Spicerack imports it again and says what is wrong with it.
        return
    if isinstance(package_path, MutableSequence):
        _append_missing(package_path, [Path(entry, *name.split(".")) for entry in search_path if entry])


def _append_missing(package_path: MutableSequence[str], candidates: Sequence[Path]) -> None:
    known = {Path(directory).resolve() for directory in package_path}
    for directory in candidates:
        if directory.is_dir() and directory.resolve() not in known:
            known.add(directory.resolve())
            package_path.append(str(directory))
