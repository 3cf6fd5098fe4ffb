"""Where the recipients of the oldest queued messages go, as Exim routes them: ``exim4 -bt`` delivers nothing.

A retry rule may name the host that mail is handed to, or the domain behind an alias; neither is in the header files. So
Exim is asked, but only if a rule is about more than every address: routing takes look-ups in the DNS.
"""

import re

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of
from mxlib.facts.section import Section
from mxlib.mta.backlog import UNKNOWN
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.header import LOOK
from mxlib.mta.exim.queue import SAMPLED

ASKED = 200
"""Recipients that Exim is asked about: one of each domain first, as most domains go one way."""
# An address that the shell and the answer of Exim carry unchanged.
_PLAIN = "^[a-z0-9][a-z0-9._+=-]*@[a-z0-9][a-z0-9.-]*$"
_NAME = re.compile(r"[a-z0-9_.:\[\]-]{1,255}")

# First what is asked about, then Exim's answer. A final address begins a line, or a pipe or a file; "<--" precedes the
# address it came from, "host" each of its hosts. The answer about one address is a block or several. Where Exim was
# stopped, the last blocks may be incomplete: a list of hosts without its end looks like another list. The last but one
# counts among them, as further blocks of its address may be missing.
ROUTE_AWK = r"""
function block(to, well) { final = to; part[++blocks] = ""; if (!well) torn[blocks] = 1 }
function about(a) { if (a in asked) { whose[blocks] = a; heard[a] = 1 } }
NR == FNR { asked[$1] = 1; next }
/^mail to .* is discarded/ { block("", 1); about(tolower($3)); next }
/^[|\/>]/ { block("(local)", 1); next }
/^[^ ]+ (is undeliverable|cannot be resolved )/ { failed = 1 }
/^[^ "]+@/ {
block(/ is undeliverable/ ? "" : tolower($1), !/ cannot be resolved /); about(tolower($1))
if (final != "") part[blocks] = "routed " final "\n"
next
}
/^[^ ]/ { block("", 0); next }
$1 == "<--" { a = tolower($2); about(a); if (final != "") part[blocks] = part[blocks] "map " a " " final "\n"; next }
$1 == "host" && final != "" && match($0, /\[[0-9A-Fa-f.:]+\]/) {
d = final; sub(/.*@/, "", d)
part[blocks] = part[blocks] "host " d " " substr($0, RSTART + 1, RLENGTH - 2) " " tolower($2) "\n"
}
END {
for (a in asked) if (!(a in heard)) cut = 1
if (cut || (code != 0 && !(code == 123 && failed))) { torn[blocks] = 1; torn[blocks - 1] = 1 }
for (n = 1; n <= blocks; n++) { if (!(n in torn)) printf "%s", part[n]; else if (n in whose) delete heard[whose[n]] }
for (a in asked) print (a in heard ? "heard" : "torn"), a
}
"""
# Asks Exim, for at most twenty seconds; xargs says 123 where an address is not routed, or not now. In "wait" a shell
# obeys a signal at once.
ASK_EXIM = f"""\
code=0; : >"$dir/said"
[ ! -s "$dir/ask" ] || {{
timeout 20 xargs -r -a "$dir/ask" {exim.BINARY} -bt >"$dir/said" 2>/dev/null </dev/null & wait $! || code=$?
}}
"""
# ask(ADDRESS) prints one recipient of each domain, then the others, each once; the postmaster for one that a command
# line may not carry.
ASK_AWK = f"""
function ask(a,  d) {{
if (a !~ /{_PLAIN}/) sub(/.*@/, "postmaster@", a)
if (a in asked || a !~ /{_PLAIN}/) return
asked[a] = 1; d = a; sub(/.*@/, "", d)
if (d in first) rest[++more] = a; else {{ first[d] = 1; print a }}
}}
END {{ for (i = 1; i <= more; i++) print rest[i] }}
"""
# Of each message, for each recipient: the domains and hosts it goes to, or "?".
_VIA_AWK = r"""
function put(name) { if (!((d, name) in told)) { told[d, name] = 1; out = out " " d "=" name } }
function hosts_of(domain,  k, n, part) {
if (!(domain in host)) return 0
n = split(host[domain], part, " "); for (k = 1; k <= n; k++) put(part[k])
return n
}
FILENAME ~ /routed$/ {
if ($1 == "map") { map[$2] = map[$2] " " $3; from[$3] = from[$3] " " $2 }
if ($1 == "host") host[$2] = host[$2] " " $4
if ($1 == "routed") routed[$2] = 1
if ($1 == "torn") torn[$2] = 1
next
}
{
out = ""; split("", told)
for (i = 3; i <= NF; i++) {
a = $i; d = a; sub(/.*@/, "", d)
if (a in torn || (!(a in map) && !(a in routed) && !hosts_of(d))) put("?")
n = split(a in map ? map[a] : a, final, " ")
for (k = 1; k <= n; k++) {
to = final[k]; sub(/.*@/, "", to); if (to != d) put(to)
if (!hosts_of(to) && !(final[k] in routed)) put("?")
}
}
print $1 out
}
"""
SECTION = Section(
    "queue-routes",
    f"""\
config=$({exim.BINARY} -bP config) || exit
printf '%s\n' "$config" | sed -n '/^begin retry$/,$p' |
awk 'NR > 1 && $1 == "begin" {{ exit }} NR > 1 && NF && $1 !~ /^"?\\*"?$/ {{ some = 1 }} END {{ exit some }}' &&
echo 'asked no' && exit
echo 'asked yes'
{exim.folder("routes")}\
find {exim.INPUTS} -name '*-H' -printf '%f %p\\n' >"$dir/names" || exit
sort -o "$dir/names" "$dir/names" || exit
head -n {SAMPLED} "$dir/names" | awk '{LOOK}
NF == 2 && look($2) {{
sub(/-H$/, "", $1); to = ""
for (i = 1; i <= left; i++) {{ a = open[i]; gsub(/[ \\t]/, "_", a); to = to " " a }}
print $1, frozen bounce to
}}' >"$dir/rows" || exit
awk '{ASK_AWK} {{ for (i = 3; i <= NF; i++) ask($i) }}' "$dir/rows" | head -n {ASKED} >"$dir/ask" || exit
{ASK_EXIM}awk -v code="$code" '{ROUTE_AWK}' "$dir/ask" "$dir/said" >"$dir/routed" || exit
awk '{_VIA_AWK}' "$dir/routed" "$dir/rows" || exit
echo end
""",
    timeout_s=40,
)


def parse(text: str) -> dict[str, dict[str, frozenset[str]]] | None:
    """Read the answer of the section.

    Returns:
        By message and by domain of its recipients, the other domains and the hosts that it goes to, lower case, with
        :data:`~mxlib.mta.backlog.UNKNOWN` among them where Exim did not say all. None: Exim was not asked, as no rule
        is about a host or a domain.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or a line has another form.
    """
    lines = lines_of(text)
    if lines == ["asked no"]:
        return None
    if lines[:1] != ["asked yes"] or lines[-1:] != ["end"]:
        raise ParseError(f"where queued mail goes is unknown: the answer is cut short: {' '.join(lines[:1])[:60]!r}")
    return {exim.check_message_id(name): _goes(words) for name, *words in (line.split(" ") for line in lines[1:-1])}


def _goes(words: list[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for word in words:
        domain, _, name = word.partition("=")
        known = name if _NAME.fullmatch(name) else UNKNOWN
        domain = domain if _NAME.fullmatch(domain) else UNKNOWN
        found[domain] = found.get(domain, frozenset()) | {known}
    return found
