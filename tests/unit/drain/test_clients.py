"""Which clients still connect to an MX that is out of service, and which block."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mxlib.base.errors import HostError, StepError
from mxlib.drain import clients as steps
from mxlib.drain.client_judge import ACCEPT
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.mail_clients import watch


@pytest.fixture
def settle(monkeypatch):
    """``settled`` with what each look finds in turn; the last one stays so."""

    def run(*looks, accept=(), record_accepted=()):
        found, clock = list(looks), FakeClock()
        monkeypatch.setattr(steps, "look", lambda world, since, facts: found.pop(0) if len(found) > 1 else found[0])
        monkeypatch.setattr(steps, "read_facts", lambda host, sources: None)
        monkeypatch.setattr(steps, "sources", lambda world, since: ())
        options = SimpleNamespace(accept=frozenset(accept))
        world = SimpleNamespace(clock=clock, operator=Tell(), options=options, target=None)
        record = SimpleNamespace(accepted=tuple(record_accepted))
        return steps.ClientWatch(world, record, datetime.now(UTC)).settled(), clock.seconds

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


class Glances:
    """A drain that calls the watch every three seconds; each look finds what it is given for that time."""

    def __init__(self, monkeypatch, found, *, accept=()):
        self.clock, self.found, self.looks = FakeClock(), found, []
        monkeypatch.setattr(steps, "look", lambda world, since, facts: facts)
        monkeypatch.setattr(steps, "read_facts", self.read)
        monkeypatch.setattr(steps, "sources", lambda world, since: ("who comes",))
        options = SimpleNamespace(accept=frozenset(accept))
        self.world = SimpleNamespace(clock=self.clock, operator=Tell(), options=options, target="host")
        self.watch = steps.ClientWatch(self.world, SimpleNamespace(accepted=()), datetime.now(UTC))

    def read(self, host, sources):
        assert (host, sources[0]) == ("host", "who comes")
        self.looks.append(self.clock.seconds)
        found = self.found(self.clock.seconds)
        if isinstance(found, Exception):
            raise found
        return found

    def drain(self, seconds):
        while self.clock.seconds < seconds:
            self.watch.glance()
            self.clock.sleep(3.0)


def test_a_stuck_client_ends_a_long_drain_after_its_minute(monkeypatch):
    drain = Glances(monkeypatch, lambda seconds: STUCK if seconds >= 100 else ())
    with pytest.raises(StepError, match=r"client1001\.lab\.test"):
        drain.drain(1800)
    assert 160 <= drain.clock.seconds < 190
    assert len(drain.looks) == 9, "each reads the log, so it is not at every call"


def test_a_client_that_moves_meanwhile_gets_another_minute(monkeypatch):
    drain = Glances(monkeypatch, lambda seconds: MOVED if 40 <= seconds < 60 else STUCK)
    with pytest.raises(StepError):
        drain.drain(1800)
    assert drain.clock.seconds > 120


def test_the_minute_of_the_drain_counts_afterwards(monkeypatch):
    drain = Glances(monkeypatch, lambda seconds: STUCK)
    drain.drain(45)
    with pytest.raises(StepError):
        drain.watch.settled()
    assert drain.clock.seconds < 70


def test_a_glance_that_fails_proves_nothing(monkeypatch):
    drain = Glances(monkeypatch, lambda seconds: HostError("no answer") if seconds < 60 else ())
    drain.drain(100)
    assert drain.watch.settled().note == "no client has connected since the ports were closed"


def test_an_accepted_client_ends_no_drain(monkeypatch):
    Glances(monkeypatch, lambda seconds: STUCK, accept=[ACCEPT]).drain(600)


@pytest.mark.parametrize(("age", "reads"), [(1.0, 0), (1.1, 1)])
def test_what_was_read_with_the_queue_is_a_look_of_now_and_not_for_long(monkeypatch, age, reads):
    drain, kept = Glances(monkeypatch, lambda seconds: ()), []
    assert drain.watch.sources(("standing",)) == ("who comes", "standing")
    drain.watch.take(MOVED)
    drain.clock.sleep(age)
    done = drain.watch.settled(("standing",), kept.append)
    assert (len(drain.looks), kept) == (reads, [()] if reads else [MOVED])
    assert done.evidence["clients"] == ([] if reads else [str(MOVED[0])])
    drain.watch.settled()
    assert len(drain.looks) == reads + 1, "a look serves once"
