"""The main log: what happened since a mark, and what went wrong lately."""

import re
from datetime import timedelta

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of, refuse_unknown
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.event import LogGrowth, RecentLog
from mxlib.mta.exim.log import FUNCTIONS, MARK_OF, LogMark, parse_mark, parse_zone, read_mark, since
from mxlib.mta.exim.logline import UNTRIED, parse_lines, unread_lines

MAX_GROWTH = 4_000_000
RECENT = timedelta(minutes=15)
_RECENT_BYTES = 64_000_000
_RECENT_LINES = 2800
_ASIDE_LINES = 200
_UNREAD_LINES = 200

MARK = Section("maillog-mark", f"{FUNCTIONS}hold_log\nmark_at \"$open\" \"$(size_of \"$open\")\"")
_HEAD = re.compile(r"lost|last|zone [+-]\d{4}|mark \d+ \d+ \d+")
_COUNTS = re.compile(
    r"^arrived (\d+)\ndelivered (\d+)\ncompleted (\d+)\nwrong (\d+)\n(.*)^(end|part|cut)\n*\Z", re.M | re.S
)
# Lines about failures are sent, successes are only counted. A line that is none of a main log is sent, too, unless an
# old one precedes it; the first line may be cut. Our own test mails and their bounces are left out: their outcome is
# reported where they are sent. The first line that is read has to be an old one, unless the log begins there, and all
# has to be read to its end: else the answer ends with "cut", as it does where lines that may be about anything are left
# out. Where lines about errors are left out, it ends with "part". What no verdict counts, a busy MX's refusals and what
# only repeats an earlier error, is put aside: the last few are enough, and they take no other line's place.
RECENT_SECTION = Section(
    "maillog-recent",
    f"""\
{FUNCTIONS}
recent {int(RECENT.total_seconds())}
echo "zone $zone"
latest {_RECENT_BYTES} |
awk -v from="$from" '{MARK_OF}
/^(whole|all)$/ {{ read = $0; next }}
/^[0-9][0-9][0-9][0-9]-/ && begin == "" {{ begin = substr($0, 1, 19) }}
/^[0-9][0-9][0-9][0-9]-/ {{ old = substr($0, 1, 19) < from }}
!/^[0-9][0-9][0-9][0-9]-/ && NF && !/^[ \t]/ && !old && NR > 1 {{ odd[unread++ % {_UNREAD_LINES}] = $0 }}
old || !/^[0-9][0-9][0-9][0-9]-/ {{ next }}
/ <= / && / id=mx-probe\\./ {{ for (i = 4; i <= 6; i++) if ($i == "<=") ours[$(i - 1)] = 1 }}
/ <= <> / && match($0, / R=[0-9A-Za-z-]*/) && (substr($0, RSTART + 3, RLENGTH - 3) in ours) {{
for (i = 4; i <= 6; i++) if ($i == "<=") ours[$(i - 1)] = 1 }}
{{ for (i = 3; i <= 5; i++) if ($i in ours) next }}
{{ mark = mark_of() }}
mark == "<=" {{ arrived++; next }}
mark == "=>" || mark == "->" || mark == ">>" {{ delivered++; next }}
mark == "Completed" {{ completed++; next }}
{{ bad = mark == "==" || mark == "**" || /SMTP protocol error in "BDAT / }}
bad ? !/SMTP timeout/ && /{UNTRIED}/ : / rejected |syntax or protocol/ {{ aside[less++ % {_ASIDE_LINES}] = $0; next }}
bad || /SMTP (timeout|error)|panic|No space left/ {{ line[wrong++ % {_RECENT_LINES}] = $0 }}
function show(ring, count, size,  i) {{
for (i = count > size ? count - size : 0; i < count; i++) print ring[i % size]
}}
END {{
printf "arrived %d\\ndelivered %d\\ncompleted %d\\nwrong %d\\n", arrived, delivered, completed, wrong + less
show(aside, less, {_ASIDE_LINES})
show(line, wrong, {_RECENT_LINES})
show(odd, unread, {_UNREAD_LINES})
if (!(read == "all" || (read && begin < from)) || unread > {_UNREAD_LINES}) print "cut"
else print (wrong > {_RECENT_LINES} ? "part" : "end")
}}'
""",
    timeout_s=20,
)


def parse_recent(outputs: Outputs) -> RecentLog:
    """Read the answer of the section about the last minutes.

    Raises:
        mxlib.base.errors.ParseError: it has no counts, or is cut short.
    """
    text = outputs[RECENT_SECTION.name].text()
    counts = _COUNTS.search(text)
    if counts is None:
        raise ParseError("the recent log is cut short")
    arrived, delivered, completed, wrong = (int(count) for count in counts.groups()[:4])
    lines = lines_of(counts[5])
    events = parse_lines(lines, parse_zone(text))
    unread, end = unread_lines(lines), counts[6]
    return RecentLog(arrived, delivered, completed, wrong, events, unread, cut=end == "cut", partly=end == "part")


RECENT_SOURCE = Source("maillog-recent", (RECENT_SECTION,), parse_recent)
MARK_SOURCE = Source("maillog-mark", (MARK,), lambda outputs: str(parse_mark(outputs[MARK.name].text())))


def growth_section(mark: LogMark) -> Section:
    """Return the section that reads what was written since a mark: at most :data:`MAX_GROWTH` bytes, of one file."""
    return Section(
        "maillog-growth",
        f"""\
{since(mark)}
max={MAX_GROWTH}
find_mark
[ -z "$hole" ] || echo lost
full=$size
[ "$file" = "$open" ] || full=$(stream "$file" | wc -c)
part() {{ stream "$file" | head -c "$full" | tail -c "+$((offset + 1))"; }}
end=$full
# a piece ends with a line
if [ $((full - offset)) -gt "$max" ]; then
end=$(part | head -c "$max" | sed '$d' | wc -c)
[ "$end" -gt 0 ] || end=$max
end=$((offset + end))
fi
date '+zone %z'
set -- $later
if [ "$end" -lt "$full" ]; then mark_at "$file" "$end"
elif [ "$#" -gt 0 ]; then mark_at "$1" 0
else echo last; mark_at "$file" "$end"; fi
echo log
part | head -c "$((end - offset))"
kept || {{ echo "$log was rotated while it was read" >&2; exit 5; }}
""",
        timeout_s=20,
    )


def parse_growth(text: str) -> LogGrowth:
    """Read the answer of :func:`growth_section`.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    head, found, log = text.partition("\nlog\n")
    if not found:
        raise ParseError("the growth of the main log is cut short")
    said = lines_of(head)
    refuse_unknown(said, _HEAD.fullmatch, "the growth of the main log: not understood")
    lines = lines_of(log)
    events = parse_lines(lines, parse_zone(head))
    return LogGrowth(events, str(parse_mark(head)), "lost" in said, "last" in said, unread_lines(lines))


def growth_source(mark: str) -> Source[LogGrowth]:
    """Return the source of the growth since a mark, in pieces that end with a line."""
    asked = growth_section(read_mark(mark))
    return Source(asked.name, (asked,), lambda outputs: parse_growth(outputs[asked.name].text()))
