"""Routes, messages, places and behaviours of the outside world."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.world import behaviour
from lab.world.behaviour import Behaviour, BehaviourError, BehaviourFile, parse_behaviour
from lab.world.message import body_of, make
from lab.world.places import PLACES, WorldError, is_public, load_places
from lab.world.routes import NameServer, NextHop, NoRouteError, Router, split_port
from lab.world.sender import recipients

ZONE = {
    ("lab.test.", "MX"): ["50 mx2001.lab.test.", "10 mx1001.lab.test."],
    ("mx1001.lab.test.", "A"): ["192.0.2.11"],
    ("mx1001.lab.test.", "AAAA"): ["2001:db8:77::11"],
    ("mx2001.lab.test.", "A"): ["192.0.2.21"],
    ("plain.test.", "A"): ["192.0.2.99"],
}


def _answer(query: bytes) -> bytes:
    question = dns.message.from_wire(query)
    reply = dns.message.make_response(question)
    name, kind = str(question.question[0].name), dns.rdatatype.to_text(question.question[0].rdtype)
    if (name, kind) in ZONE:
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind]))
    elif not any(known == name for known, _ in ZONE):
        reply.set_rcode(3)
    return reply.to_wire()


@pytest.fixture
def names() -> Iterator[NameServer]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            query, client = sock.recvfrom(4096)
            if not query:
                return
            sock.sendto(_answer(query), client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield NameServer("127.0.0.1", sock.getsockname()[1])
    sock.sendto(b"", sock.getsockname())
    thread.join(5)
    sock.close()


def test_mx_hosts_in_order_of_preference_v6_first(names: NameServer) -> None:
    found = Router(names).targets("lab.test")
    assert [target.ip for target in found] == ["2001:db8:77::11", "192.0.2.11", "192.0.2.21"]
    assert [target.family for target in found] == ["v6", "v4", "v4"]
    assert [target.ip for target in Router(names, ("v4",)).targets("lab.test")] == ["192.0.2.11", "192.0.2.21"]


def test_a_domain_without_mx_is_its_own_host_and_one_without_anything_has_no_route(names: NameServer) -> None:
    assert Router(names).targets("plain.test") == [NextHop("plain.test", "192.0.2.99")]
    with pytest.raises(NoRouteError):
        Router(names).targets("nowhere.test")


def test_a_silent_name_server_is_no_route() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = NameServer("127.0.0.1", sock.getsockname()[1])
        server._resolver.lifetime = 0.1
        with pytest.raises(NoRouteError):
            Router(server).targets("lab.test")


def test_smarthosts_instead_of_the_mx_records(names: NameServer) -> None:
    via = ["mx2001.lab.test", "192.0.2.5:2525", "[2001:db8::1]:26", "2001:db8::2"]
    found = Router(names, via=via).targets("provider.test")
    shown = [(target.ip, target.port) for target in found]
    assert shown == [("192.0.2.21", 25), ("192.0.2.5", 2525), ("2001:db8::1", 26), ("2001:db8::2", 25)]


def test_equal_preferences_are_shuffled() -> None:
    class Equals:
        def mx(self, domain: str) -> list[tuple[int, str]]:
            return [(10, "a"), (5, "first"), (10, "b")]

        def addresses(self, host: str, family: str) -> list[str]:
            return ["192.0.2.1"] if family == "v4" else []

    found = Router(Equals(), shuffle=list.reverse).targets("x.test")
    assert [target.host for target in found] == ["first", "b", "a"]


def test_split_port() -> None:
    cases = ["mx", "mx:26", "192.0.2.1:26", "[::1]:26", "[::1]", "::1"]
    assert [split_port(case, 25)[1] for case in cases] == [25, 26, 26, 26, 25, 25]


@given(st.integers(0, 5000).filter(lambda size: size != 1))
def test_a_body_has_its_size_and_short_lines(size: int) -> None:
    body = body_of(size)
    assert len(body) == size
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert body == b"" or body.endswith(b"\r\n")


def test_a_message_is_dot_stuffed_and_unique() -> None:
    one, other = make("", ("a@b.test",), 50_000), make("", ("a@b.test",), 50_000)
    assert one.lab_id != other.lab_id
    assert one.payload.endswith(b"\r\n.\r\n")
    assert b"\r\n.\r\n" not in one.payload[:-5]


def test_recipients_in_turn_with_numbers() -> None:
    found = recipients(["user%d@lab.test", "a@x,b@x"])
    assert [next(found) for _ in range(3)] == [("user1@lab.test",), ("a@x", "b@x"), ("user3@lab.test",)]


def test_places_of_the_lab_and_others(tmp_path: Path) -> None:
    assert PLACES["provider"].takes("x@V6.Provider.test")
    assert not PLACES["provider"].takes("x@tickets.test")
    assert load_places(None) == PLACES
    bind = tmp_path / "bind.json"
    bind.write_text(json.dumps({"lists": {"v4": ["127.0.0.1", 2500], "v6": None}}))
    (place,) = load_places(bind).values()
    assert [(it.family, it.address, it.port) for it in place.endpoints] == [("v4", "127.0.0.1", 2500)]


@pytest.mark.parametrize(
    "text", ["{", '{"nowhere": {}}', '{"lists": {"v5": ["x", 1]}}', '{"lists": {"v4": ["x"]}}', "[]"]
)
def test_a_bad_bind_file_is_named(tmp_path: Path, text: str) -> None:
    bind = tmp_path / "bind.json"
    bind.write_text(text)
    with pytest.raises(WorldError, match=r"bind\.json"):
        load_places(bind)


def test_who_is_public() -> None:
    assert is_public("198.51.100.100")
    assert is_public("2001:db8:51::100")
    assert not is_public("192.0.2.51")
    assert not is_public("2001:db8:77::51")


def test_behaviour_by_stage_family_and_size() -> None:
    stall = parse_behaviour("provider", {"mode": "stall", "family": "v6", "above_bytes": 100})
    assert [stall.at("data", "v6", size) for size in (100, 101)] == ["accept", "stall"]
    assert stall.at("data", "v4", 101) == stall.at("rcpt", "v6") == "accept"
    late = parse_behaviour("lists", {"mode": "tempfail", "recipient": "late@lists.test"})
    addresses = ("Late@lists.test", "early@lists.test", "")
    assert [late.at("rcpt", "v4", recipient=one) for one in addresses] == ["tempfail", "accept", "accept"]
    assert Behaviour("refuse", "v4").refuses("v4")
    assert not Behaviour("refuse", "v4").refuses("v6")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"mode": "explode"}, "mode: 'explode': expected one of accept"),
        ({"mode": "stall", "family": "v5"}, "family: 'v5'"),
        ({"mode": "stall", "above_bytes": -1}, "above_bytes: -1"),
        ({"mode": "stall", "above_bytes": True}, "above_bytes: True"),
        ({"mode": "slow", "delay_ms": -1}, "delay_ms: -1"),
        ({"mode": "stall", "stage": "later"}, "stage: 'later'"),
        ({"mode": "tempfail", "recipient": "late"}, "recipient: 'late': expected an address in lower case"),
        ({"mode": "tempfail", "recipient": "Late@lists.test"}, "recipient: 'Late@lists.test'"),
        ({"mode": "tempfail", "recipient": None}, "recipient: None"),
        ({"mode": "stall", "recipient": "late@lists.test"}, "recipient: 'late@lists.test': expected stage rcpt"),
        ({"mode": "stall", "sise": 1}, "unknown key: sise"),
    ],
)
def test_a_wrong_behaviour_is_named(value: dict[str, object], says: str) -> None:
    with pytest.raises(BehaviourError, match=f"provider: {says}"):
        parse_behaviour("provider", value)


def test_the_behaviour_file_is_read_on_change_and_kept_when_broken(tmp_path: Path) -> None:
    path = tmp_path / behaviour.FILE_NAME
    said: list[str] = []
    file = BehaviourFile(path, said.append)
    assert file.of("provider").mode == "accept"
    behaviour.change(path, "provider", {"mode": "drop"})
    behaviour.change(path, "lists", {"mode": "reject"})
    assert (file.of("provider").mode, file.of("lists").mode, file.of("world").mode) == ("drop", "reject", "accept")
    path.write_text('{"provider": {"mode": "acc')
    assert file.of("provider").mode == file.of("provider").mode == "drop"
    assert sum("kept as it was" in line for line in said) == 1
    path.unlink()
    assert file.of("provider").mode == "accept"
    behaviour.change(path, "provider", {"mode": "drop"})
    behaviour.change(path, "provider", None)
    assert (file.of("provider").mode, json.loads(path.read_text())) == ("accept", {})
