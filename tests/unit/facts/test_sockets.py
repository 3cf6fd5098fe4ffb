"""Who listens, and whose connections are open."""

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import sockets
from tests.unit.support.facts import fact, fixture

LISTENING = "".join(
    f"{line.removeprefix('LISTEN')}\n" for line in fixture("host/ss-tanp.txt").splitlines() if line.startswith("LISTEN")
)


def test_sockets():
    facts = fact(sockets.SOURCE, LISTENING, "0 0 10.77.0.10:25 10.77.0.1:42250\n0 0 127.0.0.1:25 127.0.0.1:9\n")
    assert {family for socket in facts.listeners(25) for family in socket.families} == {4, 6}
    assert [client.peer for client in facts.clients((25, 587))] == ["10.77.0.1"]
    assert sockets.parse_ss('0 128 *:25 *:* users:(("x",pid=1,fd=3))\n')[0].families == {4, 6}
    assert sockets.parse_ss("0 0 [fe80::1]%ens5:22 [fe80::2]:40000\n")[0].local == "fe80::1"
    assert not sockets.parse_ss("0 128 [::1]:25 [::]:*\n")[0].public


def test_an_address_may_have_an_interface():
    (resolved, card) = sockets.parse_ss(
        '0 4096 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=560,fd=13))\n0 20 [fe80::1]%br-lan:25 [::]:*\n'
    )
    assert (resolved.local, resolved.port, resolved.public) == ("127.0.0.53", 53, False)
    assert (card.local, card.port) == ("fe80::1", 25)


def test_who_listens_is_unknown_where_a_line_has_another_form() -> None:
    assert fact(sockets.LISTENERS, LISTENING)
    with pytest.raises(ParseError, match="not a socket"):
        fact(sockets.LISTENERS, f"{LISTENING}ss: no such option\n")
