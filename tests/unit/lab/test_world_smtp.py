"""The mail servers of the outside world and its senders, over real sockets on loopback."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.world import behaviour, bulk, inbox, jsonl, ledger, replies
from lab.world.courier import Courier, Patience, retry_delay
from lab.world.message import Message, make
from lab.world.observer import attach_filter
from lab.world.places import PLACES, Endpoint, Place
from lab.world.routes import NextHop, Router
from lab.world.sinks import Sinks
from lab.world.submit import Attempt, Manner, attempt

REPO = Path(__file__).parents[3]


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def within(seconds: float) -> Callable[[], float]:
    end = time.monotonic() + seconds
    return lambda: end


def free_port(family: socket.AddressFamily, address: str) -> int:
    with socket.socket(family) as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


class World:
    """A provider with an address in each family, and tickets in one, in a thread of their own."""

    def __init__(self, state: Path, tls: ssl.SSLContext | None = None) -> None:
        self.state = state
        self.v4 = free_port(socket.AF_INET, "127.0.0.1")
        self.v6 = free_port(socket.AF_INET6, "::1")
        doors = (Endpoint("v4", "127.0.0.1", self.v4), Endpoint("v6", "::1", self.v6))
        self._places: dict[str, Place] = {"provider": replace(PLACES["provider"], endpoints=doors)}
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(5)
        until(lambda: self.listens(self.v4) and self.listens(self.v6, "::1"))

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await Sinks(self._places, self.state, self._tls).serve(self._stop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()

    def listens(self, port: int, address: str = "127.0.0.1") -> bool:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            return False
        return True

    def behave(self, **value: object) -> None:
        behaviour.change(self.state / behaviour.FILE_NAME, "provider", value)

    def mend(self) -> None:
        behaviour.change(self.state / behaviour.FILE_NAME, "provider", None)

    def arrivals(self) -> list[jsonl.Line]:
        return [line for line in self.lines() if line["event"] == "arrival"]

    def lines(self) -> list[jsonl.Line]:
        return list(jsonl.read(self.state / inbox.FILE_NAME))

    def target(self, family: str = "v4") -> NextHop:
        return NextHop("mx", "127.0.0.1", self.v4) if family == "v4" else NextHop("mx", "::1", self.v6)

    def try_once(self, message: Message, family: str = "v4", **manner: object) -> Attempt:
        how = replace(Manner(connect_timeout=5.0, command_timeout=10.0), **manner)  # type: ignore[arg-type]
        return attempt(how, self.target(family), message.sender, message.recipients, message.payload)

    def raw(self) -> socket.socket:
        """Return a connection that is past RCPT and DATA."""
        sock = socket.create_connection(("127.0.0.1", self.v4), 2)
        sock.sendall(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@provider.test>\r\nDATA\r\n")
        answers = b""
        while b"\n354 " not in answers:
            answers += sock.recv(4096)
        return sock


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with contextlib.closing(World(tmp_path)) as it:
        yield it


def mail(size: int = 500, to: str = "user1@provider.test", sender: str = "sender@world.test") -> Message:
    return make(sender, tuple(to.split(",")), size)


@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("size", [0, 2, 79, 3000, 300_000])
def test_what_is_sent_arrives_as_it_was(world: World, family: str, size: int) -> None:
    message = mail(size)
    result = world.try_once(message, family)
    assert (result.outcome, result.stage, result.taken) == ("ok", "dot", message.recipients)
    (line,) = world.arrivals()
    assert (line["lab_id"], line["family"], line["acked"]) == (message.lab_id, family, True)
    assert (line["body_size"], line["body_sha256"]) == (size, message.body_sha256)
    assert (line["recipients"], line["sender"]) == (["user1@provider.test"], "sender@world.test")
    assert line["message_id"] == f"<{message.lab_id}@sender.world.test>"
    assert line["subject"] == "Minutes of our meeting"


def test_dots_at_the_start_of_lines_survive(world: World) -> None:
    sock = world.raw()
    sock.sendall(b"Subject: x\r\n\r\n..a\r\n...\r\nend.\r\n.\r\nQUIT\r\n")
    assert sock.recv(4096).startswith(b"250 ")
    sock.close()
    body = b".a\r\n..\r\nend.\r\n"
    assert world.arrivals()[0]["body_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("value", "stage", "outcome"),
    [
        ({"mode": "tempfail"}, "rcpt", "tempfail"),
        ({"mode": "tempfail", "stage": "connect"}, "greeting", "tempfail"),
        ({"mode": "tempfail", "stage": "mail"}, "mail", "tempfail"),
        ({"mode": "tempfail", "stage": "data"}, "dot", "tempfail"),
        ({"mode": "reject"}, "rcpt", "reject"),
        ({"mode": "reject", "stage": "connect"}, "greeting", "reject"),
        ({"mode": "reject", "stage": "data"}, "dot", "reject"),
        ({"mode": "stall"}, "dot", "timeout"),
        ({"mode": "stall", "stage": "connect"}, "greeting", "timeout"),
        ({"mode": "stall", "stage": "rcpt"}, "mail", "timeout"),
    ],
)
def test_misbehaviour_and_its_mending(world: World, value: dict[str, object], stage: str, outcome: str) -> None:
    world.behave(**value)
    message = mail()
    result = world.try_once(message, command_timeout=0.3 if outcome == "timeout" else 10.0)
    assert (result.stage, result.outcome) == (stage, outcome)
    assert result.rejected == (message.recipients if outcome == "reject" else ())
    assert result.ambiguous == (value == {"mode": "stall"})
    assert world.arrivals() == []
    world.mend()
    assert world.try_once(message).outcome == "ok"


def test_behaviour_of_one_family_and_above_a_size(world: World) -> None:
    world.behave(mode="stall", family="v6", above_bytes=100_000)
    assert world.try_once(mail(90_000), "v6").outcome == "ok"
    assert world.try_once(mail(100_000), "v6").outcome == "ok"
    assert world.try_once(mail(100_001), "v4").outcome == "ok"
    assert world.try_once(mail(100_001), "v6", command_timeout=0.5).outcome == "timeout"


def test_one_recipient_is_deferred_and_no_other(world: World) -> None:
    message = mail()
    world.behave(mode="tempfail", recipient=message.recipients[0])
    result = world.try_once(message)
    assert (result.stage, result.outcome) == ("rcpt", "tempfail")
    world.behave(mode="tempfail", recipient=f"x{message.recipients[0]}")
    assert world.try_once(message).outcome == "ok"


def test_a_slow_server_takes_each_message_late_and_whole(world: World) -> None:
    world.behave(mode="slow", delay_ms=300)
    begin = time.monotonic()
    assert world.try_once(mail()).outcome == "ok"
    assert time.monotonic() - begin >= 0.3
    assert len(world.arrivals()) == 1
    world.behave(mode="slow", delay_ms=5000)
    assert world.try_once(mail(), command_timeout=0.3).outcome == "timeout"


def test_refused_until_mended(world: World) -> None:
    held = socket.create_connection(("127.0.0.1", world.v4), 2)
    assert held.recv(100).startswith(b"220 ")
    world.behave(mode="refuse", family="v4")
    until(lambda: not world.listens(world.v4))
    assert world.try_once(mail()).outcome == "refused"
    assert world.try_once(mail(), "v6").outcome == "ok"
    with contextlib.suppress(ConnectionResetError):
        assert held.recv(100) == b""
    world.mend()
    until(lambda: world.listens(world.v4))
    assert world.try_once(mail()).outcome == "ok"


def test_dropped_before_the_250_but_kept(world: World) -> None:
    world.behave(mode="drop")
    before = jsonl.now()
    result = world.try_once(mail())
    assert (result.stage, result.outcome, result.ambiguous) == ("dot", "lost", True)
    (line,) = world.arrivals()
    assert line["acked"] is False
    assert before < line["begun"] < line["time"]


def test_a_server_that_offers_chunking_by_mistake(world: World) -> None:
    """As a destination of Exim: BDAT is answered with 503, and so is what follows until a reset."""
    world.behave(mode="chunking", family="v4")
    with smtplib.SMTP("127.0.0.1", world.v4, "mx") as client:
        client.ehlo()
        assert client.has_extn("chunking")
        client.docmd("MAIL", "FROM:<a@b.test>")
        client.docmd("RCPT", "TO:<c@provider.test>")
        client.send(b"BDAT 9 LAST\r\n\r\nhello\r\n")
        assert client.getreply()[0] == 503
        assert client.docmd("NOOP")[0] == 503
        assert client.docmd("RSET")[0] == 250
        client.sendmail("a@b.test", ["c@provider.test"], b"Subject: x\r\n\r\nby DATA\r\n")
    assert len(world.arrivals()) == 1
    with smtplib.SMTP("::1", world.v6, "mx") as client:
        client.ehlo()
        assert not client.has_extn("chunking")


def bulk_words(world: World, *words: str) -> list[str]:
    here = ["--state", str(world.state), "--via", "127.0.0.1", "--port", str(world.v4)]
    return [*here, "--to", "user%d@provider.test", "--count", "3", "--tag", "b", *words]


@pytest.mark.parametrize("behind", ["", "no-such@elsewhere.test"])
def test_a_bulk_sender_without_chunking_uses_data(
    world: World, behind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bulk.main(bulk_words(world, "--behind", behind)) == 0
    assert json.loads(capsys.readouterr().out) == {"replies": {"250": 3}, "by": ["DATA"]}
    assert [line["recipients"] for line in world.arrivals()] == [[f"user{n}@provider.test"] for n in (1, 2, 3)]
    account = ledger.reconcile(list(jsonl.read(world.state / ledger.SENT_FILE)), world.lines(), tag="b")
    assert (account.sent, account.arrived_once, account.balanced) == (3, 3, True)


def test_a_bulk_sender_with_chunking_uses_bdat_and_reports_what_was_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.behave(mode="chunking")
    assert bulk.main(bulk_words(world)) == 1
    assert json.loads(capsys.readouterr().out) == {"replies": {"503 5.5.1 BDAT not expected here": 3}, "by": ["BDAT"]}
    assert world.arrivals() == []
    account = ledger.reconcile(list(jsonl.read(world.state / ledger.SENT_FILE)), world.lines(), tag="b")
    assert (len(account.refused), account.missing, account.balanced) == (3, [], True)


def test_relaying_is_refused(world: World) -> None:
    result = world.try_once(mail(to="user1@provider.test,other@elsewhere.test"))
    assert (result.taken, result.rejected) == (("user1@provider.test",), ("other@elsewhere.test",))
    assert result.outcome == "reject"


def test_quit_behind_the_final_dot_and_a_half_closed_connection(world: World) -> None:
    """As Exim ends a session: QUIT goes out with the dot, and its side is shut before the answers come."""
    sock = world.raw()
    sock.sendall(b"X-Lab-Id: half-closed\r\n\r\nbody\r\n.\r\nQUIT\r\n")
    sock.shutdown(socket.SHUT_WR)
    answers = b""
    while chunk := sock.recv(4096):
        answers += chunk
    assert [line[:4] for line in answers.splitlines()] == [b"250 ", b"221 "]
    assert [line["event"] for line in world.lines()] == ["arrival"]


def test_a_client_that_vanishes_before_the_250_reaches_it(world: World) -> None:
    sock = world.raw()
    sock.sendall(b"X-Lab-Id: vanished\r\n\r\nbody\r\n.\r\n")
    until(world.arrivals)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    until(lambda: len(world.lines()) == 2)
    first, second = world.lines()
    assert (second["event"], second["arrival"]) == ("reply-unseen", first["arrival"])


def test_a_kernel_that_throws_the_replies_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the incident: the client's host drops what comes back once the body is out; no 250 is acknowledged."""
    monkeypatch.setattr(replies, "UNSEEN_AFTER", 0.2)
    sock = world.raw()
    sock.sendall(b"X-Lab-Id: not-acked\r\n\r\nbody\r\n")
    try:
        attach_filter(sock, struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF: return 0, drop everything
    except PermissionError as error:
        if os.geteuid() == 0:
            raise
        pytest.skip(f"user id {os.geteuid()} may not attach a filter to a socket on this kernel: {error}")
    sock.sendall(b".\r\n")
    until(lambda: [line["event"] for line in world.lines()] == ["arrival", "reply-unseen"])
    sock.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER: the next retransmission gets through
    until(lambda: [line["event"] for line in world.lines()][2:] == ["reply-seen"])
    assert sock.recv(100).startswith(b"250 ")
    sock.sendall(b"QUIT\r\n")
    sock.close()


def test_a_bounce_is_tied_to_what_it_returns(world: World) -> None:
    message = mail()
    with smtplib.SMTP("127.0.0.1", world.v4, "mx") as client:
        client.sendmail("", ["sender@provider.test"], b"Subject: failed\r\n\r\n" + message.payload[:-3])
    (line,) = world.arrivals()
    assert (line["lab_id"], line["bounced"]) == ("", [message.lab_id])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_starttls(tmp_path: Path) -> None:
    pem = tmp_path / "pem"
    make_it = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=mx -days 2 -keyout {0} -out {0}.crt"
    subprocess.run(make_it.format(pem).split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pem}.crt", pem)
    with contextlib.closing(World(tmp_path, context)) as world:
        for size in (100, 300_000):
            assert world.try_once(mail(size)).outcome == "ok"
        assert world.try_once(mail(), starttls=False).outcome == "ok"
        assert [line["tls"] for line in world.arrivals()] == [True, True, False]
        assert [line["event"] for line in world.lines()] == ["arrival"] * 3


class Names:
    """A name server that knows lab.test."""

    def __init__(self, v4: list[str], v6: list[str]) -> None:
        self._v4, self._v6 = v4, v6

    def mx(self, domain: str) -> list[tuple[int, str]]:
        return [(10, "mx1")] if domain == "lab.test" else []

    def addresses(self, host: str, family: str) -> list[str]:
        return self._v4 if family == "v4" else self._v6


def courier_of(
    world: World, lines: list[dict[str, object]], router: Router, patience: Patience | None = None
) -> Courier:
    def try_once(target: NextHop, sender: str, to: tuple[str, ...], payload: bytes) -> Attempt:
        return attempt(Manner(connect_timeout=5.0, command_timeout=10.0), target, sender, to, payload)

    return Courier(router, try_once, lines.append, lambda _: None, time.monotonic, patience or Patience())


def test_a_sender_fails_over_and_the_ledger_balances(world: World) -> None:
    closed = free_port(socket.AF_INET, "127.0.0.1")
    router = Router(Names([], []), via=[f"127.0.0.1:{closed}", f"[::1]:{world.v6}"])
    lines: list[dict[str, object]] = []
    courier = courier_of(world, lines, router)
    for _ in range(50):
        courier.put(mail(to="user1@provider.test,user2@provider.test"))
    courier.drain(within(20))
    assert courier.counts == {"accepted": 50}
    assert [step["outcome"] for step in lines[0]["attempts"]] == ["refused", "ok"]  # type: ignore[attr-defined]
    account = ledger.reconcile(lines, world.lines())
    assert (account.sent, account.recipients, account.arrived_once) == (50, 100, 50)
    assert account.balanced


def test_a_dropped_250_is_sent_again_and_explained(world: World) -> None:
    world.behave(mode="drop", family="v6")
    router = Router(Names([], []), via=[f"[::1]:{world.v6}", f"127.0.0.1:{world.v4}"])
    lines: list[dict[str, object]] = []
    courier = courier_of(world, lines, router)
    courier.put(mail())
    courier.drain(within(10))
    account = ledger.reconcile(lines, world.lines())
    assert len(account.duplicates_explained) == 1
    assert account.balanced
    assert account.arrived_once == 0


def test_a_queue_outlasts_a_4xx_and_a_program_without_one_does_not(world: World) -> None:
    world.behave(mode="tempfail")
    router = Router(Names([], []), via=[f"127.0.0.1:{world.v4}"])
    patient: list[dict[str, object]] = []
    hasty: list[dict[str, object]] = []
    one, other = courier_of(world, patient, router), courier_of(world, hasty, router, Patience(retries=False))
    one.put(mail())
    other.put(mail())
    until(lambda: hasty)
    world.mend()
    one.drain(within(10))
    other.drain(within(10))
    assert [line["fate"] for line in patient + hasty] == ["accepted", "unsent"]


def test_what_is_left_at_the_end_is_written_down(world: World) -> None:
    world.behave(mode="tempfail")
    lines: list[dict[str, object]] = []
    courier = courier_of(world, lines, Router(Names([], []), via=[f"127.0.0.1:{world.v4}"]))
    courier.put(mail())
    until(lambda: courier.waiting() == 1)
    courier.drain(within(0.2))
    assert [(line["fate"], line["why"], line["accepted"]) for line in lines] == [("unsent", "sender stopped", False)]


def test_retries_slow_down_to_a_limit() -> None:
    assert [retry_delay(tries) for tries in (1, 2, 3, 4, 5, 50)] == [1, 2, 4, 8, 15, 15]


def test_a_stream_of_mail_ends_cleanly_on_sigterm(world: World) -> None:
    command = [sys.executable, "-m", "lab.world.sender", "send", "--state", str(world.state), "--rate", "50"]
    command += ["--to", "user%d@provider.test", "--via", f"127.0.0.1:{world.v4}", "--tag", "stream"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        until(lambda: len(world.arrivals()) > 10)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    summary = json.loads(out)
    assert summary["accepted"] == summary["messages"] == len(world.arrivals())
    assert ledger.main(["--state", str(world.state), "--tag", "stream"]) == 0
    assert ledger.main(["inbox", "--state", str(world.state), "--json"]) == 0
