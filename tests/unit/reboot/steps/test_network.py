"""The host's network names around a cold start, as steps: what is noted before what is done, and what is let go of."""

import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandFailedError, HostUnreachableError
from mxlib.model.state import Pool, Slot, State, Step
from mxlib.reboot.steps import network
from tests.unit.support.memory_walk import view
from tests.unit.support.network_world import World, claimed, state


def test_what_may_be_left_behind_is_noted_before_it_is_done() -> None:
    world = World(claimed(), {"ens5": "ens13"})
    done = network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert world.said == [
        ("noted", True, "", ("ens5",)),
        ("link", ("6.1.0-56", "6.1.0-55")),
        ("noted", True, "boot-0", ("ens5",)),
    ]
    assert (done.note, done.evidence) == ("done", {"renames": {"ens5": "ens13"}})


def test_nothing_is_pinned_where_another_way_prevents_the_rename() -> None:
    world = World(replace(claimed(), prevention="alias"), {"ens5": "ens13"})
    network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert (world.said[1], world.record.pinned) == (("alias", ("6.1.0-56", "6.1.0-55")), ())


def test_a_rehearsal_prepares_in_the_boot_that_runs() -> None:
    (action,) = (one for one in network.ACTIONS if one.step is Step.PREVENT)
    found = State(claimed(), view(boot="b7"), Pool.OUT, Slot.MINE)
    after = replace(claimed(), unsettled=True, prepared="b7")
    assert action.rehearse(SimpleNamespace(), found) == replace(found, record=after)  # type: ignore[arg-type]


def test_without_a_rename_nothing_is_prepared() -> None:
    world = World(claimed(), {})
    done = network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert done.note == "no interface is known to be renamed by a cold start: nothing to prepare"
    assert world.said == [("noted", False, "boot-0", ())]


def test_a_prevention_that_fails_is_still_to_be_settled() -> None:
    world = World(claimed(), {"ens5": "ens13"})
    world.fails = True
    with pytest.raises(CommandFailedError):
        network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert world.record.unsettled
    assert world.record.prepared == ""


@pytest.mark.parametrize(("host_boot", "pinned"), [("boot-0", ("ens5",)), ("boot-1", ())])
def test_a_pin_is_removed_only_where_the_host_never_booted_with_it(host_boot: str, pinned: tuple[str, ...]) -> None:
    record = replace(claimed(), unsettled=True, prepared="boot-0", pinned=("ens5",))
    world = World(record, {})
    network.settle(world, state(record, host_boot))  # type: ignore[arg-type]
    assert world.said == [("settle", pinned), ("noted", False, "", ())]


def test_what_cannot_be_settled_is_reported_and_blocks_nothing() -> None:
    record = replace(claimed(), unsettled=True)
    world = World(record, {})
    world.fails = True
    done = network.settle(world, state(record))  # type: ignore[arg-type]
    assert done.note == "NOT settled, look at /etc/network/interfaces: both exist"
    assert not world.record.unsettled


SYSTEMCTL = """#!/bin/sh
case "$*" in
list-units*) printf 'spamd.service loaded failed\\nexim4.service loaded failed\\nodd.service loaded failed\\n'
printf 'generate.service loaded failed\\n' ;;
*TriggeredBy*generate*) echo generate.timer ;;
start*) echo "$3" >>@root@/started ;;
esac
"""


def test_neither_the_mta_nor_a_strangers_service_is_started(tmp_path: Path) -> None:
    tool = tmp_path / "systemctl"
    tool.write_text(SYSTEMCTL.replace("@root@", str(tmp_path)))
    tool.chmod(0o755)
    script = network.revive_script(("spamd.service", "exim4.service"), ("exim4.service",))
    subprocess.run(["/bin/sh", "-euc", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    assert (tmp_path / "started").read_text().split() == ["spamd.service", "generate.service"]


def test_what_could_not_be_started_again_is_reported_and_stops_nothing() -> None:
    world = World(claimed(), {})

    def act(_script: str, *, timeout: float, look: bool) -> None:
        raise HostUnreachableError("no session")

    world.act = act  # type: ignore[assignment]
    assert network.revive(world) == "what failed without a network was not started again: no session"  # type: ignore[arg-type]


def test_where_nothing_had_failed_nothing_is_reported() -> None:
    world = World(claimed(), {})
    world.act = lambda _script, *, timeout, look: SimpleNamespace(output="\n")  # type: ignore[assignment, method-assign]
    assert network.revive(world) == ""  # type: ignore[arg-type]
