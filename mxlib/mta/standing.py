"""Where a host stands, in one cheap section: boot, kernel, boot entries, MTA, ports, Puppet, and the run's record.

A run asks this before each step, so it is written for few forks: on a slow host they are what takes the time.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from mxlib.base.errors import ParseError
from mxlib.facts import depool
from mxlib.facts.kernel import RELEASE, build_of
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source, read_facts
from mxlib.model.state import Mta, View
from mxlib.mta.protocol import PARKED
from mxlib.mta.protocol import Mta as MailAgent
from mxlib.protocols.host import Host

# The site's job that keeps Puppet off has its lock file's name in this script (Wikimedia's contract).
PUPPET = "/usr/local/share/bash/puppet-common.sh"
_ENVIRONMENT = "/boot/grub/grubenv"

# A count is said only where its list was there: each table has a head.
# 0A is LISTEN, 0019 port 25. Of GRUB's environment only what GRUB itself would take for one is read.
_COUNT = """\
what == "tcp" && FNR == 1 { tables++ }
what == "tcp" && $4 == "0A" && $2 ~ /:0019$/ { listeners++ }
what == "grub" && FNR == 1 { known = ($0 == "# GRUB Environment Block") }
what == "grub" && known && sub(/^saved_entry=/, "saved ") { print }
what == "grub" && known && sub(/^next_entry=/, "next ") { print }
END { if (tables) print "listeners", listeners + 0 }
"""
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


def section(mta: MailAgent) -> Section:
    """Return the question where a host stands.

    Args:
        mta: the host's MTA.
    """
    # On a machine without IPv6 there is no tcp6, before GRUB's first entry no environment; awk stops at a missing file.
    # The head of a kernel image has its release and what `uname -v` says in plain text: RELEASE (WHO) #1 SMP ...
    return Section(
        "standing",
        f"""\
read -r boot </proc/sys/kernel/random/boot_id && echo "boot $boot"
read -r kernel </proc/sys/kernel/osrelease && echo "kernel $kernel"
read -r build </proc/sys/kernel/version && echo "build $build"
image=/boot/vmlinuz-$kernel
! grep -qsF "$kernel (" "$image" || grep -qsF ") $build" "$image" || echo "image replaced"
set -- what=tcp /proc/net/tcp
[ ! -e /proc/net/tcp6 ] || set -- "$@" /proc/net/tcp6
[ ! -e {_ENVIRONMENT} ] || set -- "$@" what=grub {_ENVIRONMENT}
awk '{_COUNT}' "$@"
{mta.count_script}
[ ! -e {PARKED} ] || echo 'parked yes'
if [ -r {PUPPET} ]; then
bash -c '. {PUPPET} && {{ test -f "${{PUPPET_DISABLEDLOCK}}" && echo puppet off || echo puppet on; }}'
else echo puppet absent; fi
echo units
systemctl show -p ActiveState,LoadState,UnitFileState,Job -- {mta.units[0]} shutdown.target
echo end
""",
        timeout_s=30,
    )


def mta_state(unit: str, listeners: int, processes: int, *, held: bool, parked: bool = False) -> Mta:
    """What the planner calls the state of the MTA.

    Arguments:
        unit: active state of its unit.
        listeners: sockets that listen on port 25.
        processes: processes of the MTA.
        held: whether it cannot be started.
        parked: whether a run has put its queue aside and not let it go.
    """
    if unit == "active" and listeners and not held and not parked:
        return Mta.SERVING
    return Mta.HELD if held and not processes and not listeners else Mta.OTHER


def parse(outputs: Outputs) -> Standing:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: one of them is not all there.
    """
    head, found, rest = outputs["standing"].text().partition("units\n")
    if not found or not rest.endswith("\nend\n"):
        raise outputs["standing"].incomplete("where the host stands")
    said = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    unit, shutdown = (_properties(block) for block in rest.removesuffix("end\n").strip().split("\n\n"))
    closed = depool.parse(outputs)
    listeners, processes = int(said["listeners"]), int(said["processes"])
    masked = unit["LoadState"] == "masked" or unit["UnitFileState"].startswith("masked")
    view = View(
        boot=str(UUID(said["boot"])),
        kernel=_release(said["kernel"]),
        ports=closed.ports,
        mta=mta_state(unit["ActiveState"], listeners, processes, held=closed.held or masked, parked="parked" in said),
        saved=_unescaped(said.get("saved", "")),
        next=_unescaped(said.get("next", "")),
        puppet_off=said["puppet"] == "off",
        build=build_of(said.get("build", "")),
        replaced="image" in said,
    )
    return Standing(view, closed, unit["ActiveState"], listeners, masked, _shuts_down(shutdown))


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines())


def _shuts_down(target: dict[str, str]) -> bool:
    """Whether the target of every shutdown is reached, or its start is queued: systemd itself calls that "stopping"."""
    return target["Job"] != "" or target["ActiveState"] in ("active", "activating", "reloading")


def _unescaped(value: str) -> str:
    """A value of GRUB's environment, in which a backslash keeps the character behind it."""
    return re.sub(r"\\(.)", r"\1", value)


def _release(text: str) -> str:
    if not re.fullmatch(RELEASE, text):
        raise ParseError(f"not a kernel release: {text[:60]!r}")
    return text


def source(mta: MailAgent) -> Source[Standing]:
    """Return how it is read where a host stands.

    Args:
        mta: the host's MTA.
    """
    return Source("standing", (section(mta), *depool.SOURCE.sections), parse)


def read_standing(host: Host, mta: MailAgent) -> Standing:
    """Ask a host where it stands.

    Args:
        host: the machine.
        mta: its MTA.

    Raises:
        mxlib.base.errors.HostError: it does not answer.
        mxlib.base.errors.ParseError: its answer cannot be understood.
    """
    asked = source(mta)
    return read_facts(host, (asked,)).get(asked)
