"""Sessions with an MX from here, with a client that answers as it was set up to."""

import errno
import smtplib
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.base.verdict import Status
from mxlib.config.probes import InboundProbe
from mxlib.model.answers import InboundStage
from mxlib.probes import inbound as probe_inbound
from mxlib.probes.inbound import PortRangeClient, ask
from mxlib.probes.judge import judge_inbound

PROBE = InboundProbe(("user1@lab.test",), ("nobody@lab.test",), "someone@provider.test")
UNTIL = "Jan 20 02:12:00 2027 GMT"


class Sock:
    def getpeercert(self):
        return {"notAfter": UNTIL}


class Server:
    """An SMTP session that answers as it was set up to."""

    def __init__(self, **answers):
        self.answers = {
            "accepted": 250,
            "refused": 550,
            "relay": 550,
            "MAIL": 250,
            "banner": 220,
            "ehlo": 250,
        } | answers
        self.sock = None
        self.closed = False

    def _give(self, key):
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer, f"answer of {key}\x1b[31m".encode()

    def connect(self, host, port):
        if not isinstance(self.answers["banner"], OSError):
            self.sock = Sock()
        return self._give("banner")

    def ehlo(self, name=""):
        return self._give("ehlo")

    def starttls(self, *, context):
        self.answers.setdefault("starttls", 220)
        return self._give("starttls")

    def docmd(self, cmd, args=""):
        if cmd == "RCPT":
            kinds = {PROBE.accepted[0]: "accepted", PROBE.refused[0]: "refused", PROBE.relay: "relay"}
            return self._give(kinds[args.removeprefix("TO:<").removesuffix(">")])
        return self._give(cmd) if cmd in self.answers else (221, b"bye")

    def close(self):
        self.closed = True


def session(find=lambda name, family: "192.0.2.11", probe=PROBE, **answers):
    server = Server(**answers)
    result = ask("mx1001.lab.test", 4, probe, "probe@world.test", find=find, client=lambda *_: server)
    return result, server


def test_an_mx_in_good_order():
    result, server = session()
    verdict = judge_inbound(result)
    assert (verdict.check, verdict.status) == ("inbound-v4", Status.OK)
    assert "\x1b" not in verdict.evidence[0].output
    assert server.closed
    assert [answer.stage for answer in result.answers][-3:] == [
        InboundStage.ACCEPTED,
        InboundStage.REFUSED,
        InboundStage.RELAY,
    ]


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        ({"banner": ConnectionRefusedError("Connection refused")}, InboundStage.CONNECT),
        ({"banner": TimeoutError("timed out")}, InboundStage.CONNECT),
        ({"banner": smtplib.SMTPServerDisconnected("closed")}, InboundStage.BANNER),
        ({"banner": 554}, InboundStage.BANNER),
        ({"ehlo": 502}, InboundStage.EHLO),
        (
            {"starttls": smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server.")},
            InboundStage.STARTTLS,
        ),
        ({"starttls": ssl.SSLCertVerificationError(1, "certificate has expired")}, InboundStage.STARTTLS),
        ({"MAIL": 451}, InboundStage.MAIL),
        ({"accepted": 550}, InboundStage.ACCEPTED),
        ({"accepted": 451}, InboundStage.ACCEPTED),
        ({"refused": 250}, InboundStage.REFUSED),
        ({"refused": 450}, InboundStage.REFUSED),
        ({"relay": 250}, InboundStage.RELAY),
    ],
)
def test_each_wrong_answer_fails_at_its_stage(answers, stage):
    result, _ = session(**answers)
    assert [answer.stage for answer in result.wrong] == [stage]
    assert judge_inbound(result).status is Status.FAILED


def test_what_cannot_be_asked_is_unknown():
    def no_answer(name, family):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    nowhere, _ = session(find=no_answer)
    assert judge_inbound(nowhere).status is Status.UNKNOWN
    assert "mx1001.lab.test, IPv4: Temporary failure in name resolution" in judge_inbound(nowhere).why
    no_port, _ = session(banner=probe_inbound._CannotAskError("no free source port in 1-2"))
    assert judge_inbound(no_port).status is Status.UNKNOWN
    no_file = InboundProbe(("user1@lab.test",), ca_file=Path("/nonexistent/ca.pem"))
    assert judge_inbound(session(probe=no_file)[0]).status is Status.UNKNOWN


def test_the_end_of_the_certificate_is_noted():
    assert session()[0].certificate_until == datetime(2027, 1, 20, 2, 12, tzinfo=UTC)
    assert session(ehlo=502)[0].certificate_until is None, "the session did not come to TLS"


def in_use(self, address):
    raise OSError("in use")


def test_the_source_port_is_one_of_the_range(monkeypatch):
    seen = []

    class Socket:
        def __init__(self, *args):
            pass

        def settimeout(self, seconds):
            pass

        def bind(self, address):
            seen.append(address[1])
            if len(seen) < 3:
                raise OSError("in use")

        def connect(self, address):
            pass

        def close(self):
            pass

    monkeypatch.setattr(probe_inbound.socket, "socket", Socket)
    client = PortRangeClient("mx1001.lab.test", (61000, 61015), 5)
    client._get_socket("192.0.2.11", 25, 5)
    assert len(seen) == 3
    assert len(set(seen)) == 3
    assert all(61000 <= port <= 61015 for port in seen)
    assert client._host == "mx1001.lab.test"
    monkeypatch.setattr(Socket, "bind", in_use)
    with pytest.raises(OSError, match="no free source port"):
        client._get_socket("192.0.2.11", 25, 5)


def test_without_a_way_or_a_socket_this_side_cannot_ask(monkeypatch):
    client = PortRangeClient("mx1001.lab.test", (42000, 42063), 5)
    with pytest.raises(probe_inbound._CannotAskError, match=r"no way to 224\.0\.0\.1 from here"):
        client._get_socket("224.0.0.1", 25, 5)  # multicast: no packet leaves the machine

    def no_socket(*_):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(probe_inbound.socket, "socket", no_socket)
    with pytest.raises(probe_inbound._CannotAskError, match="no socket: Address family not supported"):
        client._get_socket("2001:db8::1", 25, 5)
