"""Where a host stands, in one cheap section: boot, kernel, boot entries, MTA, ports, Puppet, and the run's record.

A run asks this before each step, so it is written for few forks: on a slow host they are what takes the time.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from mxlib import exim
from mxlib.errors import ParseError
from mxlib.facts import depool
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source, read_facts
from mxlib.host import Host
from mxlib.state import Mta, View

# The site's job that keeps Puppet off has its lock file's name in this script (Wikimedia's contract).
_PUPPET = "/usr/local/share/bash/puppet-common.sh"

# By the executable, not by name: a program may submit as `sendmail`, and after an upgrade the file is "(deleted)".
SECTION = Section(
    "standing",
    f"""\
printf 'boot %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'kernel %s\\n' "$(uname -r)"
printf 'system %s\\n' "$(systemctl is-system-running)"
systemctl show -p ActiveState,LoadState,UnitFileState -- {exim.UNIT} | sed 's/=/ /'
ls -l /proc/[0-9]*/exe 2>/dev/null | awk -v exe={exim.BINARY} '$(NF - 1) == "->" && $NF == exe {{ n++ }}
$(NF - 2) == "->" && $(NF - 1) == exe {{ n++ }} END {{ print "processes", n + 0 }}'
ss -Hltn | awk '{{ sub(/.*:/, "", $4); if ($4 == 25) n++ }} END {{ print "listeners", n + 0 }}'
grub-editenv /boot/grub/grubenv list | sed -n 's/^\\(saved\\|next\\)_entry=/\\1 /p'
if [ -r {_PUPPET} ]; then
bash -c '. {_PUPPET} && {{ test -f "${{PUPPET_DISABLEDLOCK}}" && echo puppet off || echo puppet on; }}'
else echo puppet absent; fi
echo end
""",
    timeout_s=30,
)


@dataclass(frozen=True)
class Standing:
    """Where a host stands.

    Attributes:
        view: what the planner sees.
        depool: the closed ports and the record.
        mta_unit: active state of the MTA's unit.
        listeners: sockets that listen on port 25.
        masked: whether somebody has masked the MTA's unit.
        stopping: whether a shutdown is under way.
    """

    view: View
    depool: depool.DepoolFacts
    mta_unit: str
    listeners: int
    masked: bool
    stopping: bool


def mta_state(unit: str, listeners: int, processes: int, *, held: bool) -> Mta:
    """What the planner calls the state of the MTA.

    Arguments:
        unit: active state of its unit.
        listeners: sockets that listen on port 25.
        processes: processes of the MTA.
        held: whether it cannot be started.
    """
    if unit == "active" and listeners and not held:
        return Mta.SERVING
    return Mta.HELD if held and not processes and not listeners else Mta.OTHER


def parse(outputs: Outputs) -> Standing:
    """Read the answers of the sections.

    Raises:
        mxlib.errors.ParseError: one of them is not all there.
    """
    lines = outputs[SECTION.name].text().splitlines()
    if not lines or lines[-1] != "end":
        raise ParseError("where the host stands is not all there")
    said = dict(line.split(" ", 1) for line in lines if " " in line)
    closed = depool.parse(outputs)
    listeners, processes = int(said["listeners"]), int(said["processes"])
    masked = said["LoadState"] == "masked" or said["UnitFileState"].startswith("masked")
    view = View(
        boot=str(UUID(said["boot"])),
        kernel=_release(said["kernel"]),
        ports=closed.ports,
        mta=mta_state(said["ActiveState"], listeners, processes, held=closed.held or masked),
        saved=said.get("saved", ""),
        next=said.get("next", ""),
        puppet_off=said["puppet"] == "off",
    )
    return Standing(view, closed, said["ActiveState"], listeners, masked, said.get("system") == "stopping")


def _release(text: str) -> str:
    if not re.fullmatch(RELEASE, text):
        raise ParseError(f"not a kernel release: {text[:60]!r}")
    return text


SOURCE = Source("standing", (SECTION, *depool.SOURCE.sections), parse)


def read_standing(host: Host) -> Standing:
    """Ask a host where it stands.

    Arguments:
        host: the machine.

    Raises:
        mxlib.errors.HostError: it does not answer.
        mxlib.errors.ParseError: its answer cannot be understood.
    """
    return read_facts(host, (SOURCE,)).get(SOURCE)
