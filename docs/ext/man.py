"""The man pages: one a cookbook, `man sre.mail.reboot-mx`, from its parser.

Written by ``python -m docs.ext.man FOLDER``.
"""

import re
import sys
from pathlib import Path
from textwrap import dedent

from argparse_manpage.manpage import Manpage

from docs.ext import cookbooks

_BLOCK = re.compile(r"^(?P<name>Usage example|Exit codes):\n(?P<lines>(?: {4}.*\n?)+)", re.MULTILINE)
_HEADINGS = {"Usage example": "EXAMPLES", "Exit codes": "EXIT STATUS"}


def page(name: str) -> str:
    """Return the man page of a cookbook."""
    parser = cookbooks.parser(name)
    title, _, rest = (parser.description or "").strip().partition("\n")
    text = dedent(rest)
    parser.description = _BLOCK.sub("", text).strip()
    made = Manpage(parser)
    made.prog = made.mf.prog = name
    made.description, made.manual, made.source = title, "Cookbooks for mail exchangers", "mx-cookbooks"
    blocks = [_verbatim(_HEADINGS[one["name"]], dedent(one["lines"])) for one in _BLOCK.finditer(text)]
    return "\n".join([str(made).rstrip(), *blocks, ""])


def _verbatim(heading: str, text: str) -> str:
    """A section whose lines stay as they are."""
    escaped = text.replace("\\", "\\\\").replace("-", r"\-").rstrip()
    return f".SH {heading}\n.nf\n{escaped}\n.fi"


def write(folder: Path) -> list[Path]:
    """Write all of them, and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in cookbooks.names():
        paths.append(folder / f"{name}.1")
        paths[-1].write_text(page(name), encoding="utf-8")
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]))
