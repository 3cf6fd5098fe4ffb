"""Which clients still connect to an MX that is out of service, and which block."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mxlib.base.errors import StepError
from mxlib.drain import clients as steps
from mxlib.drain.client_judge import ACCEPT
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.mail_clients import watch


@pytest.fixture
def settle(monkeypatch):
    """``settled`` with what each look finds in turn; the last one stays so."""

    def run(*looks, accept=(), record_accepted=()):
        found, clock = list(looks), FakeClock()
        monkeypatch.setattr(steps, "look", lambda world, since: found.pop(0) if len(found) > 1 else found[0])
        world = SimpleNamespace(clock=clock, operator=Tell(), options=SimpleNamespace(accept=frozenset(accept)))
        record = SimpleNamespace(accepted=tuple(record_accepted))
        return steps.settled(world, record, datetime.now(UTC)), clock.seconds

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
