"""Alias generators: the unit, its timer, the file it writes, and when it last succeeded."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.base.text import one_line
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import alias_file, damaged_journal
from mxlib.facts.alias_file import AliasFile, parse_figures
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.facts.units import ACTIVE_STATES, LOAD_STATES

# sd-messages.h: SD_MESSAGE_UNIT_STARTED (of a oneshot: it succeeded) and SD_MESSAGE_UNIT_FAILURE_RESULT.
_STARTED_ID = "39f53479d3a045ac8e11786248231fbf"
_FAILED_ID = "d9b373ed55a64feb8242e02dbe79a49c"
_SHOWN = (
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,TimeoutStartUSec,InactiveExitTimestampMonotonic,"
    "ExecMainExitTimestampMonotonic,ExecMainCode,ExecMainStatus,NextElapseUSecMonotonic,NextElapseUSecRealtime"
)
_FILE_STATES = (
    *("", "enabled", "enabled-runtime", "linked", "linked-runtime", "alias", "masked", "masked-runtime", "static"),
    *("disabled", "indirect", "generated", "transient", "bad"),
)
"""Of systemctl(1), "is-enabled"; a unit without a file has none."""
_STATES = {"ActiveState": ACTIVE_STATES, "LoadState": LOAD_STATES, "UnitFileState": _FILE_STATES}
_RUNS = 40
# A run that is younger may be writing the file as it is read; and how often both are read again.
_YOUNG_S = 10
_TRIES = 5
# How a process ends that succeeds: CLD_EXITED of waitid(2), its status, and systemd's own word.
_SUCCESS = ("1", "0", "success")


def _section_name(generator: AliasGenerator) -> str:
    return f"aliases-{generator.name}"


def section(generator: AliasGenerator) -> Section:
    """Return the section about a generator, its journal and its file.

    The file is read before the state of its unit: a run that has just begun, or that ended after the file was read, may
    have been writing it meanwhile. Then both are read again, for some seconds at most; a run that hangs is older.
    """
    unit = shlex.quote(generator.unit)
    timer = shlex.quote(generator.timer) if generator.timer else ""
    return Section(
        _section_name(generator),
        f"""\
