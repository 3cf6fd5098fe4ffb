"""Exim's retry hints: what it remembers about hosts, domains and addresses that failed.

Keys, as of Exim 4.96: ``T:host:ip`` (perhaps with a port) for a host, ``T:host:ip:id`` for one message at a host,
``T:host`` where a transport has ``retry_include_ip_address = false``, ``R:domain`` for routing, ``R:address:<sender>``
and ``T:address`` for an address.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_before_end
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.model.on_host import quoted
from mxlib.mta.backlog import Hint
from mxlib.mta.exim import names as exim

_CUT = "the retry hints are cut short"
SECTION = Section("retry-hints", exim.dump_script("retry"), timeout_s=20)
_KEY = re.compile(r"  (?P<key>[RT]:\S+(?: \S+)*?) (?P<errno>-?\d+) (?P<more>-?\d+) ?(?P<text>.*)")
_TIMES = re.compile(
    r"(\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d)  (\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d)  (\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d) ?(\*?)"
)
# Exim 4.98 puts an IPv6 address into brackets.
_NAME = r"(?P<name>[A-Za-z0-9_.-]+|\[[0-9A-Za-z.:]+\])"
_REST = rf"(?:[+:]\d+)?(?::(?P<message>{exim.MESSAGE_ID}))?"
_HOST = re.compile(
    rf"T:{_NAME}:"
    r"(?:\[(?P<inner>[0-9a-fA-F:.]+)\]|(?P<bare>\d+(?:\.\d+){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*))"
    rf"{_REST}"
)
_LOCAL = ("T:/", "T:|", "T:>", "T::")
"""A file, a program, an automatic reply, or a word such as ``:blackhole:``: none of them is a host."""
_BY_NAME = re.compile(rf"T:{_NAME}{_REST}")


def parse(outputs: Outputs) -> tuple[Hint, ...]:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or has another form.
    """
    lines = lines_before_end(outputs[SECTION.name].text(), _CUT)
    if len(lines) % 2:
        raise ParseError(_CUT)
    return tuple(_hint(*pair) for pair in zip(lines[::2], lines[1::2], strict=True))


def _hint(head: str, times: str) -> Hint:
    found, when = _KEY.fullmatch(head), _TIMES.match(times)
    if found is None or when is None:
        raise ParseError(f"not a retry hint: {head[:120]!r}")
    first, last, following = (datetime.strptime(when[n], "%d-%b-%Y %H:%M:%S").replace(tzinfo=UTC) for n in (1, 2, 3))
    return make(found["key"], first, last, following, expired=bool(when[4]), text=found["text"])


def make(
    key: str, first: datetime, last: datetime, following: datetime, *, expired: bool = False, text: str = ""
) -> Hint:
    """Return the hint of a record of the database: its key says what it is about.

    Raises:
        mxlib.base.errors.ParseError: the key has another form.
    """
    found = Hint(key, first, last, following, expired, text)
    about = _HOST.fullmatch(key)
    if about is not None:
        return _of_message(replace(found, ip=about["inner"] or about["bare"].rstrip(":")), about["message"])
    named = _BY_NAME.fullmatch(key)
    if named is not None:
        return _of_message(replace(found, host=named["name"].lower()), named["message"])
    subject = key[2:].partition(":<")[0].lower()
    address = subject if "@" in subject else ""
    if not address and not key.startswith(("R:", *_LOCAL)):
        raise ParseError(f"what a retry hint is about is unknown: {key[:120]!r}")
    domain = address.rpartition("@")[2] or (subject if key.startswith("R:") else "")
    return replace(found, address=address, domain=domain)


def _of_message(hint: Hint, message: str | None) -> Hint:
    return replace(hint, message=message, arrived=exim.received_at(message)) if message else hint


SOURCE: Source[tuple[Hint, ...]] = Source("retry-hints", (SECTION,), parse)


def clear_script(keys: list[str]) -> str:
    """Return the script that clears single hints, while Exim may use the database.

    Args:
        keys: as in the database.
    """
    # exim_fixdb asks for a key, shows its record, and deletes it on "d"; it reports a missing key and continues
    wanted = "".join(f"{key}\nd\n" for key in keys if key.isprintable() and key[:2] in ("T:", "R:"))
    return f"# clear stale retry hints\nprintf %s {quoted(wanted)} | exim_fixdb {exim.SPOOL} retry >/dev/null"
