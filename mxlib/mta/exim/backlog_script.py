"""Scripts over mail log and spool: what is queued and where to, and which messages match orders.

POSIX sh and awk. Each message is opened once and the log is read once. Intermediate files are in a directory below
/run, which the script removes.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.mta.backlog import RECENT, Try
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.header import LOOK
from mxlib.mta.exim.log import FUNCTIONS
from mxlib.mta.exim.routes import ASK_AWK, ASK_EXIM, ASKED, ROUTE_AWK

_LOG_BYTES = 16_000_000
_BLANK = re.compile(r"[ \t]")
_PATTERN = re.compile(r"[a-z0-9@*._=+-]+|<>")

# From the log: the final addresses of an address ("map"), destinations and hosts that took mail ("ok", "took"), and
# destinations that failed ("bad"). A line "retry time not reached" says nothing about the other end. One recipient who
# is put off again and again (a full mailbox) counts once until the next delivery. Blanks in a quoted local part become
# "_", as in the rows of messages.
_LOG_AWK = r"""
function join(form, from,  part) {
if (!match($0, form)) return
part = substr($0, RSTART + from, RLENGTH - from); gsub(/[ \t]/, "_", part)
$0 = substr($0, 1, RSTART + from - 1) part substr($0, RSTART + RLENGTH)
}
/^(whole|all)$/ { whole = 1; next }
function dom(a,  k) { k = tolower(a); if (k !~ /@/) return "(local)"; sub(/.*@/, "", k); return k }
/"@/ {
join(" (=>|->|==|[*][*]) \"([^\"\\\\]|\\\\.)*\"@", 4)
join(" <\"([^\"\\\\]|\\\\.)*\"@", 2)
}
{
for (i = 4; i <= 6 && i <= NF; i++) if ($i ~ /^(<=|=>|->|==|\*\*)$/) break
if (i > 6 || i > NF || $i == "<=") next
final = $(i + 1); orig = $(i + 2); d = dom(final); when = $1 " " $2
if (orig !~ /^<.*>$/) orig = final; else orig = substr(orig, 2, length(orig) - 2)
orig = tolower(orig)
if (d == "(local)") final = d
else final = tolower(final)
if (!((orig, final) in mapped)) { mapped[orig, final] = 1; maps[orig] = maps[orig] " " final }
if ($i == "=>" || $i == "->") {
if (when < from) next
ok[d] = when; fails[d] = 0; hosts[d] = 0; taken[d]++
if (match($0, / H=[^ ]+ \[[0-9A-Fa-f.:]+\]/)) {
a = substr($0, RSTART, RLENGTH - 1); sub(/.*\[/, "", a); took[a] = when
}
} else if ($0 !~ /retry time not (yet )?reached|retry timeout exceeded|failing for a long time/) {
text = $0; if (match(text, / (defer \(|T=[^ ]*:? )/)) text = substr(text, RSTART + 1)
bad[d] = when; last[d] = text
if (when < from) next
if ($i != "==") next
if (text !~ /after (pipelined )?RCPT TO/) { fails[d]++; hosts[d]++ }
else if (refused[d, final] != taken[d] + 1) { fails[d]++; refused[d, final] = taken[d] + 1 }
}
}
END {
if (!whole) exit 5
for (o in maps) print "map", o maps[o]
for (d in ok) print "ok", d, ok[d]
for (a in took) print "took", a, took[a]
for (d in bad) print "bad", d, bad[d], fails[d] + 0, hosts[d] + 0, last[d]
}
"""
# Of each message: id, marks, sender patterns that match, recipients that are not done.
_ROWS_AWK = LOOK + r"""
BEGIN { many = split(patterns, pattern, " ") }
function class(s,  k, c) {
for (k = 1; k <= many; k++) {
p = pattern[k]
if (p == "*" || p == s || (p == "<>" && s == "") ||
    (substr(p, 1, 2) == "*@" && substr(s, length(s) - length(p) + 2) == substr(p, 2))) c = c "," k
}
return c == "" ? "-" : substr(c, 2)
}
NF == 2 && look($2) {
sub(/-H$/, "", $1); to = ""
for (i = 1; i <= left; i++) { a = open[i]; gsub(/[ \t]/, "_", a); to = to " " a }
print $1, frozen bounce, class(sender) to
}
"""
_GATHER = f"""\
export LC_ALL=C
{exim.folder("drain")}\
{FUNCTIONS}
recent {int(RECENT.total_seconds())}
latest {_LOG_BYTES} |
awk -v from="$from" '@LOG@' >"$dir/log" || exit
find {exim.INPUTS} -name '*-H' -printf '%f %p\\n' >"$dir/names" || exit
sort -o "$dir/names" "$dir/names" || exit
awk -v patterns='@PATTERNS@' '@ROWS@' "$dir/names" >"$dir/rows" || exit
awk '{ASK_AWK} FILENAME ~ "/log$" {{ if ($1 == "map") known[$2] = $3; next }}
{{ for (i = 4; i <= NF; i++) {{ a = $i; if (a in known) {{ a = known[a]; sub(/.*@/, "postmaster@", a) }} ask(a) }} }}
' "$dir/log" "$dir/rows" | head -n {ASKED} >"$dir/ask" || exit
{ASK_EXIM}awk -v code="$code" '@ROUTE@' "$dir/ask" "$dir/said" >>"$dir/log" || exit
"""
# The destinations of a message: by log or router for each recipient, else the recipient's own domain. What Exim was
# asked about and did not route to its end may go anywhere, and so may what it was not asked about at the same domain.
_WHERE_AWK = r"""
function where(  i, k, n, part, d) {
split("", going); spared = 0
for (i = 4; i <= NF; i++) {
d = $i; sub(/.*@/, "", d)
if ($i in torn || (d in dark && !($i in map) && !($i in heard))) { going["?"] = 1; if (!($i in map)) continue }
n = split($i in map ? map[$i] : $i, part, " ")
for (k = 1; k <= n; k++) { d = part[k]; if (d in spare) spared = 1; sub(/.*@/, "", d); going[d] = 1 }
}
}
FILENAME ~ "/log$" && $1 == "torn" { torn[$2] = 1; sub(/.*@/, "", $2); dark[$2] = 1; next }
FILENAME ~ "/log$" && $1 == "heard" { heard[$2] = 1; next }
FILENAME ~ "/log$" { if ($1 == "map") { o = $2; $1 = $2 = ""; map[o] = map[o] $0 } ; next }
"""
_COUNT_AWK = (
    _WHERE_AWK
    + r"""
{
where(); all++; if ($2 ~ /f/) { cold++ }
for (d in going) {
key = d " " $3
if ($2 ~ /f/) frozen[key]++
else { many[key]++; if (!(key in first)) first[key] = $1; latest[key] = $1 }
keys[key] = 1
}
}
END {
printf "total %d %d\n", all, cold
for (key in keys) {
if (!(key in first)) first[key] = latest[key] = "-"
print "dest", key, many[key] + 0, frozen[key] + 0, first[key], latest[key]
}
}
"""
)
# An order: "try DOMAIN CLASS BOUND LIMIT": at most LIMIT messages that arrived after the bound (six digits of an id). A
# message is tried only if all its destinations may be; one that is spared, or has a spared address, never is.
_CHOOSE_AWK = (
    _WHERE_AWK
    + r"""
FILENAME ~ "/names$" {
id = $1; sub(/-H$/, "", id); queue[id] = "-"
$2 = substr($2, length("@SPOOL@/") + 1)
if ($2 ~ /^input\//) next
sub(/\/input\/.*/, "", $2); queue[id] = $2 ~ /^[A-Za-z0-9_.+-]+$/ ? $2 : ""
next
}
FILENAME ~ "/orders$" {
if ($1 == "try") { bound[$2 " " $3] = $4; left[$2 " " $3] = $5 }
if ($1 == "spare") spare[$2] = 1
next
}
$2 ~ /f/ { next }
{
where()
if (spared || $1 in spare || "?" in going) next
for (d in going) {
key = d " " $3
if (!(key in bound) || left[key] <= 0 || (bound[key] != "-" && substr($1, 1, 6) < bound[key])) next
}
if (queue[$1] == "") next
for (d in going) left[d " " $3]--
print queue[$1], $1
}
"""
)


def _gather(patterns: Sequence[str]) -> str:
    if not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
        raise ParseError(f"a pattern for senders is not safe in a command: {' '.join(patterns)[:80]!r}")
    parts = {"@LOG@": _LOG_AWK, "@ROWS@": _ROWS_AWK, "@ROUTE@": ROUTE_AWK, "@PATTERNS@": " ".join(patterns)}
    script = _GATHER
    for mark, part in parts.items():
        script = script.replace(mark, part)
    return script


def section(patterns: Sequence[str]) -> Section:
    """Return the section that reads what is queued, and where to.

    Args:
        patterns: plain patterns for senders, see :func:`mxlib.mta.exim.retry_rules.sender_patterns`.

    Raises:
        mxlib.base.errors.ParseError: one of them is not safe in a command.
    """
    tail = f"""\
date '+zone %z%nnow %s'
grep -Ev '^(map|routed|heard|torn) ' "$dir/log"
awk '{_COUNT_AWK}' "$dir/log" "$dir/rows" || exit
echo end
"""
    return Section("backlog", _gather(patterns) + tail, timeout_s=120)


def order_lines(tries: Sequence[Try], spared: Sequence[str]) -> str:
    """Return orders for the script: lines ``try DOMAIN CLASS BOUND LIMIT``, ``spare ADDRESS`` and ``spare ID``.

    Blanks in an address become ``_``, as in the rows of messages.
    """
    bounds = (exim.id_time(one.after + timedelta(seconds=1)) if one.after else "-" for one in tries)
    lines = (f"try {one.domain} {one.senders} {bound} {one.limit}\n" for one, bound in zip(tries, bounds, strict=True))
    return "".join([*lines, *(f"spare {_BLANK.sub('_', one)}\n" for one in spared)])


def choose_script(patterns: Sequence[str], orders: str) -> str:
    """Return the script that prints the messages to try by these orders, oldest first.

    Each line is ``QUEUE ID``: the name of the queue, ``-`` for the default one, and the id.

    Args:
        patterns: plain patterns for senders.
        orders: from :func:`order_lines`.

    Raises:
        mxlib.base.errors.ParseError: a pattern is not safe in a command.
    """
    head = _gather(patterns)
    given = f"cat >\"$dir/orders\" <<'ORDERS'\n{orders}ORDERS\n"
    program = _CHOOSE_AWK.replace("@SPOOL@", exim.SPOOL)
    return f'{head}{given}awk \'{program}\' "$dir/names" "$dir/orders" "$dir/log" "$dir/rows"\n'
