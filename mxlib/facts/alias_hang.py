"""Why a generator's run does not end: its processes, what they wait in, and whom they wait for."""

import re
import shlex
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.base.text import duration, printable
from mxlib.config.aliases import AliasGenerator
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

_JOURNAL_LINES = 15
_STACK_LINES = 12
_KINDS = ("process ", "stack ", "socket ", "journal ")


def script(generator: AliasGenerator) -> str:
    """Return the read-only script that looks into a run under way; other processes' lines of ss are left out."""
    unit = shlex.quote(generator.unit)
    return f"""\
g=$(systemctl show -p ControlGroup --value -- {unit})
pids=
[ -z "$g" ] ||
pids=$(find "/sys/fs/cgroup$g" "/sys/fs/cgroup/systemd$g" -name cgroup.procs -exec cat {{}} + 2>/dev/null)
if [ -n "$pids" ]; then
ps -o pid=,ppid=,stat=,etimes=,wchan:32=,args= -p "$(printf '%s' "$pids" | tr '\\n' ,)" | sed 's/^ */process /'
for p in $pids; do head -n {_STACK_LINES} "/proc/$p/stack" 2>/dev/null | sed "s/^/stack $p /"; done
ss -HntpioO | grep -E "pid=($(printf '%s' "$pids" | tr '\\n' '|'))," | sed 's/^/socket /'
fi
journalctl -q --no-pager -o short-iso -n {_JOURNAL_LINES} -u {unit} 2>&1 | sed 's/^/journal /'
echo looked"""


@dataclass(frozen=True)
class Process:
    """A process of the unit.

    Attributes:
        pid: its id.
        parent: its parent's id.
        state: as ps shows it: S sleeps, D sleeps in the kernel, R runs.
        seconds: its age.
        waits_in: the kernel function it sleeps in; "-" for none.
        command: its command line.
    """

    pid: int
    parent: int
    state: str
    seconds: int
    waits_in: str
    command: str


@dataclass(frozen=True)
class UnitConnection:
    """A TCP connection of the unit.

    Attributes:
        state: ESTAB, SYN-SENT, CLOSE-WAIT, ...
        peer: address and port of the other end.
        pid: of the first process that holds it.
        silent_s: seconds since the other end last sent anything; None where that is unknown.
        keepalive: whether a keepalive timer will notice that the other end is gone.
    """

    state: str
    peer: str
    pid: int
    silent_s: float | None
    keepalive: bool


@dataclass(frozen=True)
class Hang:
    """What was found about a run that hangs.

    Attributes:
        processes: processes of the unit.
        sockets: their TCP connections.
        lines: everything that was read, for the journal and the report.
    """

    processes: tuple[Process, ...]
    sockets: tuple[UnitConnection, ...]
    lines: tuple[str, ...]

    @property
    def why(self) -> str:
        """One sentence about why it hangs."""
        if not self.processes:
            return self._none("process", "no process of it is left")
        deepest = self._deepest
        name = deepest.command.split(" ")[0].rpartition("/")[2]
        who = f"{name} (pid {deepest.pid}, {deepest.command}) has run for {duration(deepest.seconds)}"
        waits = f", waits in {deepest.waits_in}" if deepest.waits_in not in ("-", "0", "") else ""
        connections = "; ".join(map(_connection, self.sockets)) or self._none("socket", "it has no TCP connection")
        return f"{who}{waits}; {connections}"

    def _none(self, kind: str, why: str) -> str:
        """Say why there is nothing of a kind: a line that is not understood is no absence."""
        said = any(line.startswith(f"{kind} ") for line in self.lines)
        return f"what is said of each {kind} of it is not understood" if said else why

    @property
    def _deepest(self) -> Process:
        """The process that the others wait for: one that holds a connection, else the youngest without a child."""
        holders = {socket.pid for socket in self.sockets}
        parents = {one.parent for one in self.processes}
        return min(self.processes, key=lambda one: (one.pid not in holders, one.pid in parents, one.seconds, -one.pid))


def _connection(socket: UnitConnection) -> str:
    silent = f", silent for {duration(socket.silent_s)}" if socket.silent_s is not None else ""
    blind = "" if socket.keepalive else ", no keepalive to notice that it is gone"
    return f"connection to {socket.peer} ({socket.state}){silent}{blind}"


def parse(text: str) -> Hang:
    """Read what :func:`script` printed.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    *lines, end = text.rstrip().splitlines() or [""]
    if end != "looked":
        raise ParseError("the look into the run is cut short")
    refuse_unknown(lines, lambda line: line.startswith(_KINDS), "the look into the run: not understood")
    processes = [_process(line) for line in lines if line.startswith("process ")]
    sockets = [_socket(line) for line in lines if line.startswith("socket ")]
    return Hang(
        tuple(filter(None, processes)),
        tuple(filter(None, sockets)),
        tuple(" ".join(printable(x).split()) for x in lines),
    )


def _process(line: str) -> Process | None:
    found = re.fullmatch(r"process (\d+) +(\d+) +(\S+) +(\d+) +(\S+) +(.*)", line)
    if found is None:
        return None
    pid, parent, state, seconds, waits_in, command = found.groups()
    return Process(int(pid), int(parent), state, int(seconds), waits_in, printable(command).strip())


def _socket(line: str) -> UnitConnection | None:
    found = re.match(r"socket (\S+) +\d+ +\d+ +\S+ +(\S+) .*?pid=(\d+)", line)
    if found is None:
        return None
    silent = re.search(r"\blastrcv:(\d+)", line)
    return UnitConnection(
        state=found[1],
        peer=printable(found[2]),
        pid=int(found[3]),
        silent_s=int(silent[1]) / 1000 if silent else None,
        keepalive="timer:(keepalive" in line,
    )


def source(generator: AliasGenerator) -> Source[Hang]:
    """Return the source of a look into a run."""
    section = Section(f"alias-hang-{generator.name}", script(generator), timeout_s=20)

    def read(outputs: Outputs) -> Hang:
        return parse(outputs[section.name].text())

    return Source(section.name, (section,), read)
