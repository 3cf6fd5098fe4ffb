"""The observer on the wire: frames built by hand, the kernel's filter, and the pairing of question and answer."""

import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lab.world import jsonl, observer
from lab.world.frames import ACK, FIN, RST, SYN, Segment, handshake_filter, parse
from lab.world.wire import Question, Tracker, doubts, select

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
    watched = [event(0, "start"), event(4, until=4), event(time.time(), until=time.time())]
    (tmp_path / "wire.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (*watched, *lines)))
    command = ["query", "--state", str(tmp_path), "--mx", MX4, "--from", "1970-01-01T00:00:00Z", "--public-only"]
    assert observer.main([*command, "--to", "1970-01-01T00:00:02Z", "--json"]) == 0
    (shown,) = capsys.readouterr().out.splitlines()
    assert json.loads(shown)["outcome"] == "refused"
    assert observer.main(command) == 0
    assert capsys.readouterr().out.count("192.0.2.11") == 2
    with (tmp_path / "wire.jsonl").open("a") as record:
        record.write(json.dumps(event(time.time(), until=time.time(), frames_lost=3)) + "\n")
    assert observer.main(command) == 1
    said = capsys.readouterr()
    assert said.out.count("192.0.2.11") == 2
    assert "UNKNOWN what crossed the wire: 3 frames were lost" in said.err
    assert observer.main([*command, "--to", "1970-01-01T00:00:02Z"]) == 0, "they were lost later"


def event(at: float, name: str = "watched", **more: float) -> jsonl.Line:
    if "until" in more:
        more |= {"until": jsonl.iso(more["until"])}  # type: ignore[dict-item]
    return {"event": name, "time": jsonl.iso(at), **more}


AGAIN = [event(20, "start"), event(25, until=25)]
WHOLE = [event(0, "start"), event(5, until=5, frames_lost=0), event(10, until=9, frames_lost=0)]


@pytest.mark.parametrize(
    ("more", "span", "wrong"),
    [
        ([], (1, 9), []),
        ([], (1, 9.5), ["after 1970-01-01T00:00:09"]),
        ([event(12, until=11, frames_lost=7)], (1, 9), []),
        ([event(12, until=11, frames_lost=7)], (1, 11), ["7 frames were lost"]),
        ([event(12, until=11, frames_lost=7), event(13, until=13, frames_lost=2)], (11.5, 13), ["9 frames were lost"]),
        ([event(12, until=11, frames_lost=7), event(13, until=13, frames_lost=0)], (12.5, 13), []),
        ([event(11, "stop", frames_lost=0), *AGAIN], (1, 9), []),
        ([event(11, "stop", frames_lost=0), *AGAIN], (1, 25), ["until 1970-01-01T00:00:20"]),
        ([event(11, "stop", frames_lost=4), *AGAIN], (15, 25), ["until 1970-01-01T00:00:20"]),
        ([event(11, "stop", frames_lost=4), *AGAIN], (21, 25), []),
        ([event(11, "stop", frames_lost=4), *AGAIN], (1, 25), ["nobody", "4 frames"]),
    ],
)
def test_what_was_not_seen_of_a_span_is_said(
    more: list[jsonl.Line], span: tuple[float, float], wrong: list[str]
) -> None:
    found = doubts([*WHOLE, *more], jsonl.iso(span[0]), jsonl.iso(span[1]))
    assert len(found) == len(wrong)
    assert all(words in said for words, said in zip(wrong, found, strict=True))


def test_a_record_that_begins_late_or_never_is_in_doubt() -> None:
    late = [event(3, "start"), event(9, until=9)]
    (said,) = doubts(late, jsonl.iso(1), jsonl.iso(9))
    assert said.startswith("nobody watched the wire until 1970-01-01T00:00:03")
    assert doubts(late, "", jsonl.iso(9)) == doubts(late, jsonl.iso(1), jsonl.iso(9), cut=True) == []
    assert len(doubts([], jsonl.iso(1), jsonl.iso(9))) == 1


def tap(script: str) -> str:
    """Run a script with a tap on the loopback of a network of its own."""
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("a packet socket needs root, `unshare` and `ip`")
    text = f"""
import socket, subprocess, sys, threading, time
from lab.world import observer
from lab.world.wire import Tracker
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
def knock(count):
    for _ in range(count):
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", 25))
{textwrap.dedent(script)}"""
    words = ["unshare", "--net", sys.executable, "-c", text]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_kernel_gives_the_tap_all_the_room_it_asks_for_and_what_finds_none_is_counted_once() -> None:
    said = tap("""
        sock = observer.open_tap("lo", (25,))
        print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) - 2 * observer.RECEIVE_BUFFER)
        knock(300)
        print(observer._frames_lost(sock))
        observer.RECEIVE_BUFFER = 0
        small = observer.open_tap("lo", (25,))
        knock(300)
        print(observer._frames_lost(small) > 0, observer._frames_lost(small))
        """)
    assert said.split() == ["0", "0", "True", "0"]


def test_the_observer_notes_until_when_it_has_seen_everything_and_what_it_lost() -> None:
    said = tap("""
        observer._NOTE_S = 0.0
        observer._frames_lost = lambda sock: 7
        stop, stopper = socket.socketpair()
        began, lines = time.time(), []
        tracker = Tracker(["127.0.0.1"], [25])
        arguments = observer.open_tap("lo", (25,)), tracker, lines.append, stop
        watcher = threading.Thread(target=observer.watch, args=arguments)
        watcher.start()
        knock(1)
        while not [one for one in lines if one.get("event") and one["until"] > observer.jsonl.iso(began + 1)]:
            time.sleep(0.05)
        stopper.send(b"x")
        watcher.join()
        watched = [one for one in lines if one.get("event") == "watched"]
        print([one["outcome"] for one in lines if "outcome" in one])
        print({one["frames_lost"] for one in watched}, all(one["until"] <= one["time"] for one in watched))
        """)
    assert said == "['refused']\n{7} True\n"
