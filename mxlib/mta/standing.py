"""Where a host stands, in one cheap section: boot, kernel, boot entries, MTA, ports, Puppet, and the run's record.

A run reads this before each step, so its script forks little: on a slow host forks take the time.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts import depool, puppet
from mxlib.facts.kernel import RELEASE, build_of
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source, read_facts
from mxlib.model.state import MtaState, Puppet, View
from mxlib.mta.protocol import PARKED, Mta
from mxlib.protocols.host import Host

# Defines PUPPET_DISABLEDLOCK, the lock file of a disabled Puppet (Wikimedia's contract).
PUPPET = puppet.COMMON
_PUPPET_FILES = " ".join(
    ("/opt/puppetlabs/bin/puppet", *(f"{one}/{kind}" for one in puppet.VARDIRS for kind in ("state", "public")))
)
_ENVIRONMENT = "/boot/grub/grubenv"

# A count is printed only where its list could be read: each table has a head line. 0A is LISTEN, 0019 is port 25.
# GRUB's environment is read only where GRUB itself would accept it.
_COUNT = """\
what == "tcp" && FNR == 1 { tables++ }
what == "tcp" && $4 == "0A" && $2 ~ /:0019$/ { listeners++ }
what == "grub" && FNR == 1 { known = ($0 == "# GRUB Environment Block") }
what == "grub" && known && sub(/^saved_entry=/, "saved ") { print }
what == "grub" && known && sub(/^next_entry=/, "next ") { print }
END { if (tables) print "listeners", listeners + 0 }
"""
_KEYS = frozenset({"boot", "kernel", "build", "image", "listeners", "saved", "next", "processes", "parked", "puppet"})


@dataclass(frozen=True)
class Standing:
    """Where a host stands.

    Attributes:
        view: the state that the planner uses.
        depool: the closed ports and the record.
        mta_unit: active state of the MTA's unit.
        listeners: number of sockets that listen on port 25.
        masked: whether the MTA's unit is masked.
        stopping: whether a shutdown is under way.
    """

    view: View
    depool: depool.DepoolFacts
    mta_unit: str
    listeners: int
    masked: bool
    stopping: bool


def section(mta: Mta) -> Section:
    """Return the section that reads where a host stands."""
    # On a machine without IPv6 there is no tcp6, before GRUB's first entry no environment; awk stops at a missing file.
    # The head of a kernel image has its release and the text of `uname -v`: RELEASE (WHO) #1 SMP ...; of an image
    # without such a head the package says the build.
    return Section(
        "standing",
        f"""\
read -r boot </proc/sys/kernel/random/boot_id && echo "boot $boot"
read -r kernel </proc/sys/kernel/osrelease && echo "kernel $kernel"
read -r build </proc/sys/kernel/version && echo "build $build"
case $(grep -aosF -m 1 -e "$kernel (" -e ") $build" "/boot/vmlinuz-$kernel") in
*") $build"*) ;;
*"$kernel ("*) echo "image replaced" ;;
*) package=$(dpkg-query -W -f '${{Version}}' "linux-image-$kernel" 2>/dev/null)
case $build in *"Debian $package"|*"Debian $package "*) ;; *) [ -z "$package" ] || echo "image replaced" ;; esac ;;
esac
set -- what=tcp /proc/net/tcp
[ ! -e /proc/net/tcp6 ] || set -- "$@" /proc/net/tcp6
[ ! -e {_ENVIRONMENT} ] || set -- "$@" what=grub {_ENVIRONMENT}
awk '{_COUNT}' "$@"
{mta.count_script}
[ ! -e {PARKED} ] || echo 'parked yes'
if [ -r {PUPPET} ]; then
bash -c '. {PUPPET} && test -n "${{PUPPET_DISABLEDLOCK}}" &&
{{ test -f "${{PUPPET_DISABLEDLOCK}}" && echo puppet off || echo puppet on; }}' || echo puppet unknown
else
there=absent; ! command -v puppet >/dev/null || there=unknown
for one in {_PUPPET_FILES}; do [ ! -e $one ] || there=unknown; done
echo "puppet $there"; fi
echo units
systemctl show -p ActiveState,LoadState,UnitFileState,Job -- {mta.units[0]} shutdown.target
echo end
""",
        timeout_s=30,
    )


def runs(found: Standing) -> bool:
    """Whether the MTA runs and listens; an init script's unit alone proves neither."""
    return found.mta_unit == "active" and found.listeners > 0


def stop_if_deaf_script(mta: Mta) -> str:
    """Return the script that stops the MTA where its unit is active and nothing listens on port 25.

    The unit of an init script stays active after its daemon has died, and a start of an active unit does nothing.
    """
    return f"""\
if systemctl -q is-active {mta.units[0]} && cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
awk '$4 == "0A" && $2 ~ /:0019$/ {{ heard = 1 }} END {{ exit !NR || heard }}'; then
{mta.stop_script}
fi
"""


def mta_state(unit: str, listeners: int, processes: int, *, held: bool, parked: bool = False) -> MtaState:
    """Return the planner's name for the state of the MTA.

    Args:
        unit: active state of its unit.
        listeners: number of sockets that listen on port 25.
        processes: number of processes of the MTA.
        held: whether it cannot be started.
        parked: whether a run has parked its queue and not released it.
    """
    if unit == "active" and listeners and not held and not parked:
        return MtaState.SERVING
    return MtaState.HELD if held and not processes and not listeners else MtaState.OTHER


def parse(outputs: Outputs) -> Standing:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: one of them is incomplete.
    """
    head, found, rest = outputs["standing"].text().partition("units\n")
    if not found or not rest.endswith("\nend\n"):
        raise outputs["standing"].incomplete("where the host stands")
    said = _said(head)
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
        puppet=Puppet(said["puppet"]),
        build=build_of(said.get("build", "")),
        replaced="image" in said,
    )
    return Standing(view, closed, unit["ActiveState"], listeners, masked, _shuts_down(shutdown))


def _said(head: str) -> dict[str, str]:
    """The lines before the units, by their first words; one that is not understood may be about anything."""
    lines = head.splitlines()
    refuse_unknown(lines, lambda line: line.partition(" ")[0] in _KEYS, "where the host stands: not understood")
    return {key: value for key, _, value in (line.partition(" ") for line in lines)}


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines())


def _shuts_down(target: dict[str, str]) -> bool:
    """Whether shutdown.target is reached or its start is queued: systemd calls that "stopping"."""
    return target["Job"] != "" or target["ActiveState"] in ("active", "activating", "reloading")


def _unescaped(value: str) -> str:
    """A value of GRUB's environment, in which a backslash quotes the next character."""
    return re.sub(r"\\(.)", r"\1", value)


def _release(text: str) -> str:
    if not re.fullmatch(RELEASE, text):
        raise ParseError(f"not a kernel release: {text[:60]!r}")
    return text


def source(mta: Mta) -> Source[Standing]:
    """Return the source of where a host stands."""
    return Source("standing", (section(mta), *depool.SOURCE.sections), parse)


def read_standing(host: Host, mta: Mta) -> Standing:
    """Read where a host stands.

    Raises:
        mxlib.base.errors.HostError: the host does not answer.
        mxlib.base.errors.ParseError: its answer is not understood.
    """
    asked = source(mta)
    return read_facts(host, (asked,)).get(asked)
