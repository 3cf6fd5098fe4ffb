"""One attempt to hand one message to one address, and what came of it."""

import functools
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.world.routes import NextHop

COMMAND_TIMEOUT = 90.0


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt.

    Attributes:
        target: where to.
        stage: how far it got: connect, greeting, ehlo, starttls, mail, rcpt, data, dot (the final dot was sent).
        outcome: ok, tempfail, reject, refused, timeout, unreachable or lost (connection broke).
        reply: what the server said last, or the error.
        taken: recipients the server took responsibility for.
        rejected: recipients refused for good.
    """

    target: NextHop
    stage: str
    outcome: str
    reply: str
    taken: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def ambiguous(self) -> bool:
        """Say whether the server may have taken the message although no 250 was seen."""
        return self.stage == "dot" and self.outcome in ("lost", "timeout")

    def as_line(self) -> dict[str, object]:
        """Return what sent.jsonl keeps of it."""
        return {
            "mx": self.target.host,
            "ip": self.target.ip,
            "family": self.target.family,
            "stage": self.stage,
            "outcome": self.outcome,
            "reply": self.reply,
        }


@dataclass(frozen=True)
class Manner:
    """How a sender behaves.

    Attributes:
        helo: the name it gives.
        sources: its address in each family; none: the kernel's choice.
        connect_timeout: seconds until an unanswered connection is given up.
        starttls: encrypt where it is offered, without looking at the certificate, as most of the world does.
    """

    helo: str = "sender.world.test"
    sources: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: float = 8.0
    command_timeout: float = COMMAND_TIMEOUT
    starttls: bool = True


class _RefusalError(Exception):
    """A server's answer that ends the attempt."""

    def __init__(self, code: int, text: bytes) -> None:
        self.outcome = "reject" if code >= 500 else "tempfail"
        self.reply = _shown(code, text)
        super().__init__(self.reply)


class _Client(smtplib.SMTP):
    """smtplib's client with a time limit of its own for the connection."""

    def __init__(self, manner: Manner, target: NextHop) -> None:
        self._manner = manner
        source = manner.sources.get(target.family)
        self.connected = False
        super().__init__(local_hostname=manner.helo, source_address=(source, 0) if source else None)
        self.timeout = manner.command_timeout
        # The name for the TLS handshake, which smtplib takes from its constructor only.
        self._host = target.ip

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), self._manner.connect_timeout, self.source_address)
        sock.settimeout(timeout)
        self.connected = True
        return sock


class _Try:
    """The attempt while it runs: remembers the stage it is in."""

    def __init__(self, manner: Manner, target: NextHop) -> None:
        self.stage = "connect"
        self.reply = ""
        self.taken: list[str] = []
        self.rejected: list[str] = []
        self._manner = manner
        self._target = target
        self.client = _Client(manner, target)

    def run(self, sender: str, recipients: Sequence[str], payload: bytes) -> None:
        self._expect(*self.client.connect(self._target.ip, self._target.port), "greeting")
        self._ehlo()
        if self._manner.starttls and self.client.has_extn("starttls"):
            self.stage = "starttls"
            self._expect(*self.client.starttls(context=_unverified()), "starttls")
            self._ehlo()
        self._expect(*self.client.docmd("MAIL", f"FROM:<{sender}> SIZE={len(payload)}"), "mail")
        if self._recipients(recipients):
            self._message(payload)

    def _ehlo(self) -> None:
        self._expect(*self.client.ehlo(), "ehlo")

    def _recipients(self, recipients: Sequence[str]) -> bool:
        for recipient in recipients:
            code, text = self.client.docmd("RCPT", f"TO:<{recipient}>")
            self.stage, self.reply = "rcpt", _shown(code, text)
            if code >= 500:
                self.rejected.append(recipient)
            elif code < 400:
                self.taken.append(recipient)
        return bool(self.taken)

    def _message(self, payload: bytes) -> None:
        accepted, self.taken = self.taken, []
        try:
            self._expect(*self.client.docmd("DATA"), "data", good=354)
            self.client.send(payload)
            self.stage = "dot"
            self._expect(*self.client.getreply(), "dot")
        except _RefusalError as refusal:
            self.rejected += accepted if refusal.outcome == "reject" else []
            raise
        self.taken = accepted

    def _expect(self, code: int, text: bytes, stage: str, good: int = 0) -> None:
        self.stage, self.reply = stage, _shown(code, text)
        if code >= 400 or (good and code != good):
            raise _RefusalError(code, text)

    def close(self) -> None:
        try:
            self.client.quit()
        except (smtplib.SMTPException, OSError):
            self.client.close()

    def result(self, outcome: str, reply: str) -> Attempt:
        stage = "greeting" if self.stage == "connect" and self.client.connected else self.stage
        return Attempt(self._target, stage, outcome, reply, tuple(self.taken), tuple(self.rejected))


def attempt(manner: Manner, target: NextHop, sender: str, recipients: Sequence[str], payload: bytes) -> Attempt:
    """Try once to hand over `payload`: the message as it goes over the wire, dot-stuffed, with the final dot."""
    this = _Try(manner, target)
    try:
        this.run(sender, recipients, payload)
        result = this.result(_outcome_of(this, recipients), this.reply)
    except _RefusalError as refusal:
        if refusal.outcome == "reject" and this.stage in ("greeting", "ehlo", "starttls", "mail"):
            this.rejected = list(recipients)
        result = this.result(refusal.outcome, refusal.reply)
    except (smtplib.SMTPException, OSError) as error:
        result = this.result(failure(error), f"{type(error).__name__}: {error}")
    this.close()
    return result


def _outcome_of(this: _Try, recipients: Sequence[str]) -> str:
    if len(this.taken) == len(recipients):
        return "ok"
    return "reject" if len(this.taken) + len(this.rejected) == len(recipients) else "tempfail"


def failure(error: Exception) -> str:
    """Name what a broken attempt met."""
    cause = error.__cause__ or error.__context__ or error
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(cause, TimeoutError) or isinstance(error, TimeoutError) or "timed out" in str(error):
        return "timeout"
    if isinstance(error, (smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError)):
        return "lost"
    return "unreachable" if isinstance(error, OSError) else "lost"


def _shown(code: int, text: bytes) -> str:
    return f"{code} {text.decode('ascii', 'replace')}".replace("\n", " / ")[:300]


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
