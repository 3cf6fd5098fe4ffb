"""Why a host that runs may not be reachable: its SSH server and its firewall."""

import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# The rules are evidence for a person, not judged here: which of them matters depends on the whole ruleset.
SECTION = Section(
    "access",
    """\
printf 'unit %s\\n' "$(systemctl is-active ssh.service 2>/dev/null || true)"
if listed=$(ss -Hltn 'sport = :22' 2>/dev/null); then [ -z "$listed" ] || echo listens
else echo listens unread; fi
{ nft list ruleset 2>/dev/null; iptables-legacy-save 2>/dev/null; ip6tables-legacy-save 2>/dev/null; } |
grep -E 'hook input|INPUT|dport.*(22|ssh)|drop|reject' | head -n 40 | sed 's/^[[:space:]]*/rule /'
echo end
""",
    timeout_s=30,
)


_LINE = re.compile(r"unit|listens(?: unread)?\Z|rule ")


@dataclass(frozen=True)
class AccessFacts:
    """What stands between the network and a shell.

    Attributes:
        ssh_unit: state of ``ssh.service``.
        listening: whether something listens on port 22; None where that cannot be read.
        rules: lines of the firewall that may matter.
    """

    ssh_unit: str
    listening: bool | None
    rules: tuple[str, ...]


def parse(outputs: Outputs) -> AccessFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or has a line of an unknown form.
    """
    lines = [line.rstrip() for line in outputs[SECTION.name].text().splitlines() if line.strip()]
    if lines[-1:] != ["end"]:
        raise ParseError("section access: cut short")
    odd = [line for line in lines[:-1] if not _LINE.match(line)]
    if odd:
        raise ParseError(f"section access: not understood: {odd[0][:80]}")
    units = [line.removeprefix("unit ") for line in lines if line.startswith("unit ")]
    rules = tuple(line.removeprefix("rule ") for line in lines if line.startswith("rule "))
    listening = None if "listens unread" in lines else "listens" in lines
    return AccessFacts(units[0] if units else "unknown", listening, rules)


SOURCE = Source("access", (SECTION,), parse)
