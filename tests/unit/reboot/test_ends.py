"""How a run ends: what is said of a host is what was read, and what was not read is said."""

from dataclasses import replace

import pytest

from mxlib.model.outcome import Outcome
from mxlib.model.state import End, MtaState, Pool, Ports, Puppet, Slot, State
from mxlib.reboot import ends
from tests.unit.support.memory_walk import ABORT, FORWARD, claimed_record, view


@pytest.mark.parametrize(
    ("host", "pool", "serves"),
    [
        (view(), Pool.IN, True),
        (view(), Pool.NONE, True),
        (view(), Pool.OUT, False),
        (view(), Pool.PARTLY, False),
        (view(), Pool.UNKNOWN, False),
        (view(), Pool.UNREAD, False),
        (view(ports=Ports.PARTLY), Pool.IN, False),
        (view(ports=Ports.CLOSED), Pool.NONE, False),
        (view(mta=MtaState.OTHER), Pool.IN, False),
        (view(mta=MtaState.HELD), Pool.NONE, False),
        (None, Pool.IN, False),
    ],
)
def test_clients_are_served_where_ports_mta_and_pool_all_let_them(host, pool, serves):
    assert ends.in_service(State(None, host, pool, Slot.FREE)) is serves


@pytest.mark.parametrize(
    ("pool", "was_off", "puppet", "uses", "said"),
    [
        (Pool.IN, False, Puppet.ON, {"puppet"}, ""),
        (Pool.NONE, False, Puppet.UNKNOWN, set(), ""),
        (Pool.UNREAD, False, Puppet.ON, {"puppet"}, ends.UNREAD),
        (Pool.IN, False, Puppet.UNKNOWN, {"puppet"}, ends.PUPPET_UNREAD),
        (Pool.IN, False, Puppet.ABSENT, {"puppet"}, ""),
        (Pool.IN, None, Puppet.UNKNOWN, {"puppet"}, ""),  # no commands for it: the run has left it alone
        (Pool.IN, True, Puppet.UNKNOWN, {"puppet"}, ""),  # somebody else had disabled it
        (Pool.UNREAD, False, Puppet.UNKNOWN, {"puppet"}, f"{ends.UNREAD}; {ends.PUPPET_UNREAD}"),
    ],
)
@pytest.mark.parametrize("goal", [FORWARD, ABORT])
def test_given_up_with_something_unread_a_run_ends_unknown(goal, pool, was_off, puppet, uses, said):
    record = claimed_record()
    record = replace(record, prior=replace(record.prior, puppet_off=was_off))
    state = State(record, view(puppet=puppet), pool, Slot.MINE, uses=frozenset(uses))
    assert ends.unread(state) == said
    end = goal.outcome(state.record)
    assert ends.outcome_of(goal, state) is (Outcome.UNKNOWN if said else end)
    assert end in (Outcome.DONE, Outcome.UNDONE)


def test_a_silent_host_is_not_called_safe_whose_ports_were_seen_open():
    end = ends.truthful(End(Outcome.LEFT_OUT, "why"), State(None, None, Pool.OUT, Slot.MINE, closed=False))
    assert end == End(Outcome.INTERRUPTED, "why (its ports were not closed when it last did)")


def test_a_host_that_has_never_answered_is_not_called_out_of_service():
    """It died in the soak, with its ports open, and so did its management host."""
    end = ends.truthful(End(Outcome.LEFT_OUT, "why"), State(None, None, Pool.IN, Slot.LEFT))
    assert end == End(Outcome.INTERRUPTED, "why (whether its ports are closed is not known; pool: in)")
    assert end.silent
    assert not ends.truthful(End(Outcome.LEFT_OUT, "why"), State(None, view(), Pool.IN, Slot.LEFT)).silent


@pytest.mark.parametrize("ports", [Ports.OPEN, Ports.PARTLY])
def test_out_of_service_and_safe_is_said_of_closed_ports_only(ports):
    end = End(Outcome.LEFT_OUT, "why")
    state = State(None, view(ports=ports), Pool.OUT, Slot.MINE)
    assert ends.truthful(end, state) == End(Outcome.INTERRUPTED, f"why (mail ports {ports.value}, MTA serving)")
    assert ends.truthful(end, replace(state, host=view(ports=Ports.CLOSED))) == end
    silent = replace(state, host=None, closed=False)
    assert ends.truthful(end, silent).outcome is Outcome.INTERRUPTED
    assert ends.truthful(end, replace(silent, closed=True)) == end
