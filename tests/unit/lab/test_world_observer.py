"""The observer on the wire: frames built by hand, the kernel's filter, and the pairing of question and answer."""

import ipaddress
import json
import socket
import struct
from pathlib import Path

import pytest

from lab.world import observer
from lab.world.frames import ACK, FIN, RST, SYN, Segment, handshake_filter, parse
from lab.world.wire import Question, Tracker, select

MX4, MX6, WORLD4, WORLD6, INSIDE = "192.0.2.11", "2001:db8:77::11", "198.51.100.100", "2001:db8:51::100", "192.0.2.51"


def frame(
    source: str, target: str, ports: tuple[int, int], flags: int, seq: int = 7, ack: int = 0, **more: int
) -> bytes:
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(target)
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 1000, 0, 0)
    if one.version == 4:
        options = b"\x01" * more.get("options", 0)
        first = 0x40 | (5 + len(options) // 4)
        start = struct.pack("!BBHHHBBH", first, 0, 40, 1, more.get("fragment", 0), 64, more.get("protocol", 6), 0)
        return b"\0" * 12 + b"\x08\x00" + start + one.packed + other.packed + options + tcp
    start = struct.pack("!IHBB", 6 << 28, 20, more.get("protocol", 6), 64)
    return b"\0" * 12 + b"\x86\xdd" + start + one.packed + other.packed + tcp


@pytest.mark.parametrize(("client", "mx"), [(WORLD4, MX4), (WORLD6, MX6)])
def test_a_frame_is_taken_apart(client: str, mx: str) -> None:
    segment = parse(frame(client, mx, (40000, 25), SYN, 4_000_000_000))
    assert segment == Segment(client, 40000, mx, 25, 4_000_000_000, 0, SYN)
    assert segment.opens


def test_ip_options_are_stepped_over() -> None:
    segment = parse(frame(WORLD4, MX4, (40000, 25), SYN, options=8))
    assert segment is not None
    assert segment.target_port == 25


NOT_OURS = [
    frame(WORLD4, MX4, (40000, 25), SYN, protocol=17),
    frame(WORLD6, MX6, (40000, 25), SYN, protocol=17),
    frame(WORLD4, MX4, (40000, 25), SYN, fragment=5),
    b"\0" * 12 + b"\x08\x06" + b"\0" * 46,
]


@pytest.mark.parametrize("raw", [*NOT_OURS, b"", b"\0" * 13, frame(WORLD4, MX4, (1, 25), SYN)[:40]])
def test_other_frames_are_passed_over(raw: bytes) -> None:
    assert parse(raw) is None


def passes(raw: bytes) -> bool:
    """Ask the kernel: a filter works on any socket, and a pair of datagram sockets needs no rights."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        observer.attach_filter(other, handshake_filter((25, 465, 587)))
        one.send(raw)
        other.setblocking(False)
        try:
            other.recv(4096)
        except BlockingIOError:
            return False
        return True


@pytest.mark.parametrize(("client", "mx"), [(WORLD4, MX4), (WORLD6, MX6)])
def test_the_kernel_filter_lets_handshakes_through_and_nothing_else(client: str, mx: str) -> None:
    for port in (25, 465, 587):
        assert passes(frame(client, mx, (40000, port), SYN))
        assert passes(frame(mx, client, (port, 40000), SYN | ACK))
        assert passes(frame(mx, client, (port, 40000), RST | ACK))
        assert not passes(frame(mx, client, (port, 40000), ACK))
        assert not passes(frame(client, mx, (40000, port), FIN | ACK))
    assert not passes(frame(client, mx, (40000, 22), SYN))
    assert not any(passes(raw) for raw in NOT_OURS)


def test_the_kernel_filter_steps_over_ip_options() -> None:
    assert passes(frame(WORLD4, MX4, (40000, 25), SYN, options=8))


def syn(seq: int = 7, client: str = WORLD4, mx: str = MX4, port: int = 25) -> Segment:
    return Segment(client, 40000, mx, port, seq, 0, SYN)


def answer(flags: int, seq: int = 7, client: str = WORLD4, mx: str = MX4) -> Segment:
    return Segment(mx, 25, client, 40000, 99, (seq + 1) & 0xFFFFFFFF, flags)


def tracker() -> Tracker:
    return Tracker([MX4, MX6], [25], answer_limit=10.0)


def test_accepted_and_refused_once_however_often_the_frames_are_seen() -> None:
    for flags, outcome in ((SYN | ACK, "accepted"), (RST | ACK, "refused"), (RST, "refused")):
        it = tracker()
        lines = [
            line for when, one in enumerate((syn(), syn(), answer(flags), answer(flags))) for line in it.see(one, when)
        ]
        (line,) = lines
        assert (line["outcome"], line["client"], line["mx"], line["family"]) == (outcome, WORLD4, MX4, "v4")
        assert (line["ms"], line["syns"], line["public"]) == (2000.0, 2, True)
        assert it.see(syn(), 5) == it.see(answer(RST), 6) == it.finish(7) == []


def test_sequence_numbers_wrap_and_other_answers_are_not_ours() -> None:
    it = tracker()
    it.see(syn(0xFFFFFFFF), 0)
    assert it.see(answer(SYN | ACK, 55), 1) == []
    assert it.see(answer(ACK, 0xFFFFFFFF), 1) == []
    assert [line["outcome"] for line in it.see(answer(SYN | ACK, 0xFFFFFFFF), 1)] == ["accepted"]


def test_unanswered_only_after_the_last_knock() -> None:
    it = tracker()
    it.see(syn(), 0)
    it.see(syn(), 8)
    assert it.expire(15) == []
    (line,) = it.expire(18.5)
    assert (line["outcome"], line["syns"]) == ("unanswered", 2)
    assert it.expire(19) == it.see(syn(), 20) == []


def test_a_port_used_again_is_another_attempt() -> None:
    it = tracker()
    it.see(syn(1), 0)
    assert [line["outcome"] for line in it.see(syn(2), 1)] == ["unanswered"]
    assert [line["outcome"] for line in it.see(answer(SYN | ACK, 2), 2)] == ["accepted"]
    assert it.see(syn(3), 3) == []
    assert [line["outcome"] for line in it.finish(4)] == ["open"]


def test_other_ports_and_addresses_are_not_watched() -> None:
    it = tracker()
    assert it.see(syn(port=22), 0) == it.see(syn(mx="192.0.2.99"), 0) == it.finish(1) == []


def test_questions_to_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    it = tracker()
    lines = []
    for when, client, flags in ((1, WORLD4, RST), (2, INSIDE, SYN | ACK), (3, WORLD4, SYN | ACK)):
        it.see(syn(when, client), when)
        lines += it.see(answer(flags, when, client), when + 0.1)
    assert len(list(select(lines, Question(public_only=True)))) == 2
    assert len(list(select(lines, Question(outcome="accepted", public_only=True)))) == 1
    assert len(list(select(lines, Question(start=lines[1]["time"], end=lines[2]["time"])))) == 1
    assert list(select(lines, Question(mx=(MX6,)))) == []
    (tmp_path / "wire.jsonl").write_text('{"event":"start"}\n' + "".join(json.dumps(line) + "\n" for line in lines))
    command = ["query", "--state", str(tmp_path), "--mx", MX4, "--from", "1970-01-01T00:00:00Z", "--public-only"]
    assert observer.main([*command, "--to", "1970-01-01T00:00:02Z", "--json"]) == 0
    (shown,) = capsys.readouterr().out.splitlines()
    assert json.loads(shown)["outcome"] == "refused"
    assert observer.main(command) == 0
    assert capsys.readouterr().out.count("192.0.2.11") == 2
