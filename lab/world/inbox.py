"""What the outside world received: one JSON line for each message, written before the 250 is."""

import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.world import jsonl

FILE_NAME = "inbox.jsonl"
LAB_ID_HEADER = "X-Lab-Id"
_LAB_ID = re.compile(rb"^X-Lab-Id:[ \t]*([0-9A-Za-z-]{8,64})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Arrival:
    """One message taken in one SMTP transaction.

    Attributes:
        sender: envelope sender; empty for a bounce.
        acked: a 250 follows; False: the connection is dropped before it.
        begun: when its transaction began, with MAIL.
        size: whole message, in bytes; body_size: without the header.
    """

    place: str
    family: str
    peer: str
    port: int
    helo: str
    sender: str
    recipients: tuple[str, ...]
    tls: bool
    acked: bool
    begun: str
    size: int
    body_size: int
    body_sha256: str


class Inbox:
    """The file, appended to by one process of sinks."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending."""
        self._file = jsonl.Appender(path)

    def add(self, arrival: Arrival, header: bytes, body: bytes) -> str:
        """Write an arrival down; return the number by which later lines speak of it."""
        number = secrets.token_hex(6)
        bounced = [match.decode() for match in _LAB_ID.findall(body)] if not arrival.sender else []
        self._file.append(
            {
                "event": "arrival",
                "time": jsonl.now(),
                "arrival": number,
                **asdict(arrival),
                "lab_id": _first(_LAB_ID, header),
                "message_id": header_field(header, "Message-ID"),
                "subject": header_field(header, "Subject"),
                "bounced": bounced,
            }
        )
        return number

    def note(self, event: str, number: str, why: str) -> None:
        """Write down what became of the 250 of an arrival: `reply-unseen` or `reply-seen`."""
        self._file.append({"event": event, "time": jsonl.now(), "arrival": number, "why": why})

    def close(self) -> None:
        """Put the file on disk."""
        self._file.close()


def header_field(header: bytes, name: str) -> str:
    """Return the first line of a header field's value, or an empty string."""
    return _first(re.compile(rb"^" + name.encode() + rb":[ \t]*(.*?)\r?$", re.IGNORECASE | re.MULTILINE), header)


def _first(pattern: re.Pattern[bytes], text: bytes) -> str:
    match = pattern.search(text)
    return match.group(1).decode("ascii", "replace") if match else ""
