"""The queue: number of messages, ages, frozen messages and destinations.

Number and ages come from the names in the spool alone (an id begins with its time). Destinations and frozen marks are
in the header files, of which only those of the oldest messages are opened, up to a bound.
"""

import re
from collections.abc import Iterable

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.header import LOOK
from mxlib.mta.queue import OLD, QueuedMessage, QueueFacts

SAMPLED = 2000
_DOMAIN = re.compile(r"[a-z0-9_.:\[\]-]{1,255}")

# A spool that cannot be read must not look empty, so the exit code of find decides.
_NAMES = f"names=$(find {exim.INPUTS} -name '*-H' -printf '%f\\n') || exit"

# exim -bpc leaves named queues out.
COUNT = Section(
    "queue-count", f"{exim.CHECK_SPOOL}{_NAMES}\nprintf '%s' \"$names\" | grep -c . || :", timeout_s=20
)
# Ids sort by time in the C locale, so the bound for "old" is the prefix of an id, made from the host's clock.
AGES = Section(
    "queue-ages",
    f"""\
{_NAMES}
printf '%s\\n' "$names" | sort | awk -v now="$(date +%s)" -v old={int(OLD.total_seconds())} '
BEGIN {{
digits = "{exim.BASE62}"; seconds = now - old; bound = ""
for (i = 0; i < 6; i++) {{ bound = substr(digits, seconds % 62 + 1, 1) bound; seconds = int(seconds / 62) }}
}}
sub(/-H$/, "") {{ count++; if (first == "") first = $0; if (substr($0, 1, 6) < bound) aged++ }}
END {{ printf "spooled %d\\nold %d\\nfirst %s\\n", count, aged, first }}'
""",
    timeout_s=30,
)
HEADERS = Section(
    "queue-headers",
    f"""\
{exim.CHECK_SPOOL}\
names=$(find {exim.INPUTS} -name '*-H' -printf '%f %p\\n') || exit
printf '%s\\n' "$names" | sort | head -n {SAMPLED} | awk '{LOOK}
NF == 2 && look($2) {{
sub(/-H$/, "", $1); split("", seen); domains = ""
gsub(/[^!-~]/, "?", sender); if (sender == "") sender = "-"
for (i = 1; i <= left; i++) {{
d = domain_of(open[i])
if (!(d in seen)) {{ seen[d] = 1; domains = domains " " d }}
}}
print $1, frozen bounce, sender domains
}}'
date '+now %s'
echo end
""",
    timeout_s=30,
)


def parse_count(text: str) -> int:
    """Read the number of messages.

    Raises:
        mxlib.base.errors.ParseError: it is not a bare number.
    """
    if not re.fullmatch(r"\d+", text.strip()):
        raise ParseError(f"expected a number of messages, got {text.strip()[:80]!r}")
    return int(text)


def parse_messages(text: str) -> tuple[QueuedMessage, ...]:
    """Read the answer of the section about header files.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or a line has another form.
    """
    return tuple(_messages(_rows(text)[:-1]))


def parse_now(text: str) -> float:
    """Read the time at which the headers were read, in seconds since 1970.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    return float(_rows(text)[-1].removeprefix("now "))


def _rows(text: str) -> list[str]:
    lines = lines_of(text)
    if lines[-1:] != ["end"] or not lines[-2:-1] or not re.fullmatch(r"now \d+", lines[-2]):
        raise ParseError("the list of queued messages is cut short")
    return lines[:-1]


def _messages(lines: Iterable[str]) -> Iterable[QueuedMessage]:
    for line in lines:
        name, marks, sender, *domains = line.split(" ")
        known = tuple(domain if _DOMAIN.fullmatch(domain) else "?" for domain in domains)
        yield QueuedMessage(exim.check_message_id(name), "f" in marks, "b" in marks, known, sender)


def parse(outputs: Outputs) -> QueueFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: one of them has another form.
    """
    ages = re.fullmatch(r"spooled \d+\nold (?P<old>\d+)\nfirst (?P<first>\S*)\n*", outputs[AGES.name].text())
    if ages is None:
        raise ParseError("the ages of the queued messages are unknown: the answer has another form")
    return QueueFacts(
        count=parse_count(outputs[COUNT.name].text()),
        old=int(ages["old"]),
        oldest=exim.received_at(ages["first"]) if ages["first"] else None,
        messages=parse_messages(outputs[HEADERS.name].text()),
    )


SOURCE = Source("queue", (COUNT, AGES, HEADERS), parse)

LENGTH_SOURCE = Source("queue-length", (COUNT,), lambda outputs: parse_count(outputs[COUNT.name].text()))
