"""Which kernels were proven on a host by these cookbooks: booted, judged by real mail, and kept."""

import dataclasses
import json
import re
from dataclasses import dataclass

from mxlib.base.text import one_line
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model.on_host import DIRECTORY

LIST = f"{DIRECTORY}/proven-kernels"
_KEPT = 50
"""Lines that are kept: a kernel proven that many proofs ago is gone from the disks, too."""

SECTION = Section("proven", f"[ ! -e {LIST} ] || cat {LIST}\n")


@dataclass(frozen=True)
class Proof:
    """A kernel that was proven.

    Attributes:
        release: as ``uname -r`` says it.
        host: the MX it was proven on.
        when: ISO 8601, UTC.
        run: id of the run that proved it.
        version: version of the package it was built as; empty where that was not noted: then no build is proven.
    """

    release: str
    host: str
    when: str
    run: str
    version: str = ""

    def to_json(self) -> str:
        """The proof as one line."""
        return json.dumps(dataclasses.asdict(self))


def parse(outputs: Outputs) -> tuple[Proof, ...]:
    """Read the answer of the section; a line that is none of ours proves nothing.

    Raises:
        mxlib.base.errors.ParseError: the list cannot be read.
    """
    found = (_proof(line) for line in outputs[SECTION.name].text().splitlines())
    return tuple(one for one in found if one is not None)


def _proof(line: str) -> Proof | None:
    try:
        raw = json.loads(line)
        release = str(raw["release"])
        where, when, run = (one_line(str(raw[key])) for key in ("host", "when", "run"))
        proof = Proof(release, where, when, run, one_line(str(raw.get("version", ""))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return proof if re.fullmatch(RELEASE, release) else None


def add_script(quoted_line: str) -> str:
    """Add a line to the list; it is read whole or not at all.

    Arguments:
        quoted_line: the line, quoted for a shell.
    """
    return f"""\
{{ [ ! -e {LIST} ] || tail -n {_KEPT - 1} {LIST}; printf '%s\\n' {quoted_line}; }} >{LIST}.new
sync {LIST}.new
mv -f {LIST}.new {LIST}
sync {LIST.rpartition("/")[0]}
"""


SOURCE = Source("proven", (SECTION,), parse)
