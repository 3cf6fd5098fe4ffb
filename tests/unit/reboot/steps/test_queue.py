"""Bringing the MTA to rest: deliveries are waited for, open SMTP sessions get a deadline."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.mta.find import find
from mxlib.mta.service import MtaProcess, Role
from mxlib.reboot.steps import queue
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import World, state

SESSION = MtaProcess(41, 1, "/usr/sbin/exim4 -bd -q30m", Role.SESSION)
DELIVERY = MtaProcess(42, 1, "/usr/sbin/exim4 -Mc 1xUeoW-00005z-0A", Role.DELIVERY)


STATE = SimpleNamespace(record=RECORD)


class Facts:
    def __init__(self, *processes):
        self.processes = processes
        self.still = not processes

    def role(self, role):
        return tuple(one for one in self.processes if one.role is role)


@pytest.fixture
def world(monkeypatch):
    def make(at):
        """``at``: what runs after so many seconds, and after sessions were asked to end or not."""
        clock, tell, done = FakeClock(), Tell(), []
        context = SimpleNamespace(
            clock=clock, operator=tell, target=None, site=SimpleNamespace(drain=SimpleNamespace(still_timeout=120.0)),
            act=lambda script, timeout=30, **given: done.append(script), mta=find("exim"),
            keep_look=lambda facts: done.append(f"keeps the look at {clock.seconds:.0f} s"),
        )  # fmt: skip
        monkeypatch.setattr(queue.runners, "stop", lambda context: done.append("stop runners"))

        def read(_host, sources):
            asked = any("kill -TERM" in script for script in done)
            assert [one.name for one in sources] == ["mta", "standing"]
            return SimpleNamespace(get=lambda _source: Facts(*at(clock.seconds, asked)))

        monkeypatch.setattr(queue, "read_facts", read)
        return SimpleNamespace(context=context, clock=clock, operator=tell, done=done)

    return make


def test_nothing_is_left(world):
    found = world(lambda seconds, asked: ())
    assert "at rest after 0.0 s" in queue.hold(found.context, STATE).note
    assert found.done[0] == "stop runners"
    assert not [script for script in found.done if "kill" in script]


def test_a_session_gets_half_the_time_then_it_is_asked_to_end(world):
    found = world(lambda seconds, asked: () if asked else (SESSION,))
    note = queue.hold(found.context, STATE).note
    assert note.endswith("; 1 SMTP session had to be ended, the senders keep what was not taken")
    assert 60 < found.clock.seconds < 63
    assert found.done[-2].endswith("\nkill -TERM 41 || true")
    assert found.done[-1].startswith("keeps the look at 6")


def test_a_delivery_is_never_ended(world):
    found = world(lambda seconds, asked: (DELIVERY,))
    with pytest.raises(StepError, match=r"did not come to rest within 2 min \d s: 42 \(delivery\)"):
        queue.hold(found.context, STATE)
    assert not [script for script in found.done if "kill" in script]


def test_a_delivery_that_ends_in_time_is_waited_for(world):
    found = world(lambda seconds, asked: (DELIVERY,) if seconds < 100 else ())
    assert "at rest after 1 min 40 s" in queue.hold(found.context, STATE).note
    assert found.done[-1] == "keeps the look at 100 s", "and not one of while it was not at rest"


def test_once_the_mta_is_stopped_again_the_ledger_is_closed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue.runners, "stop", lambda _world: None)
    monkeypatch.setattr(queue, "_until", lambda *_: "at rest")
    world: Any = World()
    queue.hold(world, state(replace(RECORD, ledger="b1")))
    assert world.sent[0][1] == replace(RECORD, ledger="")
