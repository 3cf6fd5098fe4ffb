"""A host that does not answer: asked once, and held by a run only where the slot of the service says so."""

from types import MappingProxyType, SimpleNamespace

import pytest

from mxlib.adapters.etcd_slot import EtcdSlot, Holder
from mxlib.adapters.without_slot import WithoutSlot
from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, PoolError
from mxlib.commands.answers import PROBE_S, silence
from mxlib.model.outcome import Outcome
from tests.unit.support.etcd import FakeEtcd

MX1, MX2 = "mx1001.lab.test", "mx2001.lab.test"


class Host:
    name = MX2

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def read(self, script, *, timeout):
        self.asked.append(timeout)
        if self.error:
            raise self.error


def slot(client, host, run):
    return EtcdSlot(client, "/mx", 60, Holder(host, run, "op@cumin1001", "2026-11-21T01:00:00+00:00"), run)


def world(host, client, *, off=False, ganeti=True, me="r9", pool=MappingProxyType({"smtp": "yes"})):
    def read():
        if isinstance(pool, PoolError):
            raise pool
        return pool

    rescue, state = SimpleNamespace(off=lambda: off), SimpleNamespace(read=read)
    adapters = SimpleNamespace(slot=slot(client, MX2, me), rescue=rescue, pool=state)
    return SimpleNamespace(target=host, adapters=adapters, site=SimpleNamespace(ganeti=ganeti or None))


DOWN = HostUnreachableError("mx2001.lab.test: no session: No route to host")


def test_a_host_that_answers_is_none():
    host = Host()
    assert silence(world(host, FakeEtcd())) is None
    assert host.asked == [PROBE_S]


@pytest.mark.parametrize("error", [DOWN, CommandTimeoutError("mx2001.lab.test: no end within 20 s")])
@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "next: cookbook sre.mail.repair-nic mx2001.lab.test --repair"),
        ({"off": True}, "next: gnt-instance start mx2001.lab.test    # its machine is off; on"),
        ({"ganeti": False}, "next: look at the console of mx2001.lab.test, or start it"),
    ],
)
def test_one_that_is_merely_down_is_nobodys_and_is_asked_once(error, options, command):
    host = Host(error)
    found = silence(world(host, FakeEtcd(), **options))
    assert found.outcome is Outcome.NO_ANSWER
    assert str(error) in found.why
    assert "no run of these cookbooks is known to hold it" in found.why
    assert command in found.why
    assert len(host.asked) == 1


def test_one_that_a_run_holds_is_that_runs():
    client = FakeEtcd()
    slot(client, MX2, "r1").take()
    found = silence(world(Host(DOWN), client))
    assert (found.outcome, found.run) == (Outcome.INTERRUPTED, "r1")
    assert "run r1 holds it, and it may be on its way up" in found.why
    assert "whether its ports are closed is not known (pool: smtp=yes)" in found.why
    assert "next: cookbook sre.mail.reboot-mx mx2001.lab.test --resume" in found.why


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "none"), (None, "cannot be read"), (PoolError(), "cannot be read"), ({"b": "no", "a": "yes"}, "a=yes, b=no")],
)
def test_what_the_pool_says_of_a_silent_host_is_said(values, said):
    client = FakeEtcd()
    slot(client, MX2, "r1").take()
    assert f"not known (pool: {said}); next" in silence(world(Host(DOWN), client, pool=values)).why


def test_a_slot_held_for_another_host_says_nothing_of_this_one():
    client = FakeEtcd()
    slot(client, MX1, "r1").take()
    assert silence(world(Host(DOWN), client)).outcome is Outcome.NO_ANSWER


def test_a_slot_that_cannot_be_read_leaves_it_unknown():
    client = FakeEtcd()
    client.down = True
    found = silence(world(Host(DOWN), client))
    assert found.outcome is Outcome.UNKNOWN
    assert "cannot be read: etcd" in found.why


def test_without_the_slot_no_run_is_known():
    asked = world(Host(DOWN), FakeEtcd())
    asked.adapters.slot = WithoutSlot(lambda: 7)
    assert silence(asked).outcome is Outcome.NO_ANSWER
