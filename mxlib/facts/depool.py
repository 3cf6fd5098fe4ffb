"""Whether a run has taken the host out of service: the closed ports, what keeps them closed, and the run's record."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model.on_host import DIRECTORY, RECORD, RECORD_BEFORE, TOKEN, Kept
from mxlib.model.record import Record
from mxlib.model.record_reader import from_json
from mxlib.model.state import Ports

RULES = f"{DIRECTORY}/depool.nft"
UNIT = "mx-depool.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TABLE = "inet mx_depool"
RELOAD_DROP_IN = "/etc/systemd/system/nftables.service.d/mx-depool.conf"
HOLD = f"{DIRECTORY}/hold"
"""While this file exists, the drop-in :data:`GATE` of a unit keeps that unit from being started."""
GATE = "90-mx-hold.conf"


def gate(unit: str) -> str:
    """Return the path of the drop-in that keeps a unit from being started while :data:`HOLD` exists."""
    return f"/etc/systemd/system/{unit}.d/{GATE}"


def links(unit: str) -> tuple[str, ...]:
    """Return the links that enable :data:`UNIT` on disk: the next boot goes by them.

    Args:
        unit: the unit of the MTA, which requires it; ``*`` for any.
    """
    return f"/etc/systemd/system/multi-user.target.wants/{UNIT}", f"/etc/systemd/system/{unit}.requires/{UNIT}"


# nft's exit code is 1 both for "no such table" and for any other error: only the first may count as open.
# Only shell builtins beside nft: this is read before each step, and on a slow host each further process costs time.
SECTION = Section(
    "depool",
    f"""\
[ ! -e {RECORD} ] || printf 'record %s\\n' "$(base64 -w 0 {RECORD})"
[ ! -e {TOKEN} ] || printf 'kept-token %s\\n' "$(base64 -w 0 {TOKEN})"
[ ! -s {RULES} ] || echo 'file yes'
there() {{ [ -e "$1" ]; }}
if [ -f {UNIT_FILE} ] && [ ! -L {UNIT_FILE} ] && {" && ".join(f"there {link}" for link in links("*"))}
then echo 'unit enabled'
elif [ -e {UNIT_FILE} ]; then echo 'unit disabled'
fi
[ ! -e {HOLD} ] || ! there {gate("*")} || echo 'held yes'
echo table
nft list table {TABLE} 2>&1
echo "code $?"
""",
)
_ABSENT = re.compile(r"No such file or directory")
# As nft prints the rules of the table. A rule that says anything more, such as an address, closes less.
_PORTS = r"tcp dport (?:\{ )?(?P<ports>\d+(?:, \d+)*)(?: \})? tcp flags (?:fin|syn|rst|ack|[&|()=/, ])+ "
_REJECT = re.compile(rf"{_PORTS}counter packets (?P<packets>\d+) bytes \d+ reject with tcp reset")
_PASSES_ON = re.compile(
    rf'type filter hook input priority .*|iif "lo" accept|tcp sport @prober accept'
    rf"|(?:tcp sport != \d+-\d+ )?{_PORTS}update @knocking(?:4 \{{ ip|6 \{{ ip6) saddr (?:counter )?\}}"
)
_CHAIN = re.compile(r"^\s*chain \S+ \{\n(?P<rules>\s*type filter hook input .*?)^\s*\}", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class DepoolFacts:
    """What keeps clients away from a host.

    Attributes:
        record: the run's record; None where no run has claimed the host.
        kept: the run's files as they are on the host.
        token: the highest fencing token that has written here, in the token file or in the record.
        persisted: whether rules, unit and enablement are all there, so that the ports stay closed over a reboot.
        traces: whether any of them is there.
        closed_ports: ports that the loaded table resets for every source; None where it is not loaded.
        refused: packets that it has reset so far.
        held: whether a run keeps the MTA from being started.
        prober_ports: source ports that are let through now.
        knocks: refused connections of the last ten minutes, by address.
    """

    record: Record | None
    kept: Kept
    token: int
    persisted: bool
    traces: bool
    closed_ports: tuple[int, ...] | None
    refused: int = 0
    held: bool = False
    prober_ports: tuple[int, ...] = ()
    knocks: Mapping[str, int] = field(default_factory=dict)

    @property
    def ports(self) -> Ports:
        """Whether the ports are open, closed for good, or anything between."""
        if self.closed_ports and self.persisted:
            return Ports.CLOSED
        return Ports.PARTLY if self.traces or self.closed_ports is not None else Ports.OPEN

    def ports_of(self, wanted: Iterable[int]) -> Ports:
        """Return the same for the ports of a site: they are closed only if each of them is."""
        open_still = set(wanted) - set(self.closed_ports or ())
        return Ports.PARTLY if self.ports is Ports.CLOSED and open_still else self.ports


def parse(outputs: Outputs) -> DepoolFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: nft failed, or the record is damaged.
    """
    head, found, table = outputs[SECTION.name].text().partition("table\n")
    listing, code, _ = table.rpartition("code ")
    if not found or not code:
        raise outputs[SECTION.name].incomplete("the state of the ports")
    lines = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    loaded = table.rstrip().endswith("code 0")
    if not loaded and not (table.rstrip().endswith("code 1") and _ABSENT.search(listing)):
        raise ParseError(f"nft cannot show the table {TABLE}: {listing.strip()[:200]}")
    has_file, unit = "file" in lines, lines.get("unit", "")
    kept = Kept(_decoded(lines.get("kept-token")), _decoded(lines.get("record")))
    record, token = _record(kept.record), kept.number()
    return DepoolFacts(
        record=record,
        kept=kept,
        token=max(token, record.token if record is not None else 0),
        persisted=has_file and unit == "enabled",
        traces=has_file or bool(unit),
        closed_ports=_closed(listing) if loaded else None,
        refused=sum(int(match["packets"]) for match in _REJECT.finditer(listing)),
        held="held" in lines,
        prober_ports=tuple(int(element.split()[0]) for element in _elements(listing, "prober")),
        knocks=_knocks(listing),
    )


