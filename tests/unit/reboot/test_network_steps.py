"""The host's network names around a cold start, as steps: what is noted before what is done, and what is let go of."""

import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError
from mxlib.model.goal import Goal
from mxlib.model.record import Level, Record
from mxlib.model.state import Step, Waited
from mxlib.protocols.machine import Recovery
from mxlib.reboot.steps import boot, network
from mxlib.reboot.world import Progress
from tests.unit.reboot.test_plan import COLD
from tests.unit.support.fakes import FakeClock
from tests.unit.support.memory_mx import MemoryMx, Process


def claimed() -> Record:
    process = Process(MemoryMx(), COLD, "one")
    for _effect in process.effects(Step.CLAIM):
        """Only the record is wanted."""
    return replace(process.mx.record, prevention="link")


class World:
    """Notes what is remembered and what is done, in order."""

    def __init__(self, record: Record, renames: dict[str, str], *, mended: Recovery | None = None) -> None:
        self.said: list[Any] = []
        self.renames, self.mended = renames, mended
        self.record, self.fails = record, False
        rescue = SimpleNamespace(
            renames=lambda: self.renames, prevent=self.prevent, settle=self.settle, mend=lambda: self.mended
        )
        self.adapters = SimpleNamespace(rescue=rescue)
        self.clock, self.progress = FakeClock(), Progress(Goal(), waited=Waited.SILENT)
        self.mta = SimpleNamespace(units=("exim4.service",))
        self.site = SimpleNamespace(verify=SimpleNamespace(unit_names=("spamd.service", "exim4.service")))

    def remember(self, record: Record) -> None:
        self.record = record
        self.said.append(("noted", record.unsettled, record.prepared, record.pinned))

    def prevent(self, method: str, kernels: tuple[str, ...]) -> str:
        self.said.append((method, kernels))
        if self.fails:
            raise CommandFailedError("not taken")
        return "done"

    def settle(self, pinned: tuple[str, ...], kernels: tuple[str, ...]) -> str:
        self.said.append(("settle", pinned))
        if self.fails:
            raise CommandFailedError("both exist")
        return "one name"

    def act(self, script: str, *, timeout: float, look: bool) -> SimpleNamespace:
        self.said.append("revive")
        return SimpleNamespace(output="spamd.service\n")


def state(record: Record, host_boot: str = "boot-0") -> Any:
    return SimpleNamespace(record=record, host=SimpleNamespace(boot=host_boot))


def test_what_may_be_left_behind_is_noted_before_it_is_done() -> None:
    world = World(claimed(), {"ens5": "ens13"})
    done = network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert world.said == [
        ("noted", True, "", ("ens5",)),
        ("link", ("6.1.0-56", "6.1.0-55")),
        ("noted", True, "boot-0", ("ens5",)),
    ]
    assert done.evidence == {"renames": {"ens5": "ens13"}}


def test_without_a_rename_nothing_is_prepared() -> None:
    world = World(claimed(), {})
    network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert world.said == [("noted", False, "boot-0", ())]


def test_a_prevention_that_fails_is_still_to_be_settled() -> None:
    world = World(claimed(), {"ens5": "ens13"})
    world.fails = True
    with pytest.raises(CommandFailedError):
        network.prevent(world, state(world.record))  # type: ignore[arg-type]
    assert world.record.unsettled
    assert world.record.prepared == ""


@pytest.mark.parametrize(("host_boot", "pinned"), [("boot-0", ("ens5",)), ("boot-1", ())])
def test_a_pin_is_let_go_of_only_where_the_host_never_booted_with_it(host_boot: str, pinned: tuple[str, ...]) -> None:
    record = replace(claimed(), unsettled=True, prepared="boot-0", pinned=("ens5",))
    world = World(record, {})
    network.settle(world, state(record, host_boot))  # type: ignore[arg-type]
    assert world.said == [("settle", pinned), ("noted", False, "", ())]


def test_what_cannot_be_settled_is_told_and_holds_nothing_up() -> None:
    record = replace(claimed(), unsettled=True)
    world = World(record, {})
    world.fails = True
    assert "NOT settled" in network.settle(world, state(record)).note  # type: ignore[arg-type]
    assert not world.record.unsettled


def test_a_host_that_answers_again_gets_back_what_failed_without_a_network() -> None:
    world = World(claimed(), {}, mended=Recovery("it answers", back=True, lines=("story",)))
    done = boot.mend(world, state(world.record))  # type: ignore[arg-type]
    assert world.progress.waited is Waited.NO
    assert "spamd.service" in done.note
    assert done.evidence == {"story": ("story",)}


def test_what_does_not_answer_stays_silent_with_the_reason() -> None:
    world = World(claimed(), {}, mended=Recovery("the login was refused", power=False))
    boot.mend(world, state(world.record))  # type: ignore[arg-type]
    assert (world.progress.waited, world.progress.diagnosis) == (Waited.SILENT, "the login was refused")
    assert world.progress.cures == {Step.MEND, Step.POWER_CYCLE}
    assert "revive" not in world.said


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


def test_the_order_is_given_from_inside() -> None:
    assert boot.order_script(Level.GUEST).endswith("reboot")
    assert boot.order_script(Level.COLD).endswith("poweroff")
