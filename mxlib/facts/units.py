"""Units of systemd: the required ones, those that failed or hang, and failures that were cleared since."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.config.verify import UNIT_NAME
from mxlib.facts import damaged_journal
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

SHOWN = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,Result,WantedBy,DropInPaths,InactiveExitTimestampMonotonic"
)
# systemd.journal-fields(7), sd-messages.h: SD_MESSAGE_UNIT_FAILURE_RESULT and SD_MESSAGE_UNIT_STARTED.
_FAILED_ID = "d9b373ed55a64feb8242e02dbe79a49c"
_STARTED_ID = "39f53479d3a045ac8e11786248231fbf"
CLEARED = "/run/mx-cookbooks/cleared-units"
"""Units whose failure was cleared on purpose in this boot (``remedy-mx clear-failed``): name, who and why in a line."""
_ENABLED = frozenset({"enabled", "enabled-runtime", "static", "indirect", "alias"})
ACTIVE_STATES = frozenset(
    {"active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"}
)
LOAD_STATES = frozenset({"stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"})
_MOST = 20
"""Most units whose failures are looked up: each costs two queries of the journal."""
_TIMES = 6
"""Failures of a unit that are looked up: by the times between them one that fails again and again is known."""

# A pipe hides that the journal could not be read, and nothing found is fine: so the entries go through a variable.
# Not as JSON, which doubles the backslashes of mnt-mail\x2dbackup.mount. The export format leaves values unchanged.
JOURNAL = Section(
    "unit-failures",
    f"""\
