"""The current boot: only another boot id proves a reboot."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

_ANSWER = re.compile(r"boot-id (?P<id>[0-9a-f-]{36})\nbooted (?P<at>\d+)\ncmdline (?P<cmdline>[^\n]*)\n*")

SECTION = Section(
    "boot",
    """\
printf 'boot-id %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
sed -n 's/^btime /booted /p' /proc/stat
printf 'cmdline %s\\n' "$(cat /proc/cmdline)"
""",
)


@dataclass(frozen=True)
class BootFacts:
    """The current boot of a host.

    Attributes:
        boot_id: the kernel's random id of this boot (/proc/sys/kernel/random/boot_id).
        booted_at: when it booted, by the host's clock (btime of /proc/stat); not a proof of a reboot.
        cmdline: the kernel's command line.
    """

    boot_id: UUID
    booted_at: datetime
    cmdline: str


def parse(outputs: Outputs) -> BootFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it does not consist of the three known lines.
    """
    found = _ANSWER.fullmatch(outputs[SECTION.name].text())
    if found is None:
        raise ParseError("boot id, boot time or kernel command line is missing")
    return BootFacts(UUID(found["id"]), datetime.fromtimestamp(int(found["at"]), tz=UTC), found["cmdline"].strip())


SOURCE = Source("boot", (SECTION,), parse)
