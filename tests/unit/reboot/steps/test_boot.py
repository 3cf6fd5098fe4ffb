"""Ordering a boot, starting a machine that is off, and mending one that does not answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError
from mxlib.model.goal import Goal
from mxlib.model.record import Level
from mxlib.model.state import Step, Waited
from mxlib.protocols.machine import Recovery
from mxlib.reboot.steps import boot
from tests.unit.support import network_world
from tests.unit.support.network_world import claimed
from tests.unit.support.step_world import World, state


@pytest.mark.parametrize(("off", "done"), [(True, ["power"]), (False, [])])
def test_power_is_looked_at_again_right_before_it_is_given(off: bool, done: list[str]) -> None:
    world: Any = World(off=off)
    boot.power_on(world, state())
    assert (world.done, world.progress.waited, world.progress.cures) == (
        done,
        Waited.NO,
        {Step.POWER_ON} if off else set(),
    )


def test_an_order_is_counted_also_where_its_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the boot begins before the order is sent: what was waited for earlier says nothing any more."""
    world: Any = World(Goal())
    world.adapters.rescue.watch = lambda: None
    monkeypatch.setattr(boot, "read_standing", lambda *_: SimpleNamespace(view=SimpleNamespace(boot="b1")))
    monkeypatch.setattr(boot, "_point_of_no_return", lambda *_: None)

    def lost(_script: str, **given: Any) -> None:
        assert world.progress.waited is Waited.NO
        assert given["record"].boots[-1].before == "b1"
        raise CommandFailedError("lost")

    world.act = lost
    with pytest.raises(CommandFailedError):
        boot.reboot(world, state())


def test_a_host_that_answers_again_gets_back_what_failed_without_a_network() -> None:
    world = network_world.World(claimed(), {}, mended=Recovery("it answers", back=True, lines=("story",)))
    done = boot.mend(world, network_world.state(world.record))  # type: ignore[arg-type]
    assert world.progress.waited is Waited.NO
    assert "spamd.service" in done.note
    assert done.evidence == {"story": ("story",)}


def test_what_does_not_answer_stays_silent_with_the_reason() -> None:
    world = network_world.World(claimed(), {}, mended=Recovery("the login was refused", power=False))
    boot.mend(world, network_world.state(world.record))  # type: ignore[arg-type]
    assert (world.progress.waited, world.progress.diagnosis) == (Waited.SILENT, "the login was refused")
    assert world.progress.cures == {Step.MEND, Step.POWER_CYCLE}
    assert "revive" not in world.said


def test_the_order_is_given_from_inside() -> None:
    assert boot.order_script(Level.GUEST).endswith("reboot")
    assert boot.order_script(Level.COLD).endswith("poweroff")
