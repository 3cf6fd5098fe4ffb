"""A big provider's sender: several messages a session, in chunks where CHUNKING is offered (RFC 3030).

`python3 -m lab.world.bulk --state DIR --via HOST --to A [--behind B] --count N`

Commands and chunk go out together, as PIPELINING allows. A message gets one try, as a 5xx is final.
"""

import argparse
import contextlib
import json
import smtplib
import sys
from collections import Counter
from pathlib import Path

from lab.world import jsonl
from lab.world.ledger import SENT_FILE
from lab.world.message import Message, make
from lab.world.places import SMTP_PORT

TIMEOUT = 90.0
_FINAL_DOT = b".\r\n"


class BulkSession:
    """A session with one exchanger.

    Attributes:
        chunking: whether the exchanger has offered CHUNKING.
    """

    def __init__(self, host: str, port: int, helo: str, source: str) -> None:
        """Connect and say EHLO."""
        self._client = smtplib.SMTP(host, port, helo, TIMEOUT, (source, 0) if source else None)
        self._client.ehlo()
        self.chunking = self._client.has_extn("chunking")

    def hand_over(self, message: Message) -> str:
        """Hand over a message to one recipient, and return the reply that decides; a reset follows a refusal."""
        begin = f"MAIL FROM:<{message.sender}>\r\nRCPT TO:<{message.recipients[0]}>\r\n".encode()
        reply = self._by_chunk(begin, message) if self.chunking else self._by_data(begin, message)
        if not reply.startswith("2"):
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._client.docmd("RSET")
        return reply

    def _by_chunk(self, begin: bytes, message: Message) -> str:
        plain = message.payload.removesuffix(_FINAL_DOT).replace(b"\r\n..", b"\r\n.")
        self._client.send(begin + f"BDAT {len(plain)} LAST\r\n".encode() + plain)
        return [self._reply() for _ in ("MAIL", "RCPT", "BDAT")][-1]

    def _by_data(self, begin: bytes, message: Message) -> str:
        self._client.send(begin + b"DATA\r\n")
        reply = [self._reply() for _ in ("MAIL", "RCPT", "DATA")][-1]
        if not reply.startswith("354"):
            return reply
        self._client.send(message.payload)
        return self._reply()

    def _reply(self) -> str:
        code, text = self._client.getreply()
        return f"{code} {text.decode('ascii', 'replace').splitlines()[-1]}"

    def end(self) -> None:
        """Leave, if the exchanger has not hung up."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._client.quit()


def line_of(message: Message, host: str, reply: str, tag: str) -> jsonl.Line:
    """Return what sent.jsonl keeps of a message."""
    taken = reply.startswith("250")
    return {
        "time": jsonl.now(), "id": message.lab_id, "from": message.sender, "to": list(message.recipients),
        "size": len(message.payload), "body_size": message.body_size, "body_sha256": message.body_sha256,
        "accepted": taken, "fate": "accepted" if taken else "refused", "why": "", "via": host, "ip": None,
        "family": None, "reply": reply, "waited": 0.0, "ambiguous": 0, "attempts": [], "tag": tag,
    }  # fmt: skip


def send(args: argparse.Namespace) -> dict[str, object]:
    """Send, a session for each message, and return the replies that decided, by number, and the commands used."""
    sent = jsonl.Appender(args.state / SENT_FILE)
    replies: Counter[str] = Counter()
    used: set[str] = set()
    for number in range(args.count):
        session = BulkSession(args.via, args.port, args.helo, args.source)
        used.add("BDAT" if session.chunking else "DATA")
        if args.behind:
            session.hand_over(make(args.sender, (args.behind,), args.size, args.tag))
        message = make(args.sender, (args.to.replace("%d", str(number + 1)),), args.size, args.tag)
        reply = session.hand_over(message)
        sent.append(line_of(message, args.via, reply, args.tag))
        replies["250" if reply.startswith("250") else reply] += 1
        session.end()
    sent.close()
    return {"replies": dict(replies), "by": sorted(used)}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.world.bulk", description=__doc__)
    add = parser.add_argument
    add("--state", type=Path, required=True, help="directory of sent.jsonl")
    add("--via", required=True, help="exchanger")
    add("--port", type=int, default=SMTP_PORT)
    add("--to", required=True, help="recipient; `%%d` becomes the number of the message")
    add("--behind", default="", help="a recipient that is refused: each message follows one to it in its session")
    add("--from", dest="sender", default="sender@provider.test", help="envelope sender")
    add("--count", type=int, default=1, help="how many")
    add("--size", type=int, default=2048, help="bytes of the body")
    add("--source", default="", help="source address")
    add("--helo", default="mx.provider.test")
    add("--tag", default="", help="written into sent.jsonl and the subject")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Send, print what came of it (JSON), and return the exit code: 0 only if every message was taken."""
    found = send(_arguments(argv))
    print(json.dumps(found), flush=True)
    return 0 if set(found["replies"]) <= {"250"} else 1  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
