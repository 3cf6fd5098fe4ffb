"""Kernels that these cookbooks have proven on a host: booted, judged by real mail, and kept."""

import dataclasses
import json
import re
from dataclasses import dataclass

from mxlib.base.text import one_line
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model.on_host import DIRECTORY, REPLACE

LIST = f"{DIRECTORY}/proven-kernels"
_KEPT = 50
"""Most lines that are kept: a kernel that was proven earlier is no longer on the disks either."""

SECTION = Section("proven", f"[ ! -e {LIST} ] || cat {LIST}\n")


@dataclass(frozen=True)
class ProvenKernel:
    """A kernel that was proven.

    Attributes:
        release: as ``uname -r`` prints it.
        host: the MX it was proven on.
        when: ISO 8601, UTC.
        run: id of the run that proved it.
        version: version of the package it was built as; empty where unknown: then no build is proven.
    """

    release: str
    host: str
    when: str
    run: str
    version: str = ""

    def to_json(self) -> str:
        """Return the proof as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))


def parse(outputs: Outputs) -> tuple[ProvenKernel, ...]:
    """Read the answer of the section; a line of another form proves nothing.

    Raises:
        mxlib.base.errors.ParseError: the list cannot be read.
    """
    found = (_proof(line) for line in outputs[SECTION.name].text().splitlines())
    return tuple(one for one in found if one is not None)


def _proof(line: str) -> ProvenKernel | None:
    try:
        raw = json.loads(line)
        release = str(raw["release"])
        where, when, run = (one_line(str(raw[key])) for key in ("host", "when", "run"))
        proof = ProvenKernel(release, where, when, run, one_line(str(raw.get("version", ""))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return proof if re.fullmatch(RELEASE, release) else None


def add_script(quoted_line: str) -> str:
    """Return the script that adds a line to the list, atomically.

    Args:
        quoted_line: the line, quoted for a shell.
    """
    return f"""\
{REPLACE}{{ [ ! -e {LIST} ] || tail -n {_KEPT - 1} {LIST}; printf '%s\\n' {quoted_line}; }} >{LIST}.new
replace {LIST}
"""


SOURCE = Source("proven", (SECTION,), parse)
