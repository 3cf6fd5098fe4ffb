"""The scripts that look through mail log and spool: what waits and where to, and which messages orders let through.

POSIX sh and awk. Each message is opened once, the log read once; what lies between them is in a directory under /run
that goes with the script.
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

_LOG_BYTES = 16_000_000
_ASKED = 200
_PATTERN = re.compile(r"[a-z0-9@*._=+-]+")

# Out of the log: the final addresses of an address ("map"), which destination and which host took mail ("ok", "took"),
# which destination failed ("bad"). A line "not tried: retry time" says nothing of the other end.
_LOG_AWK = r"""
function dom(a,  k) { k = tolower(a); if (k !~ /@/) return "(local)"; sub(/.*@/, "", k); return k }
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
ok[d] = when; fails[d] = 0; hosts[d] = 0
if (match($0, / H=[^ ]+ \[[0-9A-Fa-f.:]+\]/)) {
a = substr($0, RSTART, RLENGTH - 1); sub(/.*\[/, "", a); took[a] = when
}
} else if ($0 !~ /retry time not (yet )?reached|retry timeout exceeded|failing for a long time/) {
text = $0; if (match(text, / (defer \(|T=[^ ]*:? )/)) text = substr(text, RSTART + 1)
bad[d] = when; last[d] = text
if (when < from) next
if ($i == "==") { fails[d]++; if (text !~ /after (pipelined )?RCPT TO/) hosts[d]++ }
}
}
END {
for (o in maps) print "map", o maps[o]
for (d in ok) print "ok", d, ok[d]
for (a in took) print "took", a, took[a]
for (d in bad) print "bad", d, bad[d], fails[d] + 0, hosts[d] + 0, last[d]
}
"""
# Of each message: id, marks, which sender patterns fit, recipients still to do.
_ROWS_AWK = LOOK + r"""
BEGIN { many = split(patterns, pattern, " ") }
function class(s,  k, c) {
for (k = 1; k <= many; k++) {
p = pattern[k]
if (p == "*" || p == s || (substr(p, 1, 2) == "*@" && substr(s, length(s) - length(p) + 2) == substr(p, 2))) c = c "," k
}
return c == "" ? "-" : substr(c, 2)
}
NF == 2 && look($2) {
sub(/-H$/, "", $1); to = ""
for (i = 1; i <= left; i++) { a = open[i]; gsub(/[ \t]/, "_", a); to = to " " a }
print $1, frozen bounce, class(sender) to
}
"""
# `exim -bt`: the final address begins a line; "<--" stands before what it came from, "host" before each of its hosts.
_ROUTE_AWK = r"""
/^[^ ].*@/ && !/ is undeliverable/ { final = tolower($1); next }
$1 == "<--" { print "map", tolower($2), final; next }
$1 == "host" && match($0, /\[[0-9A-Fa-f.:]+\]/) {
d = final; sub(/.*@/, "", d); print "host", d, substr($0, RSTART + 1, RLENGTH - 2), tolower($2)
}
"""
_GATHER = f"""\
export LC_ALL=C
dir=$(mktemp -d /run/mx-drain.XXXXXX) || exit
trap 'rm -rf "$dir"' EXIT
{FUNCTIONS}
recent {int(RECENT.total_seconds())}
latest {_LOG_BYTES} |
awk -v from="$from" '@LOG@' >"$dir/log" || exit
find {exim.INPUTS} -name '*-H' -printf '%f %p\\n' >"$dir/names" || exit
sort "$dir/names" | awk -v patterns='@PATTERNS@' '@ROWS@' >"$dir/rows" || exit
awk 'FILENAME ~ "/log$" {{ if ($1 == "map") known[$2] = $3; next }}
{{ for (i = 4; i <= NF; i++) {{ d = $i; if (d in known) {{ d = known[d]; sub(/.*@/, "postmaster@", d) }}
if (d in asked || d !~ /^[a-z0-9][a-z0-9._+=-]*@[a-z0-9][a-z0-9.-]*$/) continue
asked[d] = 1; if (++n > {_ASKED}) exit; print d }} }}' "$dir/log" "$dir/rows" >"$dir/ask"
[ ! -s "$dir/ask" ] || timeout 20 xargs -r -a "$dir/ask" {exim.BINARY} -bt 2>/dev/null </dev/null |
awk '@ROUTE@' >>"$dir/log"
"""
# Where a message is going: by what the log or the router says of each recipient, else by the recipient's own domain.
_WHERE_AWK = r"""
function where(  i, k, n, part, d) {
split("", going); spared = 0
for (i = 4; i <= NF; i++) {
n = split($i in map ? map[$i] : $i, part, " ")
for (k = 1; k <= n; k++) { d = part[k]; if (d in spare) spared = 1; sub(/.*@/, "", d); going[d] = 1 }
}
}
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
# An order: "try DOMAIN CLASS BOUND LIMIT": messages that came in after the bound (six digits of an id), so many at
# most. A message is tried only if every end it is going to may be; one with an address to spare never.
_CHOOSE_AWK = (
    _WHERE_AWK
    + r"""
FILENAME ~ "/orders$" {
if ($1 == "try") { bound[$2 " " $3] = $4; left[$2 " " $3] = $5 }
if ($1 == "spare") spare[$2] = 1
next
}
$2 ~ /f/ { next }
{
where()
if (spared) next
for (d in going) {
key = d " " $3
if (!(key in bound) || left[key] <= 0 || (bound[key] != "-" && substr($1, 1, 6) < bound[key])) next
}
for (d in going) left[d " " $3]--
print $1
}
"""
)


