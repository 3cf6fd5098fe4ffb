"""Exim on a host: its unit, its listeners and its processes.

There is no master process: the daemon listens and starts queue runners, each delivery is a process, and local programs
submit at any time. So "stopped" means no process at all. The unit's main PID is 0 (a generated sysv unit).
"""

import re

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_before_end
from mxlib.facts import sockets
from mxlib.facts.depool import HOLD as HOLD_FILE
from mxlib.facts.depool import gate
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.facts.units import SHOWN, parse_show
from mxlib.mta.exim import names as exim
from mxlib.mta.service import MtaFacts, MtaProcess, Role

UNIT = Section("mta-unit", f"systemctl show -p {SHOWN} -- {exim.UNIT}")
HOLD = Section("mta-hold", f"if [ -e {HOLD_FILE} ]; then echo yes; else echo no; fi")
VERSION = Section("mta-version", f"{exim.BINARY} -bV", timeout_s=30)
# By executable, not by name: a program may submit as `sendmail`, and after an upgrade the file is "(deleted)". A count
# is printed only where the list could be read: this shell itself has an executable.
COUNT = f"""\
list=$(readlink /proc/[0-9]*/exe 2>/dev/null)
count=0; IFS='
'
for one in $list; do case $one in {exim.BINARY} | {exim.BINARY}' (deleted)') count=$((count + 1)) ;; esac; done
unset IFS
[ -z "$list" ] || echo "processes $count\""""
PROCESSES = Section(
    "mta-processes",
    rf"""
list=$(ls -l /proc/[0-9]*/exe 2>/dev/null)
[ -n "$list" ] || {{ echo 'no process can be listed' >&2; exit 1; }}
printf '%s\n' "$list" |
sed -n 's#.* /proc/\([0-9]*\)/exe -> {exim.BINARY}\( (deleted)\)\{{0,1\}}$#\1#p' |
while read -r pid; do
parent=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status" 2>/dev/null)
[ -z "$parent" ] || printf '%s %s %s\n' "$pid" "$parent" "$(tr '\0\n\t' '   ' <"/proc/$pid/cmdline")"
done
echo end
""",
)


def _role(pid: int, parent: int, command: str, pids: frozenset[int], found: sockets.SocketFacts) -> Role:
    """The role by sockets first, which are certain; then by arguments (Exim's spec.txt, "The Exim command line")."""
    if any(pid in _pids(listener) for listener in found.listening) and parent not in pids:
        return Role.DAEMON
    for connection in found.established:
        if pid in _pids(connection):
            return Role.DELIVERY if connection.peer_port in (24, 25, 465, 587) else Role.SESSION
    if re.search(r" -M[A-Za-z]* ", command + " "):
        return Role.DELIVERY
    if re.search(r" -(?:oP \S+ )?.*-?q[0-9]+[smhdw]", command) or " -bd" in command:
        return Role.CHILD if parent in pids else Role.DAEMON
    return Role.RUNNER if re.search(r" -[qR]", command) else Role.OTHER


def _pids(socket: sockets.Socket) -> frozenset[int]:
    return frozenset(pid for _, pid in socket.processes)


def parse_processes(text: str, found: sockets.SocketFacts) -> tuple[MtaProcess, ...]:
    """Read the section about processes.

    Args:
        text: its output.
        found: the sockets, by which roles are found.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or a line has another form.
    """
    lines = lines_before_end(text, "the list of processes is cut short")
    rows = [(int(pid), int(parent), command.strip()) for pid, parent, command in (line.split(" ", 2) for line in lines)]
    pids = frozenset(pid for pid, _, _ in rows)
    return tuple(MtaProcess(pid, up, command, _role(pid, up, command, pids, found)) for pid, up, command in rows)


def parse(outputs: Outputs) -> MtaFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: one of them has another form.
    """
    found = sockets.parse(outputs)
    processes = parse_processes(outputs[PROCESSES.name].text(), found)
    units = parse_show(outputs[UNIT.name].text())
    if len(units) != 1:
        raise ParseError(f"systemctl did not show {exim.UNIT}")
    pids = frozenset(process.pid for process in processes)
    listeners = tuple(socket for socket in found.listening if _pids(socket) & pids)
    hold_file = parse_hold(outputs[HOLD.name].text())
    held = units[0].masked or (hold_file and gate(exim.UNIT) in units[0].drop_ins)
    return MtaFacts(units[0], parse_version(outputs), listeners, processes, held)


def parse_version(outputs: Outputs) -> str:
    """Read the MTA's upstream version.

    Raises:
        mxlib.base.errors.ParseError: the answer does not begin with it.
    """
    version = re.match(r"Exim version (\S+)", outputs[VERSION.name].text())
    if version is None:
        raise ParseError("the version of the MTA is unknown")
    return version[1]


def parse_hold(text: str) -> bool:
    """Read whether the file exists that holds the MTA.

    Raises:
        mxlib.base.errors.ParseError: it is neither yes nor no.
    """
    if text.strip() not in ("yes", "no"):
        raise ParseError(f"whether the MTA is held is unknown: expected yes or no, got {text.strip()[:40]!r}")
    return text.strip() == "yes"


VERSION_SOURCE = Source("mta-version", (VERSION,), parse_version)
SOURCE = Source("mta", (UNIT, HOLD, VERSION, PROCESSES, sockets.LISTENING, sockets.ESTABLISHED), parse)
