"""The queue by real destination, and what the log says about these destinations lately.

An alias hides the destination: the spool names the address a message was sent to, the log the one it is delivered to.
So the log is read for both and for recent deliveries and failures, the spool for recipients that are not done, and Exim
is asked to route the others. Each message is opened once, so this is read seldom.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of, refuse_unknown
from mxlib.base.text import one_line
from mxlib.facts.section import SectionOutput
from mxlib.mta.backlog import Backlog, Heap, Lately
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.log import parse_zone
from mxlib.mta.exim.logline import classify

_WORDS = frozenset({"zone", "now", "total", "dest", "ok", "bad", "host", "took"})
_CLASS = re.compile(r"-|\d+(?:,\d+)*")
_DOMAIN = re.compile(r"[a-z0-9_.:\[\]?()-]{1,255}")


def parse(output: SectionOutput) -> Backlog:
    """Read the answer of :func:`mxlib.mta.exim.backlog_script.section`.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or a line has another form.
    """
    lines = lines_of(output.text())
    if not lines or lines[-1] != "end":
        raise ParseError("what is queued is unknown: the answer is cut short")
    by_word: dict[str, list[list[str]]] = {}
    known = "what is queued is unknown: not understood"
    refuse_unknown(lines[:-1], lambda line: line.split(" ")[0] in _WORDS, known)
    for line in lines[:-1]:
        word, *rest = line.split(" ")
        by_word.setdefault(word, []).append(rest)
    try:
        return _backlog(by_word)
    except (KeyError, ValueError, IndexError) as error:
        raise ParseError(f"what is queued is unknown: {error!r}") from None


def _backlog(lines: dict[str, list[list[str]]]) -> Backlog:
    zone = parse_zone(f"zone {lines['zone'][0][0]}")
    total, frozen = (int(word) for word in lines["total"][0])
    hosts: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for domain, ip, name in lines.get("host", []):
        hosts.setdefault(_domain(domain), set()).add(ip)
        names.setdefault(_domain(domain), set()).add(_domain(name))
    return Backlog(
        total=total,
        frozen=frozen,
        heaps=tuple(_heaps(lines.get("dest", []))),
        lately=_lately(lines, zone),
        hosts={domain: frozenset(ips) for domain, ips in hosts.items()},
        took={ip: _at(zone, day, time) for ip, day, time in lines.get("took", [])},
        now=datetime.fromtimestamp(int(lines["now"][0][0]), tz=zone),
        names={domain: frozenset(found) for domain, found in names.items()},
    )


def _heaps(rows: Iterable[list[str]]) -> Iterator[Heap]:
    for domain, senders, count, frozen, first, last in rows:
        if not _CLASS.fullmatch(senders):
            raise ParseError(f"not a class of senders: {senders[:60]!r}")
        oldest, newest = (exim.received_at(one) if one != "-" else None for one in (first, last))
        yield Heap(_domain(domain), senders, int(count), int(frozen), oldest, newest)


def _domain(text: str) -> str:
    return text if _DOMAIN.fullmatch(text) else "?"


def _at(zone: tzinfo, day: str, time: str) -> datetime:
    return datetime.strptime(f"{day} {time[:8]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)


def _lately(lines: dict[str, list[list[str]]], zone: tzinfo) -> dict[str, Lately]:
    delivered = {_domain(words[0]): _at(zone, words[1], words[2]) for words in lines.get("ok", [])}
    found = {domain: Lately(delivered=when) for domain, when in delivered.items()}
    for domain, day, time, fails, host_fails, *rest in lines.get("bad", []):
        text = one_line(" ".join(rest), 160)
        name = _domain(domain)
        when = _at(zone, day, time)
        found[name] = Lately(delivered.get(name), when, int(fails), int(host_fails), classify(text), text)
    return found
