"""The cookbooks' own parsers: their options, for the pages and the man pages."""

import argparse
import importlib
import os
from pathlib import Path
from unittest import mock

from spicerack import Spicerack

FOLDER = Path(__file__).resolve().parents[2] / "cookbooks"


def names() -> list[str]:
    """The cookbooks, as an operator types them."""
    return sorted(
        ".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in FOLDER.rglob("*.py") if path.name[0] != "_"
    )


def parser(name: str) -> argparse.ArgumentParser:
    """Return what reads the arguments of a cookbook, by its name."""
    module = importlib.import_module(f"cookbooks.{name}")
    own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    # it asks nothing of Spicerack: a test of the cookbooks keeps that
    made: argparse.ArgumentParser = own[0](mock.create_autospec(Spicerack, instance=True)).argument_parser()
    made.prog = f"cookbook {name}"
    return made


def markdown() -> str:
    """The page of all options."""
    lines = [HEAD]
    for name in names():
        lines.append(f"\n## {name}\n\n```text\n{usage(name)}\n```\n")
    return "".join(lines)


def usage(name: str) -> str:
    """Return the help of a cookbook, as wide on every machine."""
    with mock.patch.dict(os.environ, COLUMNS="100"):
        lines = parser(name).format_help().splitlines()
    return "\n".join(line.rstrip() for line in lines).rstrip()


HEAD = """# Options of the cookbooks

What `cookbook NAME --help` says. Spicerack's own options, such as `-d` (dry run), come before the name: `cookbook -d
sre.mail.reboot-mx HOST`.
"""
