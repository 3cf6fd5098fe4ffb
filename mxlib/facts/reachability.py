"""Why a host that runs may not be reachable: its SSH server, its routes, its firewall."""

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
ss -Hltn 'sport = :22' 2>/dev/null | sed 's/^.*/listens/' | head -n 1
for f in 4 6; do ip -$f route show default 2>/dev/null | sed 's/^/route /'; done
{ nft list ruleset 2>/dev/null; iptables-legacy-save 2>/dev/null; ip6tables-legacy-save 2>/dev/null; } |
grep -E 'hook input|INPUT|dport.*(22|ssh)|drop|reject' | head -n 40 | sed 's/^[[:space:]]*/rule /'
systemctl list-units --failed --plain --no-legend 2>/dev/null | sed -n -E 's/^([^ ]+) .*/failed \\1/p'
echo end
""",
    timeout_s=30,
)


@dataclass(frozen=True)
class AccessFacts:
    """What stands between the network and a shell.

    Attributes:
        ssh_unit: state of ``ssh.service``.
        listening: whether something listens on port 22.
        routes: default routes.
        rules: lines of the firewall that may matter.
        failed: units that failed.
    """

    ssh_unit: str
    listening: bool
    routes: tuple[str, ...]
    rules: tuple[str, ...]
    failed: tuple[str, ...]


def parse(outputs: Outputs) -> AccessFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    text = outputs[SECTION.name].text()
    if not text.rstrip().endswith("end"):
        raise ParseError("section access: cut short")

    def every(keyword: str) -> tuple[str, ...]:
        return tuple(re.findall(rf"^{keyword} (.*\S) *$", text, re.MULTILINE))

    return AccessFacts(
        ssh_unit=next(iter(every("unit")), "unknown"),
        listening=bool(re.search(r"^listens$", text, re.MULTILINE)),
        routes=every("route"),
        rules=every("rule"),
        failed=every("failed"),
    )


SOURCE = Source("access", (SECTION,), parse)
