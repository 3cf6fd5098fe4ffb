"""How long the reboots of a host took, kept on the host: every management host reads the same list."""

from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model.on_host import DIRECTORY, REPLACE

LIST = f"{DIRECTORY}/reboot-seconds"
_KEPT = 20

SECTION = Section("past-runs", f"[ ! -e {LIST} ] || cat {LIST}\n")


def parse(outputs: Outputs) -> tuple[float, ...]:
    """Return the seconds that each reboot took, oldest first; a line that is no number of seconds is left out.

    Raises:
        mxlib.base.errors.ParseError: the list cannot be read.
    """
    lines = outputs[SECTION.name].text().splitlines()
    return tuple(float(line) for line in lines if line.isascii() and line.isdigit() and 0 < int(line) <= 86_400)


def add_script(seconds: float) -> str:
    """Return the script that adds a reboot to the list, atomically.

    Args:
        seconds: duration of the reboot.
    """
    return f"""\
{REPLACE}mkdir -p {DIRECTORY}
{{ [ ! -e {LIST} ] || tail -n {_KEPT - 1} {LIST}; echo {seconds:.0f}; }} >{LIST}.new
replace {LIST}
"""


SOURCE = Source("past-runs", (SECTION,), parse)
