"""The main log of the MTA: what happened since a mark, what went wrong lately, and which messages are done.

A mark is the log file's inode and size, so growth is read without going through the whole file, also over a rotation
(logrotate renames mainlog to mainlog.1 and compresses later, so the last file of before can still be read).
"""

import re
from dataclasses import dataclass
from datetime import timedelta, timezone

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.event import LogGrowth, RecentLog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.logline import parse_lines

MAX_GROWTH = 4_000_000
RECENT = timedelta(minutes=15)
_RECENT_BYTES = 16_000_000
_RECENT_LINES = 3000

MARK = Section("maillog-mark", f"stat -c 'mark %i %s' {exim.MAINLOG}\ndate '+zone %z'")
# Only what went wrong is sent; what went well is counted there. Our own test mails and their bounces are left out:
# their outcome is told where they are sent.
RECENT_SECTION = Section(
    "maillog-recent",
    f"""\
[ -e {exim.MAINLOG} ] || {{ echo 'no {exim.MAINLOG}' >&2; exit 3; }}
date '+zone %z'
from=$(date -d '{int(RECENT.total_seconds())} seconds ago' '+%Y-%m-%d %H:%M:%S')
{{ tail -q -c {_RECENT_BYTES} {exim.MAINLOG}.1 2>/dev/null; tail -c {_RECENT_BYTES} {exim.MAINLOG}; }} |
awk -v from="$from" '
substr($0, 1, 19) < from || !/^[0-9][0-9][0-9][0-9]-/ {{ next }}
/ <= / && / id=mx-probe\\./ {{ for (i = 4; i <= 6; i++) if ($i == "<=") ours[$(i - 1)] = 1 }}
/ <= <> / && match($0, / R=[0-9A-Za-z-]*/) && (substr($0, RSTART + 3, RLENGTH - 3) in ours) {{
for (i = 4; i <= 6; i++) if ($i == "<=") ours[$(i - 1)] = 1 }}
{{ for (i = 3; i <= 5; i++) if ($i in ours) next }}
/ <= / {{ arrived++ }}
/ [-=]> / {{ delivered++ }}
/ Completed/ {{ completed++ }}
/ (==|\\*\\*) | rejected |SMTP (timeout|error)|syntax or protocol|panic|No space left/ {{
line[wrong++ % {_RECENT_LINES}] = $0
}}
END {{
printf "arrived %d\\ndelivered %d\\ncompleted %d\\nwrong %d\\n", arrived, delivered, completed, wrong
first = wrong > {_RECENT_LINES} ? wrong - {_RECENT_LINES} : 0
for (i = first; i < wrong; i++) print line[i % {_RECENT_LINES}]
print "end"
}}'
""",
    timeout_s=20,
)


def _zone(text: str) -> timezone:
    found = re.search(r"^zone (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)$", text, re.MULTILINE)
    if found is None:
        raise ParseError("the host's time zone cannot be told")
    minutes = int(found["hours"]) * 60 + int(found["minutes"])
    return timezone(timedelta(minutes=-minutes if found["sign"] == "-" else minutes))


@dataclass(frozen=True)
class LogMark:
    """A place in the main log.

    Attributes:
        inode: of the file.
        offset: bytes before the place.
    """

    inode: int
    offset: int

    def __str__(self) -> str:
        """The mark as everybody else keeps it."""
        return f"{self.inode}:{self.offset}"


def read_mark(text: str) -> LogMark:
    """Read a mark as it was kept.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    if not (found := re.fullmatch(r"(\d+):(\d+)", text)):
        raise ParseError(f"not a mark of the main log: {text[:60]!r}")
    return LogMark(int(found[1]), int(found[2]))


def parse_mark(text: str) -> LogMark:
    """Read a mark as a script prints it.

    Raises:
        mxlib.base.errors.ParseError: there is no log file.
    """
    found = re.search(r"^mark (\d+) (\d+)$", text, re.MULTILINE)
    if found is None:
        raise ParseError("no mark of the main log")
    return LogMark(int(found[1]), int(found[2]))


def parse_recent(outputs: Outputs) -> RecentLog:
    """Read the section about the last minutes.

    Raises:
        mxlib.base.errors.ParseError: it does not have its counts, or is cut short.
    """
    text = outputs[RECENT_SECTION.name].text()
    counts = re.search(r"^arrived (\d+)\ndelivered (\d+)\ncompleted (\d+)\nwrong (\d+)\n(.*?)^end$", text, re.M | re.S)
    if counts is None:
        raise ParseError("the recent log is cut short")
    arrived, delivered, completed, wrong = (int(count) for count in counts.groups()[:4])
    return RecentLog(arrived, delivered, completed, wrong, parse_lines(counts[5].splitlines(), _zone(text)))


RECENT_SOURCE = Source("maillog-recent", (RECENT_SECTION,), parse_recent)
MARK_SOURCE = Source("maillog-mark", (MARK,), lambda outputs: str(parse_mark(outputs[MARK.name].text())))


def growth_section(mark: LogMark) -> Section:
    """The question what was written since a mark; at most :data:`MAX_GROWTH` bytes an answer.

    Arguments:
        mark: where to begin.
    """
    return Section(
        "maillog-growth",
        f"""\
log={exim.MAINLOG}; inode={mark.inode}; offset={mark.offset}; max={MAX_GROWTH}
set -- $(stat -c '%i %s' "$log") || exit
if [ "$1" != "$inode" ]; then
old=$(find "${{log%/*}}" -maxdepth 1 -inum "$inode" -name "${{log##*/}}.*" ! -name '*.gz')
if [ -n "$old" ] && [ "$(stat -c %s "$old")" -gt "$offset" ]; then log=$old; set -- $(stat -c '%i %s' "$old")
else [ -n "$old" ] || echo lost; offset=0; fi
elif [ "$2" -lt "$offset" ]; then echo lost; offset=0
fi
size=$(($2 - offset))
if [ "$size" -gt "$max" ]; then
# a piece ends with a line
size=$(tail -c +$((offset + 1)) "$log" | head -c "$max" | sed '$d' | wc -c)
[ "$size" -gt 0 ] || size=$max
elif [ "$log" = {exim.MAINLOG} ]; then echo last; fi
date '+zone %z'
printf 'mark %s %s\\nlog\\n' "$1" $((offset + size))
tail -c +$((offset + 1)) "$log" | head -c "$size"
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
        raise ParseError("no growth of the main log")
    said = head.splitlines()
    events = parse_lines(log.splitlines(), _zone(head))
    return LogGrowth(events, str(parse_mark(head)), "lost" in said, "last" in said)


def growth_source(mark: str) -> Source[LogGrowth]:
    """How the growth since a mark is read, in pieces that end with a line.

    Args:
        mark: where to begin.
    """
    asked = growth_section(read_mark(mark))
    return Source(asked.name, (asked,), lambda outputs: parse_growth(outputs[asked.name].text()))
