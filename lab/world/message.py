"""The messages the world sends: recognisable, of an exact size, and the same on arrival."""

import functools
import hashlib
import itertools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from lab.world.inbox import LAB_ID_HEADER

LINE = 76
_WORDS = (
    "dear colleagues the minutes of our meeting are attached please read them before Thursday and tell us what is "
    "missing; the figures of the second quarter stand in the table below, the sources in the appendix. Kind regards "
)


@dataclass(frozen=True)
class Message:
    """One message, ready to be sent.

    Attributes:
        body_size: bytes of the body, with its line ends.
        payload: as it goes over the wire: dot-stuffed, with the final dot.
    """

    lab_id: str
    sender: str
    recipients: tuple[str, ...]
    body_size: int
    body_sha256: str
    payload: bytes


def make(sender: str, recipients: tuple[str, ...], size: int, tag: str = "") -> Message:
    """Write a message with a body of `size` bytes and an id nobody else has."""
    lab_id = str(uuid.uuid4())
    body = body_of(size)
    header = (
        f"From: {sender or 'postmaster@world.test'}\r\n"
        f"To: {', '.join(recipients)}\r\n"
        f"Subject: Minutes of our meeting{f' ({tag})' if tag else ''}\r\n"
        f"Date: {format_datetime(datetime.now(UTC))}\r\n"
        f"Message-ID: <{lab_id}@sender.world.test>\r\n"
        f"{LAB_ID_HEADER}: {lab_id}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    )
    payload = header.encode("ascii", "replace") + body.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    return Message(lab_id, sender, recipients, len(body), hashlib.sha256(body).hexdigest(), payload)


@functools.lru_cache(maxsize=16)
def body_of(size: int) -> bytes:
    """Return a text of an exact size in bytes, in lines of at most 76 characters that end with CRLF.

    A size below 2 has no room for a line end and gives an empty body.
    """
    words = itertools.cycle(_WORDS)
    return "".join("".join(itertools.islice(words, length)) + "\r\n" for length in _line_lengths(size)).encode()


def _line_lengths(size: int) -> list[int]:
    full, rest = divmod(max(size, 0), LINE + len("\r\n"))
    lengths = [LINE] * full
    if rest >= len("\r\n"):
        return [*lengths, rest - len("\r\n")]
    if rest == 1 and full:
        # One byte too many for the last line and too few for a line of its own: two shorter lines.
        return [*lengths[1:], LINE // 2, LINE - 1 - LINE // 2]
    return lengths
