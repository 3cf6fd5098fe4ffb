"""Clients of an MX: messages that arrived by client, from the main log."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_before_end
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.exim.log import FUNCTIONS

_LOG_BYTES = 16_000_000


def arrivals_section(since: datetime) -> Section:
    """Return the section that counts the messages from each address since a time.

    Args:
        since: aware.
    """
    return Section(
        "client-arrivals",
        f"""\
{FUNCTIONS}
recent "$(($(date +%s) - {int(since.timestamp())}))"
latest {_LOG_BYTES} |
awk -v from="$from" '
/^(whole|all)$/ {{ read = 1; next }}
substr($0, 1, 19) < from || !/ <= / {{ next }}
match($0, / H=[^ ]+( \\([^)]*\\))? \\[[0-9A-Fa-f.:]+\\]/) {{
a = substr($0, RSTART, RLENGTH - 1); sub(/.*\\[/, "", a); came[a]++
}}
END {{ if (!read) exit 5; for (a in came) print a, came[a]; print "end" }}'
""",
        timeout_s=20,
    )


def parse_arrivals(text: str) -> dict[str, int]:
    """Read its answer: messages by address.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or has another form.
    """
    lines = lines_before_end(text, "who sent mail is unknown: the answer is cut short")
    try:
        return {str(ipaddress.ip_address(ip)): int(count) for ip, count in (line.split(" ") for line in lines)}
    except ValueError as error:
        raise ParseError(f"who sent mail is unknown: {error}") from None


def arrivals_source(since: datetime) -> Source[Mapping[str, int]]:
    """Return the source of the counts.

    Args:
        since: aware.
    """
    asked = arrivals_section(since)
    return Source(asked.name, (asked,), lambda outputs: parse_arrivals(outputs[asked.name].text()))