def _elements(listing: str, name: str) -> tuple[str, ...]:
    """The elements of a set, each as nft prints it; nft wraps long lists."""
    found = re.search(rf"set {name} {{[^{{}}]*elements = {{([^}}]*)}}", listing)
    return tuple(element.strip() for element in found[1].split(",") if element.strip()) if found else ()


def _knocks(listing: str) -> dict[str, int]:
    """Refused connections by address; one of a table without counters counts once."""
    found = {}
    for element in (*_elements(listing, "knocking4"), *_elements(listing, "knocking6")):
        packets = re.search(r" packets (\d+)", element)
        found[str(ipaddress.ip_address(element.split()[0]))] = int(packets[1]) if packets else 1
    return found


def _decoded(encoded: str | None) -> bytes | None:
    try:
        return None if encoded is None else base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ParseError("the run's files on the host did not come whole") from None


def _record(kept: bytes | None) -> Record | None:
    if kept is None:
        return None
    try:
        return from_json(kept.decode())
    except (ParseError, UnicodeDecodeError) as error:
        back = f"or restore the previous one: mv {RECORD_BEFORE} {RECORD}, then --resume"
        raise ParseError(f"{RECORD} on the host: {error}. Look at it; {back}") from None


def _closed(listing: str) -> tuple[int, ...]:
    """Return the ports that the table closes for every source.

    Only the rules that a run loads are known. What follows any other rule may never be reached, so it is not counted.
    """
    chain = _CHAIN.search(listing)
    if chain is None or re.search(r"^\s*flags dormant", listing, re.MULTILINE):
        return ()
    found: list[int] = []
    for line in chain["rules"].splitlines():
        if reject := _REJECT.fullmatch(line.strip()):
            found += [int(port) for port in reject["ports"].split(", ")]
        elif line.strip() and not _PASSES_ON.fullmatch(line.strip()):
            break
    return tuple(found)


SOURCE: Source[DepoolFacts] = Source("depool", (SECTION,), parse)
