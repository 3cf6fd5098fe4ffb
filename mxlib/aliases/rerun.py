"""Run an alias generator again: what hangs is ended, and whatever happens a whole file serves.

The script runs on the host to its own end: it bounds the run, and puts the file back, also if the management host dies.
"""

import re
import shlex
from dataclasses import dataclass
from enum import Enum

from mxlib.aliases.plan import Repair
from mxlib.base.errors import StepError
from mxlib.base.text import one_line, printable
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import alias_hang
from mxlib.facts.alias_file import whole_script
from mxlib.model.on_host import DIRECTORY, REPLACE
from mxlib.protocols.host import Host, read_text

KEPT = f"{DIRECTORY}/aliases"
_STOP_S, _ENDED_S, _LOOK_S, _SPARE_S = 30, 10, 20, 90
"""Seconds for systemd to end a run; for what it then kills; for the look into a run that hangs; for all else."""
_BUSY = 75
_MAX_DONATION = 60_000
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")


class Ending(Enum):
    """How a run ended. Where it is FAILED, REJECTED or HUNG, the previous whole file serves, if there was one.

    UNKNOWN: another run was at work, or the answer was lost; then the script on the host goes on to its end.
    """

    REFRESHED = "refreshed"
    FAILED = "failed"
    REJECTED = "rejected"
    HUNG = "hung"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RunResult:
    """What came of a run on a host.

    Attributes:
        ending: how it ended.
        said: what the host said, a line each.
        entries: of the file that serves now; None where it is not whole.
        served: which file that is: new, kept, donated or none.
        seconds: how long the generator ran.
        hang: what a run that hung again waited for, as the host printed it; empty if it did not.
    """

    ending: Ending
    said: tuple[str, ...]
    entries: int | None
    served: str
    seconds: int
    hang: str = ""


def run_script(generator: AliasGenerator, limit_s: float, *, hangs: bool, arm: bool, donation: str = "") -> str:
    """Return the script that runs a generator again on its host.

    Arguments:
        limit_s: seconds its run may take.
        hangs: end the run that is under way.
        arm: start the timer too.
        donation: a whole file of another MX, gzip and base64; empty for none.
    """
    unit, file, kept = map(shlex.quote, (generator.unit, generator.file, f"{KEPT}/{generator.name}"))
    donated = f"""\
printf %s {donation} | base64 -d | gzip -dc >"$d/donated"
if most=$(whole "$d/kept") && count=$(whole "$d/donated"); then
less=$((most - count))  # the donor may be the one whose file has lost its contents
[ $less -le 1 ] || [ $((1000 * less)) -le $((most * {1000 * generator.max_difference:.0f})) ] || order='kept donated'
fi
""" if donation else ""
    timer = shlex.quote(generator.timer) if arm and generator.timer else ""
    look = shlex.quote(alias_hang.script(generator))
    armed = f"systemctl start -- {timer} 9>&- && echo 'said armed the timer'" if timer else ""
    return f"""\
# run {generator.unit}
LC_ALL=C; export LC_ALL
u={unit}; f={file}; d={kept}; limit={limit_s:.0f}
umask 077; mkdir -p "$d" || exit 1
exec 9>"$d/lock"; flock -n 9 || {{ echo 'another run is at work on this generator'; exit {_BUSY}; }}
rm -f "$d/kept.new" "$d/donated"
{REPLACE}{whole_script(generator)}
state() {{ systemctl show -p ActiveState --value -- "$u"; }}
running() {{ case $(state) in activating|deactivating) return 0;; esac; return 1; }}
until_limit() {{
began=$(date +%s)
while running && [ $(($(date +%s) - began)) -lt "$limit" ]; do sleep 0.5; done
}}
end_run() {{
timeout {_STOP_S} systemctl stop -- "$u" 9>&- || systemctl kill -s KILL -- "$u"
n=0; while running && [ $n -lt {2 * _ENDED_S} ]; do sleep 0.5; n=$((n + 1)); done
! running && echo 'said ended the run that was under way'
}}
put() {{
real=$(readlink -m "$f") && cp "$1" "$real.mx-new" || return 1
if [ -e "$real" ]; then chown --reference="$real" "$real.mx-new"; chmod --reference="$real" "$real.mx-new"
else chmod 644 "$real.mx-new"; fi
sync "$real.mx-new" && mv "$real.mx-new" "$real" && sync "${{real%/*}}"
}}
serve_whole() {{
if entries=$(whole "$f"); then return 0; fi
for from in $order; do
if entries=$(whole "$d/$from"); then
put "$d/$from" && served=$from && echo "said put the $from file back, $entries entries"
return
fi
done
served=none; entries=; echo 'said there is no whole file to put back'
}}
{"" if hangs else "until_limit  # one that does not hang is left to write its file to the end before that is judged"}
served=new
if entries=$(whole "$f"); then cp "$f" "$d/kept.new" && replace "$d/kept"
order='kept donated'; echo "said kept a copy, $entries entries: $d/kept"
else order='donated kept'; fi  # a copy of an earlier run may be old
{donated}{"end_run" if hangs else ""}
serve_whole
systemctl reset-failed -- "$u" 2>/dev/null
{armed}
systemctl start --no-block -- "$u" 9>&- || {{ serve_whole; echo 'end failed'; exit 0; }}
sleep 0.3
until_limit
took=$(($(date +%s) - began))
if running; then ending=hung; echo hang; timeout -k 1 {_LOOK_S} sh -c {look}; echo hang-end; end_run
elif [ "$(systemctl show -p Result --value -- "$u")" != success ]; then ending=failed
elif entries=$(whole "$f"); then ending=refreshed; served=new
else ending=rejected; fi
[ $ending = refreshed ] || {{ served=before; serve_whole; }}
rm -f "$d/donated"
printf 'took %s\\nserved %s\\nentries %s\\nend %s\\n' "$took" "$served" "$entries" "$ending"
"""


