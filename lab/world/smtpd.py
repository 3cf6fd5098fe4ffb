"""One SMTP session of a mail server that can misbehave on command.

Written here and not taken from a library, because the lab needs what servers for real mail hide: answers withheld at an
exact point, half-closed connections as Exim makes them (it sends QUIT behind the final dot and closes its side), and
knowledge of whether a 250 reached the other side.
"""

import asyncio
import hashlib
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lab.world import jsonl
from lab.world.behaviour import BehaviourFile
from lab.world.inbox import Arrival, Inbox
from lab.world.places import Place
from lab.world.replies import ReplyWatch

MAX_MESSAGE = 64 * 1024 * 1024
MAX_COMMAND = 4096
IDLE_LIMIT = 1800.0
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
_NAME = re.compile(r"[0-9A-Za-z._:\[\]-]{1,255}")
_REFUSALS = {
    ("tempfail", "connect"): "421 4.3.2 Service not available, try again later",
    ("tempfail", "mail"): "451 4.3.0 Try again later",
    ("tempfail", "rcpt"): "450 4.2.0 Greylisted, please try again later",
    ("tempfail", "data"): "451 4.3.0 Not now, try again later",
    ("reject", "connect"): "554 5.3.2 No service here for you",
    ("reject", "mail"): "550 5.7.1 Sender rejected",
    ("reject", "rcpt"): "550 5.1.1 User unknown",
    ("reject", "data"): "554 5.7.1 Message rejected",
}


class SessionOverError(Exception):
    """The session ends here, whatever the client thinks of it."""


@dataclass
class SessionContext:
    """What all sessions of one place share."""

    place: Place
    behaviours: BehaviourFile
    inbox: Inbox
    say: Callable[[str], None]
    tls: ssl.SSLContext | None = None


@dataclass
class _Envelope:
    sender: str | None = None
    begun: str = ""
    recipients: list[str] = field(default_factory=list)


