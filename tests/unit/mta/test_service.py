"""The MTA as a service: what is left of it, and what its processes are there for."""

import pytest

from mxlib.facts.sockets import Socket
from mxlib.facts.units import UnitState
from mxlib.mta.service import MtaFacts, MtaProcess, Role

UNIT = UnitState("mta.service", "loaded", "active", "enabled", "success")
DAEMON = MtaProcess(400, 1, "mta", Role.DAEMON)
RUNNERS = tuple(MtaProcess(pid, 400, "mta -q", Role.RUNNER) for pid in (401, 402))
LISTENER = Socket("0.0.0.0", 25, "0.0.0.0", 0)


@pytest.mark.parametrize(
    ("listeners", "processes", "still"),
    [((), (), True), ((LISTENER,), (), False), ((), RUNNERS, False), ((LISTENER,), (DAEMON,), False)],
)
def test_it_is_still_when_neither_process_nor_listener_is_left(listeners, processes, still):
    assert MtaFacts(UNIT, "1.0", listeners, processes).still is still


def test_processes_of_a_role():
    facts = MtaFacts(UNIT, "1.0", (), (DAEMON, *RUNNERS))
    assert facts.role(Role.RUNNER) == RUNNERS
    assert facts.role(Role.SESSION) == ()


@pytest.mark.parametrize(
    ("load", "file_state", "masked", "enabled"),
    [
        ("loaded", "enabled", False, True),
        ("masked", "masked", True, False),
        ("loaded", "masked-runtime", True, False),
        ("loaded", "disabled", False, False),
    ],
)
def test_its_unit_says_whether_it_comes_up(load, file_state, masked, enabled):
    unit = UnitState("mta.service", load, "active", file_state, "success")
    facts = MtaFacts(unit, "1.0", (), ())
    assert (facts.masked, facts.enabled) == (masked, enabled)
