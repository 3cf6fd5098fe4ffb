"""Questions to an MX from outside, as a sender would ask them: banner, EHLO, STARTTLS, RCPT. No mail is sent.

A depooled host lets the prober in by its source port only, so the range comes from the configuration. The port is
chosen at random in it, as one that was just used may still be in TIME_WAIT.
"""

import errno
import random
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from mxlib.base.text import one_line
from mxlib.config.probes import InboundProbe
from mxlib.model.answers import Answer, InboundResult, InboundStage


class _Session(Protocol):
    """The part of smtplib's client that is used here."""

    def connect(self, host: str, port: int) -> tuple[int, bytes]: ...
    def ehlo(self, name: str = ...) -> tuple[int, bytes]: ...
    def starttls(self, *, context: ssl.SSLContext) -> tuple[int, bytes]: ...
    def docmd(self, cmd: str, args: str = ...) -> tuple[int, bytes]: ...
    def close(self) -> None: ...


class _StoppedError(Exception):
    """The session cannot continue; the last answer says why."""


class _CannotAskError(OSError):
    """This side cannot ask, which says nothing about the other one."""


class PortRangeClient(smtplib.SMTP):
    """smtplib's client, from a source port of a range.

    Arguments:
        name: the host's name, which its certificate must carry.
        ports: first and last source port.
        timeout_s: seconds an answer may take.
    """

    def __init__(self, name: str, ports: tuple[int, int], timeout_s: float) -> None:
        self._ports = ports
        # Without a name of its own smtplib looks one up, and a dead name server would cost its time.
        super().__init__(timeout=timeout_s, local_hostname=socket.gethostname())
        # smtplib verifies the certificate against the name in here, not against the address it connects to.
        self._name = name

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = self._name
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        choices = list(range(self._ports[0], self._ports[1] + 1))
        random.shuffle(choices)
        for choice in choices:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                raise _CannotAskError(f"no socket: {error.strerror}") from None
            sock.settimeout(timeout)
            try:
                sock.bind(("", choice))
            except OSError:
                sock.close()
                continue
            try:
                sock.connect((host, port))
            except OSError as error:
                sock.close()
                if error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL):
                    raise _CannotAskError(f"no way to {host} from here: {error.strerror}") from None
                raise
            return sock
        raise _CannotAskError(f"no free source port in {self._ports[0]}-{self._ports[1]}")


def resolve(name: str, family: int) -> str:
    """Return an address of a name.

    Arguments:
        family: 4 or 6.

    Raises:
        OSError: the name has no address of the family, or could not be looked up.
    """
    wanted = socket.AF_INET6 if family == 6 else socket.AF_INET
    return str(socket.getaddrinfo(name, None, wanted, socket.SOCK_STREAM)[0][4][0])


def tls_context(probe: InboundProbe) -> ssl.SSLContext:
    """Return what a certificate is verified against.

    Raises:
        OSError: the file of authorities cannot be read.
    """
    return ssl.create_default_context(cafile=str(probe.ca_file) if probe.ca_file else None)


@dataclass
class _Conversation:
    """A session under way."""

    session: _Session
    probe: InboundProbe
    answers: list[Answer]
    certificate_until: datetime | None = None

    def ask(self, stage: InboundStage, subject: str, question: Callable[[], tuple[int, bytes]], right: str) -> None:
        """Put a question; an error ends the session, with a wrong answer."""
        try:
            code, text = question()
        except (OSError, smtplib.SMTPException) as error:
            # Once connected, smtplib reports a connection that ends as an error of its own.
            reached = stage is not InboundStage.BANNER or isinstance(error, smtplib.SMTPException)
            judged = None if isinstance(error, _CannotAskError) else False
            said = one_line(str(error) or type(error).__name__)
            self.answers.append(Answer(stage if reached else InboundStage.CONNECT, subject, None, said, judged))
            raise _StoppedError from None
        shown = one_line(text.decode(errors="replace"))
        self.answers.append(Answer(stage, subject, code, shown, re.fullmatch(right, str(code)) is not None))

    def must(self, stage: InboundStage, question: Callable[[], tuple[int, bytes]], right: str) -> None:
        """Put a question that has to be answered right for the session to continue."""
        self.ask(stage, "", question, right)
        if not self.answers[-1].right:
            raise _StoppedError

    def recipients(self) -> None:
        """Ask for each recipient; 4xx is right for none of them."""
        for address in self.probe.accepted:
            self.rcpt(InboundStage.ACCEPTED, address, "25[01]")
        for address in self.probe.refused:
            self.rcpt(InboundStage.REFUSED, address, "5..")
        for address in self.probe.compared:
            self.rcpt(InboundStage.COMPARED, address, "[25]..")
        if self.probe.relay:
            self.rcpt(InboundStage.RELAY, self.probe.relay, "5..")

    def rcpt(self, stage: InboundStage, address: str, right: str) -> None:
        """Ask for one recipient."""
        self.ask(stage, address, lambda: self.session.docmd("RCPT", f"TO:<{address}>"), right)

    def note_certificate(self) -> None:
        """Remember when the certificate ends."""
        certificate: Any = getattr(getattr(self.session, "sock", None), "getpeercert", dict)()
        if until := certificate.get("notAfter"):
            self.certificate_until = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), tz=UTC)


def _converse(talk: _Conversation, address: str, sender: str, context: ssl.SSLContext) -> None:
    session = talk.session
    talk.must(InboundStage.BANNER, lambda: session.connect(address, talk.probe.port), "220")
    talk.must(InboundStage.EHLO, session.ehlo, "250")
    talk.must(InboundStage.STARTTLS, lambda: session.starttls(context=context), "220")
    talk.note_certificate()
    talk.must(InboundStage.EHLO, session.ehlo, "250")
    talk.must(InboundStage.MAIL, lambda: session.docmd("MAIL", f"FROM:<{sender}>"), "250")
    talk.recipients()


def ask(
    name: str,
    family: int,
    probe: InboundProbe,
    sender: str,
    *,
    timeout_s: float = 20.0,
    find: Callable[[str, int], str] = resolve,
    client: Callable[[str, tuple[int, int], float], _Session] = PortRangeClient,
) -> InboundResult:
    """Ask an MX from this machine, over one address family.

    Arguments:
        name: the MX's name, which its certificate must carry.
        family: 4 or 6.
        probe: what it has to answer.
        sender: envelope sender.
        timeout_s: seconds an answer may take.
        find: looks up the address.
        client: makes the SMTP client.
    """
    when = datetime.now(UTC)
    try:
        address = find(name, family)
    except OSError as error:
        text = f"{name}, IPv{family}: {error.strerror or error}"
        nothing = Answer(InboundStage.RESOLVE, "", None, text, right=None)
        return InboundResult(name, "", family, (nothing,), None, when)
    try:
        context = tls_context(probe)
    except OSError as error:
        nothing = Answer(InboundStage.STARTTLS, "", None, f"{probe.ca_file}: {error}", right=None)
        return InboundResult(name, address, family, (nothing,), None, when)
    talk = _Conversation(client(name, probe.source_ports, timeout_s), probe, [])
    with closing(talk.session), suppress(_StoppedError):
        _converse(talk, address, sender, context)
        with suppress(OSError, smtplib.SMTPException):
            talk.session.docmd("QUIT")
    return InboundResult(name, address, family, tuple(talk.answers), talk.certificate_until, when)
