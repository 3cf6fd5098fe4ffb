"""A roll in etcd: one at a time, and what its nights know of each other."""

import pytest

from mxlib.adapters.etcd_roll import ROLL, EtcdMemory, roll_slot
from mxlib.adapters.etcd_slot import Holder
from mxlib.base.errors import SlotError, SlotTakenError
from mxlib.model.outcome import Outcome
from mxlib.roll.state import Failure
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.fakes import FakeClock
from tests.unit.support.roll_events import AT


def right(client, session: str, clock=None):
    return roll_slot(
        (client, client), "/mx", 60, Holder(ROLL, session, "op@cumin1001", AT), session, clock or FakeClock(), print,
        lambda: True,
    )  # fmt: skip


def test_one_roll_at_a_time() -> None:
    client = FakeEtcd()
    one = right(client, "one")
    one.take()
    assert one.mine()
    clock = FakeClock()
    other = right(client, "two", clock)
    clock.sleep = lambda seconds: client.write("/mx-roll/lease", "one", ttl=60)
    with pytest.raises(SlotTakenError, match="a roll is under way: run one by op@cumin1001"):
        other.take()
    one.release()
    right(client, "two").take()


def test_a_roll_that_died_is_taken_over() -> None:
    client = FakeEtcd()
    right(client, "one").take()
    client.expire()
    two = right(client, "two")
    two.take()
    assert two.mine()


def test_the_memory_is_by_kernel_and_is_forgotten_by_an_empty_one() -> None:
    memory = EtcdMemory(FakeEtcd(), "/mx")
    failure = Failure(Outcome.FELL_BACK, "large mail stalls", AT, "r1")
    assert memory.failed("6.1.0-56") == {}
    memory.remember("6.1.0-56", {"mx2001.lab.test": failure})
    assert memory.failed("6.1.0-56") == {"mx2001.lab.test": failure}
    assert memory.failed("6.1.0-57") == {}
    memory.remember("6.1.0-56", {})
    assert memory.failed("6.1.0-56") == {}


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"6.1.0-56": {"mx": {"outcome": "FINE"}}}', '{"6.1.0-56": 3}'])
def test_a_memory_that_cannot_be_read_is_an_error(text: str) -> None:
    client = FakeEtcd()
    client.write("/mx-roll/failed", text)
    with pytest.raises(SlotError):
        EtcdMemory(client, "/mx").failed("6.1.0-56")


def test_a_memory_without_etcd_is_an_error() -> None:
    client = FakeEtcd()
    client.down = True
    with pytest.raises(SlotError):
        EtcdMemory(client, "/mx").failed("6.1.0-56")