def _gather(patterns: Sequence[str]) -> str:
    if not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
        raise ParseError("a pattern for senders is not fit for a command")
    parts = {"@LOG@": _LOG_AWK, "@ROWS@": _ROWS_AWK, "@ROUTE@": _ROUTE_AWK, "@PATTERNS@": " ".join(patterns)}
    script = _GATHER
    for mark, part in parts.items():
        script = script.replace(mark, part)
    return script


def section(patterns: Sequence[str]) -> Section:
    """The question what waits, and where to.

    Arguments:
        patterns: plain patterns for senders, see :func:`mxlib.mta.exim.retry_rules.sender_patterns`.

    Raises:
        mxlib.base.errors.ParseError: one of them is not fit for a command.
    """
    tail = f"""\
date '+zone %z%nnow %s'
grep -v '^map ' "$dir/log"
awk '{_COUNT_AWK}' "$dir/log" "$dir/rows" || exit
echo end
"""
    return Section("backlog", _gather(patterns) + tail, timeout_s=120)


def order_lines(tries: Sequence[Try], spared: Sequence[str]) -> str:
    """Orders as the script takes them: lines ``try DOMAIN CLASS BOUND LIMIT`` and ``spare ADDRESS``."""
    bounds = (exim.id_time(one.after + timedelta(seconds=1)) if one.after else "-" for one in tries)
    lines = (f"try {one.domain} {one.senders} {bound} {one.limit}\n" for one, bound in zip(tries, bounds, strict=True))
    return "".join([*lines, *(f"spare {address}\n" for address in spared)])


def choose_script(patterns: Sequence[str], orders: str) -> str:
    """A script that prints the ids of the messages that orders let through, oldest first.

    Arguments:
        patterns: plain patterns for senders.
        orders: from :func:`order_lines`.

    Raises:
        mxlib.base.errors.ParseError: a pattern is not fit for a command.
    """
    head = _gather(patterns)
    given = f"cat >\"$dir/orders\" <<'ORDERS'\n{orders}ORDERS\n"
    return f'{head}{given}awk \'{_CHOOSE_AWK}\' "$dir/orders" "$dir/log" "$dir/rows"\n'
