"""Lines of Exim's main log as typed events, and the cause in their text.

The marks are those of Exim's spec.txt, "Log files": ``<=`` arrival, ``=>`` delivery, ``->`` further recipient of the
same delivery, ``>>`` cutthrough, ``**`` failed for good, ``==`` deferred, ``*>`` suppressed, ``Completed``.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from mxlib.mta.event import Cause, EventKind, LogEvent
from mxlib.mta.exim import names as exim

_MARKS = {
    "<=": EventKind.ARRIVED,
    "=>": EventKind.DELIVERED,
    "->": EventKind.FURTHER,
    ">>": EventKind.CUTTHROUGH,
    "**": EventKind.FAILED,
    "==": EventKind.DEFERRED,
    "*>": EventKind.OTHER,
}
UNTRIED = "retry time not (yet )?reached|retry timeout exceeded|failing for a long time"
"""What a line says where hints of an earlier fault decided and nothing was tried; for Python and for awk."""
# The first pattern that matches decides. That of the 2021 fault comes first: no wider pattern may hide it.
_CAUSES = (
    (Cause.TIMEOUT_AFTER_DATA, r"SMTP timeout after (?:pipelined )?end of data"),
    (Cause.TIMEOUT_SENDING, r"SMTP timeout (?:after (?:pipelined )?sending data block|while (?:sending|writing))"),
    (Cause.CONNECT_TIMEOUT, r"SMTP timeout after (?:pipelined )?initial connection"),
    (Cause.UNTRIED, UNTRIED),
    (Cause.TIMEOUT_IN_SESSION, r"SMTP timeout after"),
    (Cause.TLS, r"TLS (?:session|error|connection)|(?:gnutls|SSL)_|[Cc]ertificate "),
    (Cause.REFUSED, r"Connection refused"),
    (Cause.UNREACHABLE, r"No route to host|(?:Network|Host) is unreachable|network unreachable"),
    # Such a reply is about a command, and after the data no command but BDAT is left to be answered.
    (Cause.CHUNKING, r"after (?:pipelined )?(?:end of data|sending data block): 50[0-3][ -]"),
    (Cause.CLOSED, r"[Rr]emote host closed connection|Connection reset by peer|lost connection|Broken pipe"),
    (Cause.REMOTE_4XX, r"(?:after|response to) .*: 4\d\d[ -]|: 4\d\d[ -]\d\.|\b4\d\d 4\.\d"),
    (Cause.REMOTE_5XX, r"(?:after|response to) .*: 5\d\d[ -]|: 5\d\d[ -]\d\.|\b5\d\d 5\.\d"),
    (Cause.CONNECT_TIMEOUT, r"Connection timed out"),
    (Cause.DNS, r"host lookup|no host name found|no IP address found|lowest numbered MX|DNS"),
    (Cause.UNROUTEABLE, r"[Uu]nrouteable|User unknown|relay not permitted"),
    (Cause.LOCAL, r"T=(?:mail_spool|local_delivery|maildir|address_file|address_pipe)|mailbox is full|No space left"),
)
# Written only with the log selector smtp_protocol_error.
_REFUSED_CHUNK = re.compile(r'SMTP protocol error in "BDAT [^"]*" .*BDAT command used when CHUNKING not advertised')
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?(?P<zone> [+-]\d{4})?(?: \[\d+\])? "
    rf"(?:(?P<id>{exim.MESSAGE_ID}) )?(?P<rest>.*)"
)
_MARKED = re.compile(r"(?P<mark><=|=>|->|>>|\*\*|==|\*>) (?P<address>\"(?:[^\"\\]|\\.)*\"@\S+|\S+)(?P<rest>.*)")
_ORIGINAL = re.compile(r" <(?P<original>\"(?:[^\"\\]|\\.)*\"@[^>\s]*|[^>\s]*)>")
_REMOTE = re.compile(r"\bH=(?P<name>\([^)]*\)|\S+)(?: \([^)]*\))? \[(?P<ip>[0-9A-Fa-f.:]+)\]")
_CONFIRMATION = re.compile(r' C="(?P<text>(?:[^"\\]|\\.)*)"')


def classify(text: str) -> Cause:
    """Return the cause in the text of a deferral or a failure.

    Args:
        text: the line after its mark.
    """
    return next((cause for cause, pattern in _CAUSES if re.search(pattern, text)), Cause.OTHER)


def parse_line(line: str, zone: tzinfo = UTC) -> LogEvent | None:
    """Read one line of a main log.

    Args:
        zone: zone of a line that does not name one.

    Returns:
        The event; None for a continuation line and for what is no line of a main log.
    """
    found = _LINE.fullmatch(line.rstrip("\r\n"))
    if found is None:
        return None
    when = _when(found["at"], found["zone"], zone)
    rest = found["rest"]
    marked = _MARKED.fullmatch(rest) if found["id"] else None
    kind = _MARKS[marked["mark"]] if marked else _unmarked_kind(found["id"] or "", rest)
    address = _address(marked, kind) if marked else ""
    remote = _REMOTE.search(rest)
    confirmation = _CONFIRMATION.search(rest)
    return LogEvent(
        when=when,
        kind=kind,
        message_id=found["id"] or "",
        address=address,
        host=remote["name"].strip("()") if remote else "",
        ip=remote["ip"] if remote else "",
        confirmation=confirmation["text"] if confirmation else "",
        cause=_cause(kind, rest),
        text=rest,
    )


def _cause(kind: EventKind, rest: str) -> Cause | None:
    if kind is EventKind.REJECTED:
        return Cause.CHUNKING if _REFUSED_CHUNK.match(rest) else None
    return classify(rest) if kind in (EventKind.DEFERRED, EventKind.FAILED, EventKind.ATTEMPT) else None


def _when(at: str, offset: str | None, zone: tzinfo) -> datetime:
    if offset:
        return datetime.strptime(at + offset, "%Y-%m-%d %H:%M:%S %z")
    return datetime.strptime(at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)


def _unmarked_kind(message_id: str, rest: str) -> EventKind:
    if message_id and re.match(r"Completed\b", rest):
        return EventKind.COMPLETED
    if message_id and re.match(r"(?:[Ff]rozen\b|Message is frozen)", rest):
        return EventKind.FROZEN
    if re.search(r"\brejected\b", rest) or _REFUSED_CHUNK.match(rest):
        return EventKind.REJECTED
    # "H=host [ip]: SMTP timeout after ...": one host of several failed; the verdict on the address follows.
    return (
        EventKind.ATTEMPT
        if message_id and re.match(r"H=\S+.* \[[0-9A-Fa-f.:]+\](?::\d+)?:? ", rest)
        else EventKind.OTHER
    )


def _address(marked: re.Match[str], kind: EventKind) -> str:
    """The recipient; the original address where the line begins with a local part or a file."""
    address = marked["address"].rstrip(":") if kind in (EventKind.FAILED, EventKind.DEFERRED) else marked["address"]
    original = _ORIGINAL.match(marked["rest"])
    if original and original["original"] and "@" not in address:
        address = original["original"]
    return "" if address == "<>" else address


def parse_lines(lines: Iterable[str], zone: tzinfo = UTC) -> tuple[LogEvent, ...]:
    """Read several lines; continuation lines are left out.

    Args:
        lines: lines of a main log, in order.
        zone: zone of a line that does not name one.
    """
    return tuple(event for line in lines if (event := parse_line(line, zone)))


def unread_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that are none of a main log; an indented one continues the line before it."""
    return tuple(line for line in lines if line[:1].strip() and not _LINE.fullmatch(line.rstrip("\r\n")))
