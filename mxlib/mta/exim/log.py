"""Where Exim's main log is and what was written to it since a mark, in shell. Only this module knows rotation.

A mark is the file's inode, an offset, and a checksum of the first bytes before it. A rotated file is found by inode or
by these bytes, under any name and after any kind of rotation: renamed, compressed, copied and truncated. Where it is
not found, or where the log has lost its end, the growth has a hole, which is reported.
"""

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mxlib.base.errors import ParseError
from mxlib.mta.exim import names as exim

_HEAD_BYTES = 1024

# Lines without a zone are in Exim's own; TZ makes date(1) use it as well.
# %s is the kind of log, %D the day, %M the month (spec.txt, "Where the logs are written").
# A log may be rotated while it is read, and its name is then another file's. So it is read through a descriptor, which
# still has to be behind the name once all other files are found. What was truncated has become shorter. Only what was
# read to its end ends with "whole", as a pipe hides the failure of its first commands.
FUNCTIONS = f"""\
{exim.AT_HOME}\
log=; path=; logs=; wide=; unsaid=; unwritten=; open=/proc/self/fd/5
unpack() {{
case $1 in *.gz) zcat ;; *.xz) xzcat ;; *.bz2) bzcat ;; *.zst) zstdcat ;; *) cat ;; esac
}}
stream() {{ unpack "$1" <"$1"; }}
# Exim is asked once, also for its spool, which is read beside the log: a process costs as much as all the rest of this.
find_log() {{
[ -z "$log" ] || [ "$logs" != "$path" ] || return 0
paths=
said=$({exim.BINARY} -bP timezone spool_directory log_file_path write_rejectlog 2>/dev/null) ||
[ ! -e {exim.BINARY} ] || unsaid=yes
while read -r name is value; do
case $name in
timezone) [ -z "$value" ] || {{ TZ=$value; export TZ; }} ;;
spool_directory) at_home "$value" || exit ;;
log_file_path) paths=$value ;;
no_write_rejectlog) unwritten=yes ;;
esac
done <<SAID
$said
SAID
path=$(log_of "$paths" main) || exit
[ -n "$path" ] || path={exim.MAINLOG}
log=$path; logs=$path
case $path in *%[DM]*)
log=$(printf %s "$path" | sed "s/%D/$(date +%Y%m%d)/; s/%M/$(date +%Y%m)/")
# a dated log begins with the first line of its day
logs=$(printf %s "$path" | sed 's/%[DM]/*/')
[ -e "$log" ] || log=$(ls -t $logs 2>/dev/null | head -n 1) ;;
esac
[ -e "$log" ] || {{ echo "no $path" >&2; exit 3; }}
}}
# from the setting log_file_path, the file of one kind of log; none where that is Debian's: it is not set, or its first
# item beside syslog is empty. An empty item at a list's end is none (spec.txt, "Empty items in lists").
log_of() {{
rest=$1:
while [ -n "$rest" ]; do
one=${{rest%%:*}}; rest=${{rest#*:}}
case $one in
*/*) ;;
*[![:space:]]*) continue ;;
*) [ -z "$rest" ] || return 0; continue ;;
esac
set -f -- $one "$2"
case $1 in *%s*) echo "${{1%%%s*}}$2${{1#*%s}}" ;; *) echo "$1" ;; esac
return
done
[ -z "$1" ] || {{ echo "Exim has no log file: $1" >&2; return 3; }}
}}
hold_log() {{
find_log
# between two steps of a rotation there is none
[ -e "$log" ] || sleep 1
exec 5<"$log"
}}
size_of() {{ stat -L -c %s "$1"; }}
# the other files of the log, the newest first; not one that is just being compressed
others() {{
for one in $(ls -t $logs* 2>/dev/null); do
[ "$one" != "$log" ] || continue
case $one in *.gz | *.xz | *.bz2 | *.zst) [ ! -e "${{one%.*}}" ] || continue ;; esac
echo "$one"
done
}}
head_sum() {{
set -- $(stream "$1" 2>/dev/null | head -c "$(($2 < {_HEAD_BYTES} ? $2 : {_HEAD_BYTES}))" | cksum); echo "$1"
}}
mark_at() {{ echo "mark $(stat -L -c %i "$1") $2 $(head_sum "$1" "$2")"; }}
is_marked() {{
if [ "$offset" = 0 ] || [ -z "$sum" ]; then [ "$(stat -L -c %i "$1")" = "$inode" ] || return; fi
case $1 in *.gz | *.xz | *.bz2 | *.zst) ;; *) [ "$(size_of "$1")" -ge "$offset" ] || return ;; esac
[ -z "$sum" ] || [ "$(head_sum "$1" "$offset")" = "$sum" ]
}}
find_mark() {{
since=$offset
for try in 1 2 3; do
offset=$since
hold_log
seek
size=$(size_of "$open")
if [ "$log" -ef "$open" ] && {{ [ "$file" != "$open" ] || [ "$size" -ge "$offset" ]; }}; then return; fi
done
echo "$log is rotated again and again" >&2; exit 5
}}
seek() {{
file=; later=; hole=; seen=0
if is_marked "$open"; then file=$open; return; fi
for one in $(others); do
exec 6<"$one"
if is_marked "$one"; then file=$one; break; fi
later="$one $later"; seen=$((seen + 1))
[ "$seen" -lt 30 ] || break
done
if [ -z "$file" ]; then
hole=yes; offset=0
# for single messages more lines than asked for are better than too few
set -- $later
while [ "$#" -gt "${{wide:-0}}" ]; do shift; done
set -- "$@" "$open"; file=$1; shift; later=$*
return
fi
later="$later $open"
}}
# whether what was found has been there until it was read; a log that is held is renamed without harm
kept() {{
[ "$file" = "$open" ] || [ -n "$hole" ] || {{ [ "$log" -ef "$open" ] && [ "$file" -ef /proc/self/fd/6 ]; }} || return
for one in $file $later; do [ -e "$one" ] || return; done
[ "$(size_of "$open")" -ge "$size" ]
}}
recent() {{
find_log
# in another zone, the last minutes are long ago
[ -z "$unsaid" ] || {{ echo 'Exim does not say in which time zone its log is' >&2; exit 4; }}
from=$(date -d "$1 seconds ago" '+%z %Y-%m-%d %H:%M:%S'); zone=$(date +%z)
# over a change of the clock, the order of times as texts is wrong
[ "${{from%% *}}" = "$zone" ] || {{ echo 'the clock has just been changed' >&2; exit 4; }}
from=${{from#* }}
}}
# the end of the log and of the file before it; ends with "whole", or with "all" if there is nothing before these bytes
latest() {{
for try in 1 2 3; do
hold_log
size=$(size_of "$open")
set -- "$1" $(others); older=${{2:-}}
exec 6<"${{older:-/dev/null}}"
if [ "$log" -ef "$open" ]; then
whole=whole
[ -n "$older" ] || [ "$size" -gt "$1" ] || whole=all
{{ torn=$({{ {{ unpack "$older" <&6 || echo torn >&7; }} | tail -c "$1" >&8; }} 7>&1); }} 8>&1
tail -c "$1" "$open" && [ -z "$torn" ] && [ "$(size_of "$open")" -ge "$size" ] && printf '\n%s\n' "$whole" && return
break
fi
done
echo "$log was rotated while it was read" >&2
return 5
}}
growth() {{ find_mark; grown; }}
# what "find_mark" has found
grown() {{
[ -z "$hole" ] || echo hole
begin=$((offset + 1))
if [ "$file" != "$open" ]; then
stream "$file" | tail -c "+$begin"; begin=1
for one in $later; do [ "$one" = "$open" ] || stream "$one"; done
fi
head -c "$size" "$open" | tail -c "+$begin"
kept || return
printf '\nwhole\n'
}}
"""

