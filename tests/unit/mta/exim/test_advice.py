"""What in Exim's configuration ends BDAT (CHUNKING) errors, from lines that real Exims wrote.

Incoming: Exim 4.94.2 of Debian 11, to a sender whose first message of the session was rejected, and which pipelines the
next one. Outgoing: Exim 4.96, to servers that offer CHUNKING and refuse BDAT. Both settings were tried there: with them
the same messages went by DATA.
"""

import dataclasses

import pytest

from mxlib.mta.event import Cause, EventKind, RecentLog
from mxlib.mta.exim.advice import advice, settings
from mxlib.mta.exim.logline import parse_lines
from tests.unit.support.facts import fixture


def log_of(*names: str) -> RecentLog:
    events = parse_lines([line for name in names for line in fixture(f"exim/bdat-{name}.txt").splitlines()])
    return RecentLog(0, 0, 0, len(events), events)


def test_what_this_exim_refuses_is_counted_by_the_senders_domain() -> None:
    found = log_of("incoming")
    assert found.refused_chunks == {"provider.test": 2}
    assert found.causes() == {}
    assert [event.kind for event in found.events].count(EventKind.REJECTED) == 4


def test_a_sender_without_a_name_is_counted_by_its_address() -> None:
    text = fixture("exim/bdat-incoming.txt").replace("H=(mail.provider.test) ", "H=")
    events = parse_lines(text.replace("H=[", "H=([192.0.2.9]) [").splitlines())
    assert RecentLog(0, 0, 0, 0, events).refused_chunks.total() == 2
    unnamed = tuple(dataclasses.replace(event, host="") for event in events)
    assert RecentLog(0, 0, 0, 0, unnamed).refused_chunks == {"127.0.0.1": 2}


def test_what_a_destination_refuses_of_bdat_is_a_cause_of_its_own() -> None:
    causes = log_of("outgoing").causes()
    assert causes["a.test"] == {Cause.CHUNKING: 3}
    assert causes["b.test"] == {Cause.CHUNKING: 1}
    assert causes["c.test"] == {Cause.REMOTE_4XX: 1}
    assert causes["d.test"] == {Cause.CLOSED: 1}
    assert causes["e.test"] == {Cause.REMOTE_5XX: 1}
    assert log_of("outgoing").hosts(Cause.CHUNKING) == ("mx.a.test", "mx.b.test")


def test_the_setting_for_what_comes_in() -> None:
    (said,) = advice(log_of("incoming"), "4.94.2")
    assert "Exim 4.94.2 forgets after a rejected message" in said
    assert "mended in 4.96" in said
    assert "`chunking_advertise_hosts =`" in said
    assert "Not a matter of the kernel" in said


@pytest.mark.parametrize("version", ["4.96", "4.98.2", "5.0"])
def test_a_version_without_the_known_fault_is_not_blamed_for_it(version: str) -> None:
    (said,) = advice(log_of("incoming"), version)
    assert said.startswith(f"Exim {version} answers BDAT with 503. ")
    assert "`chunking_advertise_hosts =`" in said


def test_the_setting_for_what_goes_out() -> None:
    (said,) = advice(log_of("outgoing"), "4.96")
    assert "`hosts_try_chunking = ! mx.a.test : ! mx.b.test : *`" in said
    assert "chunking_advertise_hosts" not in said


def test_an_address_with_colons_is_no_list() -> None:
    found = log_of("outgoing")
    nameless = tuple(dataclasses.replace(event, host="", ip="2001:db8::3") for event in found.events)
    (said,) = advice(dataclasses.replace(found, events=nameless), "4.96")
    assert "`hosts_try_chunking = <; ! 2001:db8::3 ; *`" in said


def test_both_at_once_and_nothing_at_all() -> None:
    both = ("chunking_advertise_hosts =", "hosts_try_chunking = ! mx.a.test : ! mx.b.test : *")
    assert settings(log_of("incoming", "outgoing")) == both
    assert settings(log_of("outgoing")) == both[1:]
    assert settings(RecentLog(0, 0, 0, 0, ())) == ()
    assert len(advice(log_of("incoming", "outgoing"), "4.94.2")) == 2
    assert advice(RecentLog(0, 0, 0, 0, ()), "4.94.2") == ()
