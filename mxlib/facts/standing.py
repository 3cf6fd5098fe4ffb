"""Where a host stands, in one cheap round trip: boot, kernel, boot entries, MTA, ports, Puppet, the run's record."""

import re
from dataclasses import dataclass
from uuid import UUID

from mxlib.errors import ParseError
from mxlib.facts import depool, mta
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source, read_facts
from mxlib.host import Host
from mxlib.state import Mta, View

# The site's job that keeps Puppet off has its lock file's name in this script (Wikimedia's contract).
_PUPPET = "/usr/local/share/bash/puppet-common.sh"

SECTION = Section(
    "standing",
    f"""\
printf 'boot %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'kernel %s\\n' "$(uname -r)"
printf 'system %s\\n' "$(systemctl is-system-running)"
grub-editenv /boot/grub/grubenv list | sed -n 's/^\\(saved\\|next\\)_entry=/\\1 /p'
if [ -r {_PUPPET} ]; then
bash -c '. {_PUPPET} && {{ test -f "${{PUPPET_DISABLEDLOCK}}" && echo puppet off || echo puppet on; }}'
else echo puppet absent; fi
echo end
""",
)


@dataclass(frozen=True)
class Standing:
    """Where a host stands.

    Attributes:
        view: what the planner sees.
        depool: the closed ports and the record.
        mta: the MTA.
        stopping: whether a shutdown is under way.
    """

    view: View
    depool: depool.DepoolFacts
    mta: mta.MtaFacts
    stopping: bool


def mta_state(facts: mta.MtaFacts, held: bool) -> Mta:
    """What the planner calls the state of the MTA.

    Arguments:
        facts: the MTA.
        held: whether it cannot be started by our doing.
    """
    held = held or facts.masked
    if facts.unit.active == "active" and facts.listeners and not held:
        return Mta.SERVING
    return Mta.HELD if held and facts.still else Mta.OTHER


def parse(outputs: Outputs) -> Standing:
    """Read the answers of the sections.

    Raises:
        mxlib.errors.ParseError: one of them is not all there.
    """
    lines = outputs[SECTION.name].text().splitlines()
    if not lines or lines[-1] != "end":
        raise ParseError("where the host stands is not all there")
    said = dict(line.split(" ", 1) for line in lines if " " in line)
    closed, daemon = depool.parse(outputs), mta.parse(outputs)
    view = View(
        boot=str(UUID(said["boot"])),
        kernel=_release(said["kernel"]),
        ports=closed.ports,
        mta=mta_state(daemon, closed.held),
        saved=said.get("saved", ""),
        next=said.get("next", ""),
        puppet_off=said["puppet"] == "off",
    )
    return Standing(view, closed, daemon, said.get("system") == "stopping")


def _release(text: str) -> str:
    if not re.fullmatch(RELEASE, text):
        raise ParseError(f"not a kernel release: {text[:60]!r}")
    return text


SOURCE = Source("standing", (SECTION, *depool.SOURCE.sections, *mta.SOURCE.sections), parse)


def read_standing(host: Host) -> Standing:
    """Ask a host where it stands.

    Arguments:
        host: the machine.

    Raises:
        mxlib.errors.HostError: it does not answer.
        mxlib.errors.ParseError: its answer cannot be understood.
    """
    return read_facts(host, (SOURCE,)).get(SOURCE)
