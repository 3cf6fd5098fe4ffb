"""Names of clients' addresses, and addresses of the other MXs, as an MX resolves them."""

import ipaddress
import re
from collections.abc import Iterable

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts.section import Section

NAMED = 20
"""Most addresses that are looked up."""


def names_section(addresses: Iterable[str], hosts: Iterable[str]) -> Section:
    """Return the section that resolves names of addresses, and addresses of hosts, on the MX.

    Args:
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
    """Read its answer: the known names by address, and the addresses of the hosts.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    *lines, end = text.splitlines() or [""]
    if end != "end":
        raise ParseError("the names of clients are unknown: the answer is cut short")
    known = ("name ", "host ")
    refuse_unknown(lines, lambda line: line.startswith(known), "the names of clients are unknown: not understood")
    names = dict(re.findall(r"^name (\S+) ([A-Za-z0-9._-]{1,253})$", "\n".join(lines), re.MULTILINE))
    return names, frozenset(re.findall(r"^host (\S+)$", "\n".join(lines), re.MULTILINE))