tries=0
while :; do
read -r up rest </proc/uptime
began=${{up%.*}}${{up#*.}}
file=$({alias_file.figures_script(generator)}
echo end) || exit
shown=$(systemctl show -p {_SHOWN} -- {unit} {timer}) || exit
state=${{shown#*ActiveState=}}; state=${{state%%[!a-z]*}}
entered=${{shown#*InactiveExitTimestampMonotonic=}}; entered=${{entered%%[!0-9]*}}
exited=${{shown#*ExecMainExitTimestampMonotonic=}}; exited=${{exited%%[!0-9]*}}
[ "$state" = activating ] && [ $((began - ${{entered:-0}} / 10000)) -lt {_YOUNG_S}00 ] ||
[ $((${{exited:-0}} / 10000)) -ge "$began" ] || break
[ $((tries += 1)) -le {_TRIES} ] || break
sleep 1
done
printf 'now %s %s\\n%s\\njournal\\n' "$(date +%s)" "$(cut -d' ' -f1 /proc/uptime)" "$shown"
journalctl -q --no-pager -o json --output-fields=MESSAGE_ID -n {_RUNS} UNIT={unit} MESSAGE_ID={_STARTED_ID} \
MESSAGE_ID={_FAILED_ID} || exit
{damaged_journal.SCRIPT.strip()}
printf 'file\\n%s\\n' "$file"
""",
        timeout_s=20,
    )


@dataclass(frozen=True)
class TimerState:
    """The timer of a generator.

    Attributes:
        name: its full name.
        load: loaded, not-found, masked, ...
        active: active or inactive.
        sub: waiting, running, elapsed, dead.
        file_state: enabled, disabled, static, ...
        due: whether it knows when it fires next.
    """

    name: str
    load: str
    active: str
    sub: str
    file_state: str
    due: bool


@dataclass(frozen=True)
class AliasFacts:
    """A generator on one host.

    Attributes:
        now: the host's clock (UTC).
        load: load state of the unit: loaded, not-found, masked, ...
        active: activating while it runs, inactive or failed between two runs.
        result: what ended the last run: success, exit-code, signal, timeout, ...
        running_s: seconds that this run has taken; None when none is under way.
        start_timeout: as systemd shows it; "infinity" for none.
        last_success: when a run last succeeded; None when that is unknown.
        last_failure: when a run last failed; None when the journal has no failure.
        timer: its timer; None where the site names none.
        file: its file; None when there is none.
    """

    now: datetime
    load: str
    active: str
    result: str
    running_s: float | None
    start_timeout: str
    last_success: datetime | None
    last_failure: datetime | None
    timer: TimerState | None
    file: AliasFile | None

    @property
    def success_age_s(self) -> float | None:
        """Seconds since a run last succeeded; None when that is unknown."""
        return None if self.last_success is None else (self.now - self.last_success).total_seconds()

    @property
    def file_age_s(self) -> float | None:
        """Seconds since the file was last written; None without a file."""
        return None if self.file is None else (self.now - self.file.written).total_seconds()


def parse(text: str, generator: AliasGenerator) -> AliasFacts:
    """Read the answer to :func:`section`.

    Raises:
        mxlib.base.errors.ParseError: it is cut short or has another form.
    """
    found = re.fullmatch(r"now (\d+) ([\d.]+)\n(.*?)^journal\n(.*?)^file\n(.*?)^end\s*", text, re.M | re.S)
    if found is None:
        raise ParseError(f"alias generator {generator.name}: the answer is cut short")
    now, uptime = datetime.fromtimestamp(int(found[1]), tz=UTC), float(found[2])
    blocks = _blocks(found[3])
    unit = blocks.get(generator.unit)
    if unit is None:
        raise ParseError(f"systemctl did not show {generator.unit}")
    runs = _runs(found[4].splitlines())
    began = int(unit.get("InactiveExitTimestampMonotonic") or 0) / 1e6
    return AliasFacts(
        now=now,
        load=unit["LoadState"],
        active=unit["ActiveState"],
        result=unit.get("Result", ""),
        running_s=max(0.0, uptime - began) if unit["ActiveState"] == "activating" else None,
        start_timeout=unit.get("TimeoutStartUSec", ""),
        last_success=max(filter(None, (runs.get(_STARTED_ID), _exit_of(unit, now, uptime))), default=None),
        last_failure=runs.get(_FAILED_ID),
        timer=_timer(blocks, generator),
        file=parse_figures(found[5]),
    )


def _is_state(line: str) -> bool:
    """Whether a property has a value that it can have; one that is no state has any."""
    name, _, value = line.partition("=")
    return value in _STATES.get(name, (value,))


def _blocks(shown: str) -> dict[str, dict[str, str]]:
    """Blocks of ``systemctl show`` by the name of the unit.

    Raises:
        mxlib.base.errors.ParseError: a line is none of the properties that were asked for, or an unknown state.
    """
    lines, asked = shown.splitlines(), _SHOWN.split(",")
    refuse_unknown(lines, lambda line: line.partition("=")[0] in asked, "not a property of a unit that was asked for")
    refuse_unknown(lines, _is_state, "not a state that is known")
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if line) for block in shown.split("\n\n"))
    return {block["Id"]: block for block in blocks if "Id" in block}


def _exit_of(unit: dict[str, str], now: datetime, uptime: float) -> datetime | None:
    """When the last run of this boot succeeded, by systemd itself: the journal may not reach back so far."""
    ended = int(unit.get("ExecMainExitTimestampMonotonic") or 0)
    how = (unit.get("ExecMainCode"), unit.get("ExecMainStatus"), unit.get("Result"))
    # To whole seconds: the journal's time of the same event must not look like another event.
    return now - timedelta(seconds=round(uptime - ended / 1e6)) if ended and how == _SUCCESS else None


def _timer(blocks: dict[str, dict[str, str]], generator: AliasGenerator) -> TimerState | None:
    if generator.timer is None:
        return None
    if generator.timer not in blocks:
        raise ParseError(f"systemctl did not show {generator.timer}")
    block = blocks[generator.timer]
    due = any(block.get(key, "") not in ("", "0", "infinity") for key in _NEXT)
    return TimerState(
        generator.timer, block["LoadState"], block["ActiveState"], block["SubState"], block["UnitFileState"], due
    )


_NEXT = ("NextElapseUSecMonotonic", "NextElapseUSecRealtime")


def _runs(lines: Iterable[str]) -> dict[str, datetime]:
    """The latest time of each kind of message in the journal."""
    found: dict[str, datetime] = {}
    for line in filter(None, lines):
        try:
            said = json.loads(line)
            found[said["MESSAGE_ID"]] = datetime.fromtimestamp(int(said["__REALTIME_TIMESTAMP"]) // 1_000_000, tz=UTC)
        except (ValueError, KeyError, TypeError):
            raise ParseError(f"not a line of the journal: {one_line(line, 200)!r}") from None
    return found


def source(generator: AliasGenerator) -> Source[AliasFacts]:
    """Return the source of a generator's state."""
    name = _section_name(generator)

    def read(outputs: Outputs) -> AliasFacts:
        return parse(outputs[name].text(), generator)

    return Source(name, (section(generator),), read)
