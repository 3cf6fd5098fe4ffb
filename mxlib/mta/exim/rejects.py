"""Exim's reject log: refusals of certain recipients.

Exim makes the file with the first refusal. So where there is none, the main log says whether anybody was refused.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_before_end
from mxlib.base.text import one_line, printable
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim.log import FUNCTIONS, parse_zone
from mxlib.mta.refusal import MOST, Refusal

REJECTLOG = "/var/log/exim4/rejectlog"
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?(?P<zone> [+-]\d{4})? (?:\[\d+\] )?"
    r"H=(?P<host>.*?) ?\[(?P<ip>[0-9A-Fa-f.:]+)\].*?"
    r"F=<(?P<sender>[^>]*)> (?:A=\S+ )?(?P<for_now>temporarily )?rejected RCPT <(?P<recipient>[^>]*)>"
    r"(?:: ?(?P<why>.*))?"
)


def section(addresses: Sequence[str], since: datetime) -> Section:
    """Return the section that reads refusals.

    Args:
        since: time of the first refusal that counts; aware.

    Raises:
        mxlib.base.errors.ParseError: one is not a mail address.
    """
    for address in addresses:
        if not ADDRESS_PATTERN.fullmatch(address):
            raise ParseError(f"not a mail address: {one_line(address, 80)!r}")
    names = " ".join(f"<{address.lower()}>" for address in addresses)
    return Section(
        "rejects",
        f"""\
{FUNCTIONS}
recent "$(($(date +%s) - {since.timestamp():.0f}))"
[ -z "$unwritten" ] || {{ echo 'Exim writes no reject log: no_write_rejectlog' >&2; exit 3; }}
echo "zone $zone"
main=$log; mains=$logs; none=
logs=$(log_of "$paths" reject | sed 's/%[DM]/*/'); logs=${{logs:-{REJECTLOG}}}; log=$logs
[ -e "$log" ] || {{ set -- $(others); log=${{1:-}}; }}
[ -n "$log" ] || {{ none=yes; log=$main; logs=$mains; }}
exec 5<"$log"; size=$(size_of "$open")
files=$log
for one in $(others); do files="$one $files"; done
{{
for one in $files; do
[ "$(stat -c %Y "$one")" -lt {since.timestamp():.0f} ] || stream "$one" || exit
done
[ "$log" -ef "$open" ] && [ "$(size_of "$open")" -ge "$size" ] || exit
printf '\nwhole\n'
}} | awk -v from="$from" -v none="$none" -v names={shlex.quote(names)} '
BEGIN {{ n = split(names, name, " ") }}
/^whole$/ {{ whole = 1 }}
substr($0, 1, 19) < from || !/ rejected RCPT / {{ next }}
none {{ gone = 1; next }}
{{ line = tolower($0); for (i = 1; i <= n; i++) if (index(line, "rejected rcpt " name[i])) {{ print; next }} }}
END {{ if (gone) print "gone"; if (whole) print "end" }}
' | tail -n {MOST + 1}
""",
        timeout_s=30,
    )


def parse(text: str) -> tuple[Refusal, ...]:
    """Read the answer.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or the reject log is gone.
    """
    lines = lines_before_end(text, "the refusals of the log are cut short")
    if "gone" in lines:
        raise ParseError("by the main log recipients were refused, but there is no reject log")
    return tuple(_refusals(lines, parse_zone(text)))


def _refusals(lines: Iterable[str], zone: tzinfo) -> Iterable[Refusal]:
    for line in lines:
        if line.startswith("zone "):
            continue
        if (found := _LINE.match(line)) is None:
            raise ParseError(f"not a refusal: {line[:120]!r}")
        own = datetime.strptime(found["zone"], " %z").tzinfo if found["zone"] else zone
        yield Refusal(
            when=datetime.strptime(found["at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=own).astimezone(UTC),
            sender=printable(found["sender"]),
            recipient=printable(found["recipient"]),
            host=one_line(f"{found['host']} [{found['ip']}]".strip(), 120),
            why=one_line(f"{'for now: ' if found['for_now'] else ''}{found['why'] or ''}", 160),
        )


def source(addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
    """Return the source of refusals.

    Args:
        since: time of the first refusal that counts; aware.
    """
    asked = section(addresses, since)

    def read(outputs: Outputs) -> tuple[Refusal, ...]:
        return parse(outputs[asked.name].text())

    return Source("rejects", (asked,), read)
