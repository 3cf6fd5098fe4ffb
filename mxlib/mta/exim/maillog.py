"""The main log of the MTA: what happened since a mark, what went wrong lately, and which messages are done.

A mark is the log file's inode and size, so growth is read without going through the whole file, also over a rotation
(logrotate renames mainlog to mainlog.1 and compresses later, so the last file of before can still be read).
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta, timezone

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section, read_sections
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.logline import Cause, EventKind, LogEvent, parse_lines
from mxlib.protocols.host import Host

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


@dataclass(frozen=True)
class LogMark:
    """A place in the main log.

    Attributes:
        inode: of the file.
        offset: bytes before the place.
    """

    inode: int
    offset: int


@dataclass(frozen=True)
class LogGrowth:
    """What was written to the main log since a mark.

    Attributes:
        events: its lines, in order.
        mark: the place after them.
        lost: whether lines between the marks could not be found any more.
    """

    events: tuple[LogEvent, ...]
    mark: LogMark
    lost: bool = False

    def of(self, message_id: str) -> tuple[LogEvent, ...]:
        """The events of one message."""
        return tuple(event for event in self.events if event.message_id == message_id)

    @property
    def completed(self) -> frozenset[str]:
        """Messages that are done."""
        return frozenset(event.message_id for event in self.events if event.kind is EventKind.COMPLETED)

    @property
    def arrived(self) -> frozenset[str]:
        """Messages that came in."""
        return frozenset(event.message_id for event in self.events if event.kind is EventKind.ARRIVED)


@dataclass(frozen=True)
class RecentLog:
    """The main log of the last minutes (:data:`RECENT`).

    Attributes:
        arrived: messages that came in.
        delivered: recipients delivered to.
        completed: messages that are done.
        wrong: lines about deferrals, failures, rejections and errors.
        events: the latest of those lines.
    """

    arrived: int
    delivered: int
    completed: int
    wrong: int
    events: tuple[LogEvent, ...] = field(repr=False)

    def causes(self) -> dict[str, Counter[Cause]]:
        """Deferred and failed messages by destination domain and cause, each once, however often it was tried."""
        found: dict[str, Counter[Cause]] = {}
        wrong = {
            (event.domain or "(none)", event.cause, event.message_id)
            for event in self.events
            if event.kind in (EventKind.DEFERRED, EventKind.FAILED) and event.cause
        }
        for domain, cause, _ in wrong:
            found.setdefault(domain, Counter())[cause] += 1
        return found

    def count(self, cause: Cause) -> int:
        """Messages that were deferred or failed by one cause."""
        return sum(causes[cause] for causes in self.causes().values())


def _zone(text: str) -> timezone:
    found = re.search(r"^zone (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)$", text, re.MULTILINE)
    if found is None:
        raise ParseError("the host's time zone cannot be told")
    minutes = int(found["hours"]) * 60 + int(found["minutes"])
    return timezone(timedelta(minutes=-minutes if found["sign"] == "-" else minutes))


def parse_mark(text: str) -> LogMark:
    """Read a mark.

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
MARK_SOURCE = Source("maillog-mark", (MARK,), lambda outputs: parse_mark(outputs[MARK.name].text()))


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
if [ "$size" -gt "$max" ]; then size=$max; elif [ "$log" = {exim.MAINLOG} ]; then echo last; fi
date '+zone %z'
printf 'mark %s %s\\nlog\\n' "$1" $((offset + size))
tail -c +$((offset + 1)) "$log" | head -c "$size"
""",
        timeout_s=20,
    )


@dataclass(frozen=True)
class _Piece:
    head: str
    text: str

    def says(self, word: str) -> bool:
        return word in self.head.splitlines()


def _read_piece(host: Host, mark: LogMark) -> _Piece:
    answer = read_sections(host, (growth_section(mark),))["maillog-growth"].text()
    head, found, text = answer.partition("\nlog\n")
    if not found:
        raise ParseError("no growth of the main log")
    return _Piece(head, text)


def read_growth(host: Host, mark: LogMark) -> LogGrowth:
    """Everything that was written to the main log since a mark.

    Arguments:
        host: the machine.
        mark: where to begin.

    Raises:
        mxlib.base.errors.ParseError: the log cannot be read.
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: no end within the time.
    """
    text, lost = "", False
    while True:
        piece = _read_piece(host, mark)
        mark = parse_mark(piece.head)
        text, lost = text + piece.text, lost or piece.says("lost")
        if piece.says("last"):
            return LogGrowth(parse_lines(text.splitlines(), _zone(piece.head)), mark, lost)


def read_mark(host: Host) -> LogMark:
    """Where the main log ends now.

    Arguments:
        host: the machine.

    Raises:
        mxlib.base.errors.ParseError: there is no log file.
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: no end within the time.
    """
    return parse_mark(read_sections(host, (MARK,))[MARK.name].text())
