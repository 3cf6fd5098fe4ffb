"""Sessions from a peer: the script against a server on loopback, and what is read from it."""

import socket
import threading

import pytest

from mxlib.base.errors import ParseError
from mxlib.config.probes import InboundProbe
from mxlib.facts.source import FactUnknownError, read_facts
from mxlib.model.answers import InboundStage
from mxlib.probes import peer as probe_peer
from tests.unit.support.facts import ShellHost, facts_of

KNOWN, STRANGE, NEW = "user1@lab.test", "nobody@lab.test", "new-queue@lab.test"


class Server(threading.Thread):
    """An SMTP server on loopback that answers by the first word of a line."""

    def __init__(self, **answers):
        super().__init__(daemon=True)
        self.answers = {"banner": "220-hello\r\n220 mx", "EHLO": "250-mx\r\n250 STARTTLS", "MAIL": "250 OK"} | answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard, self.ports = [], []

    def run(self):
        connection, (_, port) = self.listener.accept()
        self.ports.append(port)
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(self.answers["banner"].encode() + b"\r\n")
            for line in stream:
                self.heard.append(line.decode().strip())
                word = self.heard[-1].split(" ")[0]
                if word == "QUIT" or (answer := self._answer(word)) is None:
                    return
                stream.write(answer.encode() + b"\r\n")

    def _answer(self, word):
        if word != "RCPT":
            return self.answers[word]
        return "250 OK" if KNOWN in self.heard[-1] else "550 no such person\x1b[31m"


def probe(port):
    return InboundProbe((KNOWN,), (STRANGE,), compared=(NEW,), port=port, source_ports=(42000, 42063))


def ask(server, families=(4,), limit_s=5.0):
    server.start()
    source = probe_peer.source(("127.0.0.1",), families, probe(server.port), "probe@world.test", limit_s)
    return read_facts(ShellHost(), (source,)).get(source)


def test_a_session_by_a_plain_perl():
    server = Server()
    (result,) = ask(server)
    assert [(a.stage, a.code, a.right) for a in result.answers] == [
        (InboundStage.BANNER, 220, True),
        (InboundStage.EHLO, 250, True),
        (InboundStage.MAIL, 250, True),
        (InboundStage.ACCEPTED, 250, True),
        (InboundStage.REFUSED, 550, True),
        (InboundStage.COMPARED, 550, True),
    ]
    assert (result.host, result.address, result.family) == ("127.0.0.1", "127.0.0.1", 4)
    assert "MAIL FROM:<probe@world.test>" in server.heard
    assert 42000 <= server.ports[0] <= 42063
    assert result.answers[-1].text == "no such person"


def test_families_are_asked_at_the_same_time_and_kept_apart():
    v4, v6 = ask(Server(), (4, 6))
    assert not v4.unknown
    assert (v6.family, v6.unknown[0].stage) == (6, InboundStage.RESOLVE)


def test_a_refused_greeting_ends_the_session():
    (result,) = ask(Server(banner="554 go away"))
    assert [(a.stage, a.code, a.right) for a in result.answers] == [(InboundStage.BANNER, 554, False)]


def test_a_session_that_is_closed_is_wrong():
    (result,) = ask(Server(MAIL=None))
    assert (result.answers[-1].stage, result.answers[-1].right) == (InboundStage.MAIL, False)
    assert "closed" in result.answers[-1].text


def test_silence_costs_its_limit_and_is_wrong():
    (result,) = ask(Server(banner="220-and nothing more"), limit_s=1.0)
    assert (result.answers[-1].stage, result.answers[-1].text) == (InboundStage.BANNER, "no answer in time")


def test_nobody_listening_is_wrong():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    source = probe_peer.source(("127.0.0.1",), (4,), probe(port), "probe@world.test", 5)
    (result,) = read_facts(ShellHost(), (source,)).get(source)
    assert (result.answers[0].stage, result.answers[0].right) == (InboundStage.CONNECT, False)
    assert "refused" in result.answers[0].text


def test_all_source_ports_in_use_says_nothing_of_the_other_side():
    server = Server()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        only = InboundProbe((KNOWN,), port=server.port, source_ports=(port, port))
        source = probe_peer.source(("127.0.0.1",), (4,), only, "probe@world.test", 5)
        (result,) = read_facts(ShellHost(), (source,)).get(source)
    assert [(a.stage, a.right) for a in result.answers] == [(InboundStage.CONNECT, None)]


def session_of(target, before="", port=25):
    """One session by a shell that was prepared; no packet leaves the machine."""
    source = probe_peer.source((target,), (4,), probe(port), "probe@world.test", 5)
    (section,) = source.sections
    answer = ShellHost().read(before + section.script, timeout=10)
    return facts_of({section: answer.output}).get(source)[0]


def test_a_peer_without_a_way_says_nothing_of_the_other_side():
    """A connection to a multicast address ends in the kernel, as one without a route does."""
    (answer,) = session_of("224.0.0.1").answers
    assert (answer.stage, answer.right) == (InboundStage.CONNECT, None)
    assert answer.text == "no way from here: Network is unreachable"


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("connect EADDRNOTAVAIL", "no way from here: Cannot assign requested address"),
        ("socket EAFNOSUPPORT", "no socket: Address family not supported by protocol"),
        ("bind EADDRNOTAVAIL", "no free source port in 42000-42063"),
    ],
)
def test_what_fails_before_the_first_packet_says_nothing_of_the_other_side(failing, said):
    call, error = failing.split(" ")
    fake = f"use Errno; BEGIN {{ *CORE::GLOBAL::{call} = sub (*@) {{ $! = Errno::{error}(); 0 }} }} "
    before = f"perl() {{ code=$2; shift 2; command perl -e '{fake}'\"$code\" \"$@\"; }}\n"
    (answer,) = session_of("127.0.0.1", before).answers
    assert (answer.stage, answer.text, answer.right) == (InboundStage.CONNECT, said, None)


def test_a_peer_that_cannot_look_up_its_own_name_greets_with_the_short_one(tmp_path):
    fake = tmp_path / "hostname"
    fake.write_text("#!/bin/sh\n[ $# -eq 0 ] || { echo 'hostname: not known' >&2; exit 1; }\necho mx9\n")
    fake.chmod(0o755)
    server = Server()
    server.start()
    session_of("127.0.0.1", f"PATH={tmp_path}:$PATH\n", server.port)
    assert server.heard[0] == "EHLO mx9"


@pytest.mark.parametrize(
    "text",
    ["", "said 127.0.0.1 4", "bash: perl: command not found\n", "said mx.lab.test 4 - rcpt a@b.test\nend\n",
     "noted mx.lab.test 4 - rcpt a@b.test 250 OK\nend\n"],
)  # fmt: skip
def test_an_account_that_is_cut_short_is_unknown(text):
    source = probe_peer.source(("mx.lab.test",), (4,), probe(25), "probe@world.test", 5)
    with pytest.raises(FactUnknownError):
        facts_of({source.sections[0]: text}).get(source)


@pytest.mark.parametrize(("target", "sender"), [("mx; reboot", "a@b.test"), ("mx.lab.test", "a b@c.test")])
def test_nothing_unfit_reaches_a_command(target, sender):
    with pytest.raises(ParseError):
        probe_peer.source((target,), (4,), probe(25), sender, 5)


def test_the_section_has_its_own_limit():
    source = probe_peer.source(("mx.lab.test",), (4,), probe(25), "probe@world.test", 5)
    assert source.sections[0].timeout_s == 15