MARK_OF = """
function mark_of(  i) {
for (i = 3; i <= 6 && i <= NF; i++)
if ($(i - 1) ~ /^[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+$/)
return $i ~ /^(<=|=>|->|>>|[*][*]|==|Completed)$/ ? $i : ""
return ""
}
"""
"""An awk function: the mark of a line, which follows the message's id; empty without one."""


@dataclass(frozen=True)
class LogMark:
    """A place in the main log.

    Attributes:
        inode: of the file.
        offset: number of bytes before the place.
        head: checksum of the first of these bytes; empty in a mark of an older version.
    """

    inode: int
    offset: int
    head: str = ""

    def __str__(self) -> str:
        """Return the mark as one word, as it is kept."""
        return f"{self.inode}:{self.offset}:{self.head}".rstrip(":")


def read_mark(text: str) -> LogMark:
    """Return a mark from the word as which it was kept.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    if not (found := re.fullmatch(r"(\d+):(\d+)(?::(\d+))?", text)):
        raise ParseError(f"not a mark of the main log: {text[:60]!r}")
    return LogMark(int(found[1]), int(found[2]), found[3] or "")


def parse_mark(text: str) -> LogMark:
    """Return the mark that ``mark_at`` has printed.

    Raises:
        mxlib.base.errors.ParseError: there is no log file.
    """
    found = re.search(r"^mark (\d+) (\d+) (\d+)$", text, re.MULTILINE)
    if found is None:
        raise ParseError("no mark of the main log in the answer")
    return LogMark(int(found[1]), int(found[2]), found[3])


def parse_zone(text: str) -> tzinfo:
    """Return the zone that ``date '+zone %z'`` has printed on a line of its own.

    Raises:
        mxlib.base.errors.ParseError: there is no such line.
    """
    found = re.search(r"^zone ([+-]\d{4})$", text, re.MULTILINE)
    zone = datetime.strptime(found[1], "%z").tzinfo if found else None
    if zone is None:
        raise ParseError("the host's time zone is unknown")
    return zone


def since(mark: LogMark) -> str:
    """Return the functions, with a mark set for ``find_mark`` and ``growth``."""
    return f"inode={mark.inode}; offset={mark.offset}; sum={mark.head}\n{FUNCTIONS}"
