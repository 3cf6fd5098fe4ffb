"""The reject log of the MTA: whose mail for certain addresses was refused."""

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line, printable
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim.log import FUNCTIONS
from mxlib.mta.refusal import Refusal

REJECTLOG = "/var/log/exim4/rejectlog"
_MAX_LINES = 2000
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S* (?:\[\d+\] )?H=(?P<host>.*?) ?\[(?P<ip>[0-9A-Fa-f.:]+)\].*?"
    r"F=<(?P<sender>[^>]*)> rejected RCPT <(?P<recipient>[^>]*)>: ?(?P<why>.*)"
)


def section(addresses: Sequence[str], since: datetime) -> Section:
    """The question for refusals.

    Arguments:
        addresses: recipients.
        since: from when on.

    Raises:
        mxlib.base.errors.ParseError: not a mail address.
    """
    for address in addresses:
        if not ADDRESS_PATTERN.fullmatch(address):
            raise ParseError(f"not a mail address: {one_line(address, 80)!r}")
    names = " ".join(f"<{address.lower()}>" for address in addresses)
    return Section(
        "rejects",
        f"""\
{FUNCTIONS}
find_zone
date '+zone %z'
from=$(date -d @{since.timestamp():.0f} '+%Y-%m-%d %H:%M:%S')
for f in $(ls -tr {REJECTLOG} {REJECTLOG}.* 2>/dev/null); do
[ "$(stat -c %Y "$f")" -lt {since.timestamp():.0f} ] || case $f in *.gz) zcat "$f" ;; *) cat "$f" ;; esac
done | awk -v from="$from" -v names={shlex.quote(names)} '
BEGIN {{ n = split(names, name, " ") }}
substr($0, 1, 19) < from || !/ rejected RCPT / {{ next }}
{{ line = tolower($0); for (i = 1; i <= n; i++) if (index(line, "rejected rcpt " name[i])) {{ print; next }} }}
' | tail -n {_MAX_LINES}
echo end
""",
        timeout_s=30,
    )


def parse(text: str) -> tuple[Refusal, ...]:
    """Read the answer.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    *lines, end = text.splitlines() or [""]
    zone = re.fullmatch(r"zone ([+-])(\d\d)(\d\d)", lines[0]) if lines else None
    if end != "end" or zone is None:
        raise ParseError("the refusals of the log are cut short")
    offset = timedelta(hours=int(zone[2]), minutes=int(zone[3])) * (-1 if zone[1] == "-" else 1)
    return tuple(_refusals(lines[1:], timezone(offset)))


def _refusals(lines: Iterable[str], zone: timezone) -> Iterable[Refusal]:
    for found in filter(None, map(_LINE.match, lines)):
        when = datetime.strptime(found["at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
        yield Refusal(
            when=when,
            sender=printable(found["sender"]),
            recipient=printable(found["recipient"]),
            host=one_line(f"{found['host']} [{found['ip']}]".strip(), 120),
            why=one_line(found["why"], 160),
        )


def source(addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
    """How refusals are read.

    Arguments:
        addresses: recipients.
        since: from when on.
    """
    asked = section(addresses, since)

    def read(outputs: Outputs) -> tuple[Refusal, ...]:
        return parse(outputs[asked.name].text())

    return Source("rejects", (asked,), read)
