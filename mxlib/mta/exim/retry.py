"""When queued mail bounces: the age of the messages, and how long the MTA's retry rules go on.

``exim4 -brt`` tells the rule for an address; its last part is the cutoff: an attempt that fails later is the last one.
The rule may depend on the sender (``senders=``), so it is asked for with the sender of the oldest message.
"""

import re
from collections.abc import Iterable
from datetime import timedelta

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim
from mxlib.mta.queue import Deadlines

RULES_ASKED = 8
_SAMPLED = 2000
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

# From the oldest messages: domain of the first recipient still to do, and sender; then the rule for each domain.
SECTION = Section(
    "queue-retry",
    f"""\
names=$(find {exim.SPOOL}/input -name '*-H' -printf '%f %p\\n') || exit
list=$(printf '%s\\n' "$names" | sort | head -n {_SAMPLED} | awk '
NF == 2 {{
name = $1; file = $2; sub(/-H$/, "", name); n = 0; state = "options"; skip = 0; sender = ""; domain = ""
split("", done)
while ((getline line < file) > 0) {{
n++
if (n == 3) {{ sender = line; gsub(/[<>]/, "", sender) }}
if (state == "options" && line ~ /^-frozen/) skip = 1
if (state == "options" && line == "XX") {{ state = "number"; continue }}
if ((state == "options" || state == "tree") && line ~ /^[YN][YN] /) {{
done[tolower(substr(line, 4))] = 1; state = "tree"; continue }}
if ((state == "tree" || state == "number") && line ~ /^[0-9]+$/) {{ state = "recipients"; continue }}
if (state == "recipients") {{
if (line == "") break
sub(/ .*/, "", line); line = tolower(line)
if (line in done) continue
domain = line; sub(/.*@/, "", domain); break
}}
}}
close(file)
if (sender == "" || domain !~ /^[a-z0-9.-]+$/ || sender !~ /^[A-Za-z0-9._+=@-]+$/) skip = 1
if (n && !skip) print name, domain, sender
}}')
[ -z "$list" ] || printf '%s\\n' "$list" | awk '{{ print "message", $1, $2 }}'
[ -z "$list" ] || printf '%s\\n' "$list" | awk '!seen[$2]++ {{ print $2, $3 }}' | head -n {RULES_ASKED} |
while read -r domain sender; do
printf 'rule %s %s\\n' "$domain" "$({exim.BINARY} -f "$sender" -brt "somebody@$domain" 2>&1 </dev/null | tr '\\n' ' ')"
done
date '+now %s'
echo end
""",
    timeout_s=30,
)


def cutoff(text: str) -> timedelta | None:
    """The cutoff of a rule as ``exim4 -brt`` prints it; None where there is no rule.

    Arguments:
        text: for example ``Retry rule: *  F,2h,15m; G,16h,1h,1.5; F,4d,6h;``.
    """
    parts = re.findall(r"\b[FGH],(?:(?:\d+[smhdw])+)", text)
    return _span(parts[-1].partition(",")[2]) if parts else None


def _span(text: str) -> timedelta:
    return timedelta(seconds=sum(int(number) * _UNIT[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text)))


def parse(outputs: Outputs) -> Deadlines:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    lines = outputs[SECTION.name].text().splitlines()
    if lines[-1:] != ["end"]:
        raise ParseError("the retry rules of the queue are cut short")
    rows = [line.split(" ", 2) for line in lines[:-1]]
    now = next((float(row[1]) for row in rows if row[0] == "now"), None)
    if now is None:
        raise ParseError("the host's time is missing beside its retry rules")
    rules = {row[1]: cutoff(row[2]) for row in rows if row[0] == "rule" and len(row) == 3}
    messages = [(exim.check_message_id(row[1]), row[2]) for row in rows if row[0] == "message"]
    return _facts(messages, rules, now)


def _facts(messages: Iterable[tuple[str, str]], rules: dict[str, timedelta | None], now: float) -> Deadlines:
    left: dict[str, float] = {}
    domains: dict[str, str] = {}
    unknown = 0
    for name, domain in messages:
        rule = rules.get(domain)
        if rule is None:
            unknown += 1
            continue
        left[name] = exim.received_at(name).timestamp() + rule.total_seconds() - now
        domains[name] = domain
    return Deadlines(left, domains, unknown)


SOURCE = Source("retry", (SECTION,), parse)