def longest_s(limit_s: float, *, hangs: bool) -> float:
    """Return the seconds that :func:`run_script` may take: it ends what hangs, and puts a whole file back, only then.

    Arguments:
        limit_s: seconds a run may take; one that is under way, and does not hang, has as long.
        hangs: whether the run that is under way is ended first.
    """
    runs, ends = (1, 2) if hangs else (2, 1)
    return runs * limit_s + ends * (_STOP_S + _ENDED_S) + _LOOK_S + _SPARE_S


def parse_run(text: str) -> RunResult:
    """Read what the script printed.

    Raises:
        mxlib.base.errors.StepError: it did not come to its end.
    """
    hang = re.search(r"^hang\n(.*?)^hang-end$", text, re.MULTILINE | re.DOTALL)
    rest = text.replace(hang[0], "") if hang else text
    found = dict(line.split(" ", 1) for line in rest.splitlines() if " " in line)
    if "end" not in found or found["end"] not in {one.value for one in Ending}:
        raise StepError(f"the run did not come to its end: {one_line(text[-300:]) or 'nothing was said'}")
    entries = found.get("entries", "").strip()
    return RunResult(
        ending=Ending(found["end"]),
        said=tuple(printable(line[5:]) for line in rest.splitlines() if line.startswith("said ")),
        entries=int(entries) if entries.isdigit() else None,
        served=found.get("served", "none"),
        seconds=int(found["took"]) if found.get("took", "").isdigit() else 0,
        hang=hang[1] if hang else "",
    )


def donation_of(host: Host, generator: AliasGenerator) -> str:
    """Return the whole file of a host, for one whose file is not whole; empty where it is too large for a command.

    Arguments:
        host: the donor.

    Raises:
        mxlib.base.errors.HostError: it does not answer.
    """
    script = f"# read {generator.file}\ngzip -9c {shlex.quote(generator.file)} | base64 -w 0"
    said = read_text(host, script, timeout=20).strip()
    return said if _BASE64.fullmatch(said) and len(said) <= _MAX_DONATION else ""


def rerun(host: Host, repair: Repair, limit_s: float, donation: str = "") -> RunResult:
    """Run a generator again; in a dry run the script is only shown.

    Arguments:
        limit_s: seconds the run may take.
        donation: see :func:`run_script`.

    Raises:
        mxlib.base.errors.StepError: another run is at work, or the script did not come to its end.
        mxlib.base.errors.HostError: the host failed.
    """
    script = run_script(repair.generator, limit_s, hangs=repair.hangs, arm=repair.arm, donation=donation)
    result = host.act(script, timeout=longest_s(limit_s, hangs=repair.hangs), ok_codes=(0, _BUSY))
    if result.exit_code == _BUSY:
        raise StepError(f"{host.name}: another run is at work on {repair.generator.unit}")
    return parse_run(result.output)
