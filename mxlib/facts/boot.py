"""Which boot this is: the only proof of a reboot is another boot id."""

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
    """This boot of a host.

    Attributes:
        boot_id: the kernel's random id of this boot (/proc/sys/kernel/random/boot_id).
        booted_at: when it booted, by the host's clock (btime of /proc/stat); not a proof of a reboot.
        cmdline: the kernel's command line.
    """

    boot_id: UUID
    booted_at: datetime
    cmdline: str

    @property
    def panic_s(self) -> int | None:
        """Seconds after which a panic reboots, by the command line; None when it hangs for ever."""
        found = re.findall(r"(?:^|\s)panic=(-?\d+)(?=\s|$)", self.cmdline)
        return int(found[-1]) if found and int(found[-1]) != 0 else None


def parse(outputs: Outputs) -> BootFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is not three known lines with a UUID and a time.
    """
    found = _ANSWER.fullmatch(outputs[SECTION.name].text())
    if found is None:
        raise ParseError("the boot id, the boot time and the command line are not all there")
    return BootFacts(UUID(found["id"]), datetime.fromtimestamp(int(found["at"]), tz=UTC), found["cmdline"].strip())


SOURCE = Source("boot", (SECTION,), parse)