journal() {{ journalctl -b -q --no-pager -o export "$@"; }}
last() {{
{{ journal --output-fields=UNIT -n "$3" "UNIT=$1" "MESSAGE_ID=$2" || echo __REALTIME_TIMESTAMP=unread; }} |
sed -n 's/^__REALTIME_TIMESTAMP=//p' | paste -s -d , -
}}
again() {{
restarts=$(systemctl show -p NRestarts --value -- "$1") || restarts=unread
case $restarts in '' | 0) ;; *) echo "again $1 restarts=$restarts now=$(date +%s) failed=$2" ;; esac
}}
first=$(journal -n 1) || exit
[ -n "$first" ] || echo 'journal empty'
{damaged_journal.SCRIPT.strip()}
failures=$(journal --output-fields=UNIT MESSAGE_ID={_FAILED_ID}) || exit
units=$(printf '%s\n' "$failures" | sed -n 's/^UNIT=//p' | sort -u)
printf '%s\\n' "$units" | sed -n '1,{_MOST}{{/./p}}' |
while read -r unit; do
failed=$(last "$unit" {_FAILED_ID} {_TIMES})
printf '%s failed=%s started=%s\\n' "$unit" "${{failed##*,}}" "$(last "$unit" {_STARTED_ID} 1)"
case $failed in *,*) again "$unit" "$failed" ;; esac
done
printf '%s\\n' "$units" | sed '1,{_MOST}d'
[ ! -e {CLEARED} ] || sed 's/^\\([^ ]*\\) .*/cleared \\1/' {CLEARED}
echo end
""",
    timeout_s=30,
)


@dataclass(frozen=True)
class UnitState:
    """A unit as systemd sees it.

    Attributes:
        name: its full name.
        load: loaded, not-found, masked, ...
        active: active, inactive, activating, deactivating, failed, ...
        file_state: enabled, disabled, masked, generated, static, ...; empty without a file.
        result: success, or why it failed.
        wanted_by: units that want it.
        drop_ins: paths of its drop-in files.
        left_inactive_s: seconds since it last began to start; None when it never did.
        sub: the state in the words of its kind: running, exited, auto-restart, ...
    """

    name: str
    load: str
    active: str
    file_state: str
    result: str
    wanted_by: tuple[str, ...] = ()
    drop_ins: tuple[str, ...] = ()
    left_inactive_s: float | None = None
    sub: str = ""

    @property
    def masked(self) -> bool:
        """Whether it is masked, so that nothing can start it."""
        return self.load == "masked" or self.file_state.startswith("masked")

    @property
    def enabled(self) -> bool:
        """Whether it starts at boot; of a unit generated from a sysv script the units that want it decide."""
        return self.file_state in _ENABLED or (self.file_state == "generated" and bool(self.wanted_by))


@dataclass(frozen=True)
class PastFailure:
    """A failure of a unit in this boot, by the journal.

    Attributes:
        unit: its full name.
        failed: when it last failed.
        started: when it last started successfully; None when it did not in this boot.
    """

    unit: str
    failed: datetime
    started: datetime | None

    @property
    def recovered(self) -> bool:
        """Whether it started successfully after its last failure."""
        return self.started is not None and self.started > self.failed


@dataclass(frozen=True)
class Restarts:
    """A unit that systemd has started again after failures in this boot; a start by hand begins a new count.

    Attributes:
        unit: its full name.
        count: how often.
        failures: its last failures, oldest first; at least two.
        now: the host's own time.
    """

    unit: str
    count: int
    failures: tuple[datetime, ...]
    now: datetime


@dataclass(frozen=True)
class UnitsFacts:
    """Units of a host.

    Attributes:
        units: the required ones, and all that are failed or activating.
        past_failures: failures in the journal of this boot, cleared or not.
        cleared: units whose failure was cleared on purpose.
        unread: lines about failures that were not understood or not looked up.
        restarts: those that failed more than once, and that systemd has started again.
    """

    units: tuple[UnitState, ...]
    past_failures: tuple[PastFailure, ...]
    cleared: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()
    restarts: tuple[Restarts, ...] = ()

    def find(self, name: str) -> UnitState | None:
        """Return the unit of this name; None without one."""
        return next((unit for unit in self.units if unit.name == name), None)

    @property
    def failed(self) -> tuple[UnitState, ...]:
        """Units that are in the failed state now."""
        return tuple(unit for unit in self.units if unit.active == "failed")


def check_unit_name(name: str) -> str:
    """Return a unit name that is safe to use in a command.

    Raises:
        mxlib.base.errors.ParseError: it is not a full unit name.
    """
    if not UNIT_NAME.fullmatch(name):
        raise ParseError(f"not the full name of a unit: {name[:80]!r}")
    return name


def parse_show(text: str, uptime_s: float | None = None) -> tuple[UnitState, ...]:
    """Read blocks of ``systemctl show``.

    Args:
        text: its output, with the properties of :data:`SHOWN`.
        uptime_s: seconds since boot; None: ages stay unknown.

    Raises:
        mxlib.base.errors.ParseError: a line is not KEY=VALUE, or a block names no unit.
    """
    blocks = [_properties(block) for block in text.split("\n\n") if block.strip()]
    return tuple({unit.name: unit for unit in (_unit(block, uptime_s) for block in blocks)}.values())


def _properties(block: str) -> dict[str, str]:
    lines = block.strip("\n").splitlines()
    refuse_unknown(lines, lambda line: "=" in line, "not a property of a unit")
    found = dict(line.split("=", 1) for line in lines)
    if "Id" not in found:
        raise ParseError(f"properties of no unit: {lines[0][:100]!r}")
    return found


def _unit(block: dict[str, str], uptime_s: float | None) -> UnitState:
    began = int(block["InactiveExitTimestampMonotonic"] or 0)
    for key, known in (("ActiveState", ACTIVE_STATES), ("LoadState", LOAD_STATES)):
        if block[key] not in known:
            raise ParseError(f"{block['Id'][:80]}: unknown {key}: {block[key][:40]!r}")
    wants = block.get("WantedBy", "").split()
    if not all(map(UNIT_NAME.fullmatch, wants)):
        raise ParseError(f"{block['Id'][:80]}: WantedBy is not a list of units: {block['WantedBy'][:80]!r}")
    return UnitState(
        name=block["Id"],
        load=block["LoadState"],
        active=block["ActiveState"],
        file_state=block["UnitFileState"],
        result=block.get("Result", ""),
        wanted_by=tuple(wants),
        drop_ins=tuple(block.get("DropInPaths", "").split()),
        left_inactive_s=uptime_s - began / 1e6 if began and uptime_s is not None else None,
        sub=block["SubState"],
    )


_FAILURE = re.compile(r"(?P<unit>\S+) failed=(?P<failed>\d+) started=(?P<started>\d*)")
_CLEARED = re.compile(r"cleared (?P<unit>\S+)")
_AGAIN = re.compile(r"again (?P<unit>\S+) restarts=(?P<count>\d+) now=(?P<now>\d+) failed=(?P<failed>\d+(?:,\d+)+)")


@dataclass(frozen=True)
class _Journal:
    past_failures: tuple[PastFailure, ...]
    cleared: frozenset[str]
    unread: tuple[str, ...]
    restarts: tuple[Restarts, ...]


def _journal(text: str) -> _Journal:
    """Read the section about failures in the journal: a line of another form costs that line only.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or the journal has nothing of this boot.
    """
    *lines, end = text.splitlines() or [""]
    if end != "end":
        raise ParseError("the list of failures in the journal is cut short")
    if "journal empty" in lines:
        raise ParseError("the journal has nothing of this boot, so it shows no failures either")
    failures, cleared, unread, restarts = [], set(), [], []
    for line in lines:
        if found := _FAILURE.fullmatch(line):
            failures.append(PastFailure(found["unit"], _time(found["failed"]), _started(found["started"])))
        elif found := _CLEARED.fullmatch(line):
            cleared.add(found["unit"])
        elif found := _AGAIN.fullmatch(line):
            times = tuple(map(_time, found["failed"].split(",")))
            now = datetime.fromtimestamp(int(found["now"]), tz=UTC)
            restarts.append(Restarts(found["unit"], int(found["count"]), times, now))
        elif line.strip():
            unread.append(line)
    return _Journal(tuple(failures), frozenset(cleared), tuple(unread), tuple(restarts))


def _time(microseconds: str) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)


def _started(microseconds: str) -> datetime | None:
    return _time(microseconds) if microseconds else None


def _states_section(required: Sequence[str]) -> Section:
    names = " ".join(shlex.quote(check_unit_name(name)) for name in required)
    return Section(
        "unit-states",
        f"""\
cut -d' ' -f1 /proc/uptime
states=$(systemctl list-units --all --plain --no-legend --full --state=failed --state=activating) || exit
set -- {names}
systemctl show -p {SHOWN} -- "$@" $(printf '%s\\n' "$states" | cut -d' ' -f1)
""",
        timeout_s=25,
    )


def parse(outputs: Outputs) -> UnitsFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: systemctl or journalctl failed.
    """
    uptime, _, shown = outputs["unit-states"].text().partition("\n")
    units = parse_show(shown, float(uptime))
    if not units:
        raise ParseError("systemctl showed no unit")
    journal = _journal(outputs[JOURNAL.name].text())
    return UnitsFacts(units, journal.past_failures, journal.cleared, journal.unread, journal.restarts)


def source(required: Sequence[str]) -> Source[UnitsFacts]:
    """Return the source of the units.

    Args:
        required: full names of the units that the site needs; at least one.

    Raises:
        mxlib.base.errors.ParseError: one is not a full unit name.
    """
    return Source("units", (_states_section(required), JOURNAL), parse)
