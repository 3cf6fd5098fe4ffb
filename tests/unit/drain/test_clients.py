"""Who still comes to an MX that is out of service, and who blocks."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mxlib.base.errors import StepError
from mxlib.drain import clients as steps
from mxlib.drain.client_judge import ACCEPT, Seen, blocking, clients, told, within
from tests.unit.support.fakes import FakeClock, Tell

INTERNAL = ("192.0.2.0/24", "2001:db8:77::/64")
MXS = frozenset({"192.0.2.11"})
NAMES = {"192.0.2.51": "client1001.lab.test", "2001:db8:77::51": "client1001.lab.test"}


def seen(refused=None, live=None, arrivals=None, elsewhere=None):
    return Seen(refused or {}, live or {}, arrivals or {}, elsewhere or {}, NAMES)


def watch(**what):
    return clients(seen(**what), INTERNAL, MXS)


def test_nobody():
    assert told(watch()) == "no client has come since the ports are closed"


def test_an_internal_client_that_is_seen_nowhere_else_blocks():
    found = watch(refused={"192.0.2.51": 3, "198.51.100.7": 9})
    (stuck,) = blocking(found, ())
    assert str(stuck) == "client1001.lab.test (192.0.2.51): 3 refused connections"
    assert told(found) == (
        "2 clients still came, 1 internal: client1001.lab.test (192.0.2.51): 3 refused connections; 1 other"
    )
    assert blocking(found, [ACCEPT]) == ()
    assert blocking(found, ["client-192.0.2.51"]) == ()
    assert blocking(found, ["client-192.0.2.52"]) == (stuck,)


def test_one_that_hands_its_mail_to_another_mx_has_moved():
    found = watch(refused={"192.0.2.51": 3}, elsewhere={"192.0.2.51": 2})
    assert blocking(found, ()) == ()
    assert "2 handed to another MX" in told(found)


def test_moving_over_the_other_family_counts():
    found = watch(refused={"192.0.2.51": 3, "2001:db8:77::51": 3}, elsewhere={"2001:db8:77::51": 2})
    assert blocking(found, ()) == ()


def test_an_open_session_of_an_internal_client_counts():
    assert len(blocking(watch(live={"192.0.2.51": 1}, arrivals={"192.0.2.51": 4}), ())) == 1


def test_other_mxs_and_programs_on_the_host_are_no_clients():
    assert watch(refused={"192.0.2.11": 5}, arrivals={"127.0.0.1": 2, "::1": 1}) == ()


def test_outside_clients_never_block():
    found = watch(refused={"198.51.100.7": 100})
    assert blocking(found, ()) == ()
    assert told(found) == "1 client still came, none internal: 198.51.100.7: 100 refused connections"


def test_networks():
    assert within("2001:db8:77::51", INTERNAL)
    assert not within("198.51.100.7", INTERNAL)
    assert not within("198.51.100.7", ())


# --- before the MTA is stopped


@pytest.fixture
def settle(monkeypatch):
    """``settled`` with what each look finds in turn; the last one stays so."""

    def run(*looks, accept=(), record_accepted=()):
        found, clock = list(looks), FakeClock()
        monkeypatch.setattr(steps, "look", lambda context, since: found.pop(0) if len(found) > 1 else found[0])
        context = SimpleNamespace(clock=clock, operator=Tell(), options=SimpleNamespace(accept=frozenset(accept)))
        record = SimpleNamespace(accepted=tuple(record_accepted))
        return steps.settled(context, record, datetime.now(UTC)), clock.seconds

    return run


STUCK = watch(refused={"192.0.2.51": 3})
MOVED = watch(refused={"192.0.2.51": 3}, elsewhere={"192.0.2.51": 1})


def test_a_client_gets_a_minute_to_show_up_elsewhere(settle):
    done, seconds = settle(STUCK, STUCK, MOVED)
    assert (seconds, done.evidence["clients"]) == (20.0, [str(MOVED[0])])
    assert "1 handed to another MX" in done.note


def test_one_that_does_not_stops_the_run_with_the_way_on(settle):
    with pytest.raises(StepError, match=r"client1001\.lab\.test \(192\.0\.2\.51\).*--accept client-192\.0\.2\.51"):
        settle(STUCK)


def test_what_was_accepted_when_the_run_began_stays_accepted(settle):
    assert settle(STUCK, accept=[ACCEPT])[1] == 0
    assert settle(STUCK, record_accepted=["client-192.0.2.51"])[1] == 0
