"""Who sends through an MX: messages that came in by client, from the mail log, and who these addresses are."""

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.mta.exim import names as exim

_LOG_BYTES = 16_000_000
NAMED = 20
"""So many addresses are looked up at most."""


def arrivals_section(since: datetime) -> Section:
    """The question how many messages came in from each address since a time.

    Arguments:
        since: aware.
    """
    return Section(
        "client-arrivals",
        f"""\
from=$(date -d @{int(since.timestamp())} '+%Y-%m-%d %H:%M:%S') || exit
{{ tail -q -c {_LOG_BYTES} {exim.MAINLOG}.1 2>/dev/null; tail -c {_LOG_BYTES} {exim.MAINLOG}; }} |
awk -v from="$from" '
substr($0, 1, 19) < from || !/ <= / {{ next }}
match($0, / H=[^ ]+( \\([^)]*\\))? \\[[0-9A-Fa-f.:]+\\]/) {{
a = substr($0, RSTART, RLENGTH - 1); sub(/.*\\[/, "", a); came[a]++
}}
END {{ for (a in came) print a, came[a]; print "end" }}'
""",
        timeout_s=20,
    )


def parse_arrivals(text: str) -> dict[str, int]:
    """Read its answer: messages by address.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or has another form.
    """
    *lines, end = text.splitlines() or [""]
    if end != "end":
        raise ParseError("who sent mail cannot be told: the answer is cut short")
    try:
        return {str(ipaddress.ip_address(ip)): int(count) for ip, count in (line.split(" ") for line in lines)}
    except ValueError as error:
        raise ParseError(f"who sent mail cannot be told: {error}") from error


def names_section(addresses: Iterable[str], hosts: Iterable[str]) -> Section:
    """The question how addresses are called, and which addresses some hosts have, as the MX resolves them.

    Arguments:
        addresses: as :mod:`ipaddress` writes them.
        hosts: fully qualified names.
    """
    asked = " ".join(str(ipaddress.ip_address(one)) for one in list(addresses)[:NAMED])
    return Section(
        "client-names",
        f"""\
for host in {" ".join(hosts)}; do timeout 5 getent ahosts "$host" | awk '{{ print "host", $1 }}'; done
for address in {asked}; do echo "name $address $(timeout 2 getent hosts "$address" | awk '{{ print $2; exit }}')"; done
echo end
""",
        timeout_s=60,
    )


def parse_names(text: str) -> tuple[dict[str, str], frozenset[str]]:
    """Read its answer: names by address as far as they are known, and the addresses of the hosts.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    *lines, end = text.splitlines() or [""]
    if end != "end":
        raise ParseError("what clients are called cannot be told: the answer is cut short")
    names = dict(re.findall(r"^name (\S+) ([A-Za-z0-9._-]{1,253})$", "\n".join(lines), re.MULTILINE))
    return names, frozenset(re.findall(r"^host (\S+)$", "\n".join(lines), re.MULTILINE))
