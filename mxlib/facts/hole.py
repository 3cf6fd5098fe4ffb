"""Temporary holes in the host's packet filter, as ``remedy-mx allow`` makes them.

Everything of a hole is in memory (/run, a transient timer, the kernel's rules), so a reboot removes it.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.facts import firewall
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

DIRECTORY = "/run/mx-cookbooks/holes"
MARK = "mx-hole-"
"""The comment of each rule of a hole, and the name of its timer, begin with this; the hole's id follows."""
_MARKED = re.compile(rf"{MARK}([0-9a-f-]+)")

SECTION = Section(
    "temporary-holes",
    f"""\
printf 'now %s\\n' "$(date +%s)"
for file in {DIRECTORY}/*.hole; do
[ -e "$file" ] || continue
id=${{file##*/}}; id=${{id%.hole}}
end=$(sed -n 's/^until=//p' "$file")
printf 'hole %s %s %s\\n' "$id" "$(systemctl is-active {MARK}"$id-$end".timer)" "$(base64 -w 0 "$file")"
done
echo end
""",
)


@dataclass(frozen=True)
class Hole:
    """A temporary hole.

    Attributes:
        hole_id: its id.
        source: address or network that is let through.
        until: when it closes (UTC).
        who: operator who opened it.
        why: reason for it.
        timer: whether the timer that closes it is armed.
        rules: whether the packet filter has rules of it.
    """

    hole_id: str
    source: str
    until: datetime
    who: str
    why: str
    timer: bool
    rules: bool


@dataclass(frozen=True)
class HoleFacts:
    """The temporary holes of a host.

    Attributes:
        holes: those that the host has a record of.
        strays: ids in rules of which the host has no record.
        now: the host's clock (UTC).
    """

    holes: tuple[Hole, ...]
    strays: tuple[str, ...]
    now: datetime


def parse(outputs: Outputs) -> HoleFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: the packet filter or the list of holes is incomplete.
    """
    lines = outputs[SECTION.name].text().splitlines()
    if not lines or lines[-1] != "end" or not re.fullmatch(r"now \d+", lines[0]):
        raise outputs[SECTION.name].incomplete("the list of temporary holes")
    firewall.parse(outputs)  # an unreadable ruleset must not pass for one without holes
    marked = {name for section in (firewall.NFT, firewall.TABLES) for name in _ids(outputs[section.name].text())}
    holes = tuple(_hole(line, marked) for line in lines[1:-1])
    strays = tuple(sorted(marked - {hole.hole_id for hole in holes}))
    return HoleFacts(holes, strays, _time(lines[0].split()[1]))


def _ids(text: str) -> list[str]:
    return _MARKED.findall(text)


def _time(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def _hole(line: str, marked: set[str]) -> Hole:
    found = re.fullmatch(r"hole (?P<id>[0-9a-f-]+) (?P<timer>\S*) (?P<record>\S+)", line)
    if found is None:
        raise ParseError(f"not a line about a temporary hole: {line[:100]!r}")
    try:
        text = base64.b64decode(found["record"], validate=True).decode()
        values = dict(entry.split("=", 1) for entry in text.splitlines() if "=" in entry)
        until = _time(values["until"])
    except (binascii.Error, UnicodeDecodeError, KeyError, ValueError):
        raise ParseError(f"the record of the temporary hole {found['id']} cannot be read") from None
    shown = {key: one_line(values.get(key, "")) for key in ("from", "who", "why")}
    return Hole(
        found["id"], shown["from"], until, shown["who"], shown["why"], found["timer"] == "active", found["id"] in marked
    )


SOURCE: Source[HoleFacts] = Source("temporary-holes", (SECTION, firewall.NFT, firewall.TABLES), parse)
