"""Connection tracking: its counters and how full its table is.

Fullness is the usual check, and it cannot see the fault of 2021: there the table was nearly empty and valid packets
were counted as invalid. So the counters are what matters, and their growth while test mails are under way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

_TOLD = re.compile(r"(?:\w+=\d+\s*)+")
# Counters of lost packets or connections.
BAD = ("invalid", "insert_failed", "drop", "early_drop", "chaintoolong")

# The file is hexadecimal, a line a CPU; its columns differ between kernels, so they are read by name.
SECTION = Section(
    "conntrack",
    """\
if [ -r /proc/net/stat/nf_conntrack ]; then cat /proc/net/stat/nf_conntrack || exit
elif [ ! -e /proc/sys/net/netfilter/nf_conntrack_max ]; then echo absent
else conntrack -S || exit
fi
for key in count max; do
file=/proc/sys/net/netfilter/nf_conntrack_$key
[ ! -r $file ] || printf '%s %s\\n' $key "$(cat $file)"
done
""",
)


@dataclass(frozen=True)
class ConntrackFacts:
    """Connection tracking on a host.

    Attributes:
        counters: its counters, summed over the CPUs; empty when the module is not loaded.
        count: connections in the table; None when the module is not loaded.
        limit: size of the table; None when the module is not loaded.
    """

    counters: Mapping[str, int]
    count: int | None
    limit: int | None

    @property
    def loaded(self) -> bool:
        """Whether connections are tracked at all."""
        return self.limit is not None

    @property
    def fullness(self) -> float | None:
        """Share of the table in use, 0 to 1; None when it is unknown."""
        return self.count / self.limit if self.count is not None and self.limit else None

    def growth(self, before: "ConntrackFacts") -> dict[str, int]:
        """Return by how much each counter in :data:`BAD` rose.

        Args:
            before: the same host earlier in the same boot.
        """
        return {name: self.counters[name] - before.counters.get(name, 0) for name in BAD if name in self.counters}


def _from_file(lines: list[str]) -> dict[str, int]:
    names = lines[0].split()
    rows = [[int(value, 16) for value in line.split()] for line in lines[1:]]
    if not rows or any(len(row) != len(names) for row in rows):
        raise ParseError("conntrack has more or fewer counters than names")
    return {name: sum(row[index] for row in rows) for index, name in enumerate(names) if name != "entries"}


def _from_tool(lines: Sequence[str]) -> dict[str, int]:
    refuse_unknown(lines, _TOLD.fullmatch, "not counters of conntrack")
    found: dict[str, int] = {}
    for name, value in (pair for line in lines for pair in re.findall(r"(\w+)=(\d+)", line)):
        if name != "cpu":
            found[name] = found.get(name, 0) + int(value)
    return found


def parse_text(text: str) -> ConntrackFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: no counters in it.
    """
    lines = text.splitlines()
    sizes = {key: int(value) for key, value in re.findall(r"^(count|max) (\d+)$", text, re.MULTILINE)}
    if lines == ["absent"]:
        return ConntrackFacts({}, None, None)
    data = [line for line in lines if not line.startswith(("count ", "max "))]
    counters = _from_tool(data) if data and data[0].startswith("cpu=") else _from_file(data or [""])
    if "invalid" not in counters:
        raise ParseError("conntrack shows no counters")
    if "max" not in sizes:
        raise ParseError("conntrack has counters, but the size of its table cannot be read")
    return ConntrackFacts(counters, sizes.get("count"), sizes.get("max"))


def parse(outputs: Outputs) -> ConntrackFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: no counters in it.
    """
    return parse_text(outputs[SECTION.name].text())


SOURCE = Source("conntrack", (SECTION,), parse)