class Session:
    """A connection to one place, from the greeting to the end."""

    def __init__(
        self, site: SessionContext, family: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take over a connection that was just accepted."""
        self._site = site
        self._family = family
        self._reader = reader
        self._writer = writer
        self._helo = ""
        self._envelope = _Envelope()
        self._secure = False
        self._astray = False
        self._heard = time.monotonic()
        peer = writer.get_extra_info("peername") or ("?", 0)
        self._peer, self._port = str(peer[0]), int(peer[1])
        self.family = family
        self.replies = ReplyWatch(writer, site.inbox)
        self._verbs: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo_only,
            "STARTTLS": self._starttls,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "BDAT": self._bdat,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    async def run(self) -> None:
        """Serve the client until it leaves, the connection breaks or the behaviour ends the session."""
        try:
            await self._greet()
            while True:
                await self._command(await self._line())
        except (SessionOverError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.replies.leave()
            self._writer.close()

    def abort(self) -> None:
        """Break the connection off, as a server that dies does."""
        self._writer.transport.abort()

    def idle(self, now: float) -> bool:
        """Say whether the session may be given up: connection gone, or nothing heard for half an hour."""
        return self._writer.transport.is_closing() or now - self._heard > IDLE_LIMIT

    async def _line(self) -> str:
        raw = await self._reader.readuntil(b"\n")
        self._heard = time.monotonic()
        self.replies.heard()
        if len(raw) > MAX_COMMAND:
            raise SessionOverError
        return raw.decode("ascii", "replace").rstrip("\r\n")

    async def _command(self, line: str) -> None:
        verb, _, argument = line.partition(" ")
        handler = self._verbs.get(verb.upper())
        if self._astray and verb.upper() not in ("EHLO", "RSET", "QUIT"):
            await self._answer("503 5.5.1 Bad sequence of commands")
        elif handler is None:
            await self._answer("500 5.5.1 Command not recognised")
        else:
            await handler(argument.strip())

    async def _answer(self, *lines: str) -> None:
        code = lines[-1][:3]
        shown = [f"{code}-{line[4:]}" for line in lines[:-1]] + [lines[-1]]
        self._writer.write("".join(f"{line}\r\n" for line in shown).encode("ascii", "replace"))
        await self._writer.drain()

    async def _withstand(self, stage: str, size: int = 0, recipient: str = "") -> bool:
        """Misbehave if this is the stage for it; True: the refusal was answered."""
        behaviour = self._site.behaviours.of(self._site.place.name)
        mode = behaviour.at(stage, self._family, size, recipient)
        if mode == "slow":
            await asyncio.sleep(behaviour.delay_ms / 1000)
        if mode == "stall":
            self._log(f"stalls at {stage} ({size} bytes)")
            await asyncio.sleep(IDLE_LIMIT)
            raise SessionOverError
        if (mode, stage) not in _REFUSALS:
            return False
        self._log(f"{mode} at {stage}")
        await self._answer(_REFUSALS[mode, stage])
        if stage == "connect":
            raise SessionOverError
        return True

    async def _greet(self) -> None:
        if not await self._withstand("connect"):
            await self._answer(f"220 {self._site.place.host} ESMTP")

    async def _helo_only(self, name: str) -> None:
        self._hello(name)
        await self._answer(f"250 {self._site.place.host}")

    async def _ehlo(self, name: str) -> None:
        self._hello(name)
        offers = [f"250 SIZE {MAX_MESSAGE}", "250 8BITMIME", "250 PIPELINING"]
        if self._site.behaviours.of(self._site.place.name).misleads(self._family):
            offers.append("250 CHUNKING")
        if self._site.tls is not None and not self._secure:
            offers.append("250 STARTTLS")
        await self._answer(f"250 {self._site.place.host}", *offers, "250 HELP")

    def _hello(self, name: str) -> None:
        self._astray = False
        self._helo = name if _NAME.fullmatch(name) else "?"
        self._envelope = _Envelope()

    async def _starttls(self, _: str) -> None:
        if self._site.tls is None or self._secure:
            await self._answer("454 4.7.0 TLS not available")
            return
        await self._answer("220 2.0.0 Go ahead")
        await self._writer.start_tls(self._site.tls)
        self._secure = True
        self._helo = ""
        self._envelope = _Envelope()

    async def _mail(self, argument: str) -> None:
        path = _PATH.match(argument)
        if path is None or self._envelope.sender is not None:
            await self._answer("503 5.5.1 Wrong MAIL command")
        elif not await self._withstand("mail"):
            self._envelope.sender, self._envelope.begun = path.group(1), jsonl.now()
            await self._answer("250 2.1.0 OK")

    async def _rcpt(self, argument: str) -> None:
        path = _PATH.match(argument)
        if path is None or self._envelope.sender is None:
            await self._answer("503 5.5.1 Wrong RCPT command")
        elif not self._site.place.takes(path.group(1)):
            self._log(f"relaying refused to {path.group(1)}")
            await self._answer("550 5.7.1 Relaying denied")
        elif not await self._withstand("rcpt", recipient=path.group(1)):
            self._envelope.recipients.append(path.group(1))
            await self._answer("250 2.1.5 Accepted")

    async def _data(self, _: str) -> None:
        if not self._envelope.recipients:
            await self._answer("503 5.5.1 No valid recipient")
            return
        await self._answer("354 Go ahead")
        message = await self._read_message()
        self._heard = time.monotonic()
        header, _separator, body = message.partition(b"\r\n\r\n")
        if not await self._withstand("data", len(body)):
            await self._keep(message, header, body)
        self._envelope = _Envelope()

    async def _bdat(self, argument: str) -> None:
        """Refuse a chunk, once it is read: the only server here that offers CHUNKING does so by mistake."""
        size = argument.partition(" ")[0]
        if not size.isdigit() or int(size) > MAX_MESSAGE:
            raise SessionOverError
        await self._reader.readexactly(int(size))
        self._heard = time.monotonic()
        self._log(f"refuses a chunk of {size} bytes")
        self._astray = True
        await self._answer("503 5.5.1 BDAT not expected here")

    async def _read_message(self) -> bytes:
        """Read up to the final dot: every chunk ends with a line that ends with a dot, so each begins with a line."""
        chunks = []
        while True:
            chunk = await self._reader.readuntil(b".\r\n")
            chunks.append(chunk)
            if chunk == b".\r\n" or chunk.endswith(b"\r\n.\r\n"):
                break
        stuffed = b"\r\n" + b"".join(chunks)[: -len(b".\r\n")]
        return stuffed.replace(b"\r\n..", b"\r\n.")[len(b"\r\n") :]

    async def _keep(self, message: bytes, header: bytes, body: bytes) -> None:
        size = len(body)
        dropped = self._site.behaviours.of(self._site.place.name).at("data", self._family, size) == "drop"
        arrival = Arrival(
            place=self._site.place.name,
            family=self._family,
            peer=self._peer,
            port=self._port,
            helo=self._helo,
            sender=self._envelope.sender or "",
            recipients=tuple(self._envelope.recipients),
            tls=self._secure,
            acked=not dropped,
            begun=self._envelope.begun,
            size=len(message),
            body_size=size,
            body_sha256=hashlib.sha256(body).hexdigest(),
        )
        number = self._site.inbox.add(arrival, header, body)
        self._log(f"{'dropped' if dropped else 'accepted'} {len(message)} bytes as {number}")
        if dropped:
            self.abort()
            raise SessionOverError
        self.replies.promised(number)
        await self._answer(f"250 2.0.0 OK id={number}")

    async def _rset(self, _: str) -> None:
        self._astray = False
        self._envelope = _Envelope()
        await self._answer("250 2.0.0 OK")

    async def _noop(self, _: str) -> None:
        await self._answer("250 2.0.0 OK")

    async def _quit(self, _: str) -> None:
        await self.replies.settled()
        await self._answer(f"221 2.0.0 {self._site.place.host} closing connection")
        raise SessionOverError

    def _log(self, text: str) -> None:
        self._site.say(f"{self._site.place.name} {self._family} {self._peer}: {text}")
