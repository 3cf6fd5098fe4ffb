"""Why a host that runs may not be reachable: its SSH server and its firewall."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# The rules are evidence for a person, not judged here: which of them matters depends on the whole ruleset. A tool that
# is missing or fails is reported: no line of it would look like no rule. The legacy tools are asked only where the
# kernel has their tables, as merely asking would load its modules.
SECTION = Section(
    "access",
    """\
printf 'unit %s\\n' "$(systemctl is-active ssh.service 2>/dev/null || true)"
if listed=$(ss -Hltn 'sport = :22' 2>/dev/null); then [ -z "$listed" ] || echo listens
else echo listens unread; fi
rules() {
command -v "$1" >/dev/null || { echo "unread there is no $1"; return; }
found=$("$@" 2>&1) || { echo "unread $1 failed: $(printf '%s\\n' "$found" | tail -n 1)"; return; }
printf '%s\\n' "$found" | grep -E 'hook input|INPUT|dport.*(22|ssh)|drop|reject' | head -n 40 |
sed 's/^[[:space:]]*/rule /'
}
if ! command -v nft >/dev/null && command -v iptables-nft-save >/dev/null
then rules iptables-nft-save; rules ip6tables-nft-save
else rules nft list ruleset
fi
! grep -qs . /proc/net/ip_tables_names || rules iptables-legacy-save
! grep -qs . /proc/net/ip6_tables_names || rules ip6tables-legacy-save
echo end
""",
    timeout_s=30,
)
_LINE = re.compile(r"unit|listens(?: unread)?\Z|rule |unread ")


@dataclass(frozen=True)
class AccessFacts:
    """What a connection meets on its way from the network to a shell.

    Attributes:
        ssh_unit: state of ``ssh.service``.
        listening: whether something listens on port 22; None where that cannot be read.
        rules: lines of the firewall that may matter.
        unread: why rules of the firewall could not be read, by tool; empty if all were.
    """

    ssh_unit: str
    listening: bool | None
    rules: tuple[str, ...]
    unread: tuple[str, ...] = ()


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
    units = _those(lines, "unit ")
    listening = None if "listens unread" in lines else "listens" in lines
    return AccessFacts(units[0] if units else "unknown", listening, _those(lines, "rule "), _those(lines, "unread "))


def _those(lines: Iterable[str], word: str) -> tuple[str, ...]:
    return tuple(one_line(line.removeprefix(word)) for line in lines if line.startswith(word))


SOURCE = Source("access", (SECTION,), parse)
