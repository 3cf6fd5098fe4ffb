"""Which clients of an MX that is out of service block, and which have moved."""

from mxlib.drain.client_judge import ACCEPT, blocking, summary, within
from tests.unit.support.mail_clients import INTERNAL, watch


def test_nobody():
    assert summary(watch()) == "no client has connected since the ports were closed"


def test_an_internal_client_that_is_seen_nowhere_else_blocks():
    found = watch(refused={"192.0.2.51": 3, "198.51.100.7": 9})
    (stuck,) = blocking(found, ())
    assert str(stuck) == "client1001.lab.test (192.0.2.51): 3 refused connections"
    assert summary(found) == (
        "2 clients have connected since the ports were closed, 1 internal: "
        "client1001.lab.test (192.0.2.51): 3 refused connections; 1 other"
    )
    assert blocking(found, [ACCEPT]) == ()
    assert blocking(found, ["client-192.0.2.51"]) == ()
    assert blocking(found, ["client-192.0.2.52"]) == (stuck,)


def test_one_that_hands_its_mail_to_another_mx_has_moved():
    found = watch(refused={"192.0.2.51": 3}, elsewhere={"192.0.2.51": 2})
    assert blocking(found, ()) == ()
    assert "2 handed to another MX" in summary(found)


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
    since = "1 client has connected since the ports were closed"
    assert summary(found) == f"{since}, none internal: 198.51.100.7: 100 refused connections"


def test_networks():
    assert within("2001:db8:77::51", INTERNAL)
    assert not within("198.51.100.7", INTERNAL)
    assert not within("198.51.100.7", ())
