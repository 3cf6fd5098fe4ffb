"""Ordering a boot, starting a machine that is off, and mending one that does not answer."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError, HostUnreachableError, StepError
from mxlib.model.goal import Goal
from mxlib.model.record import Boot, Level, Record
from mxlib.model.state import MtaState, Pool, Ports, Slot, State, Step, Waited
from mxlib.protocols.machine import Recovery
from mxlib.protocols.world import Done
from mxlib.reboot.steps import boot
from tests.unit.support import network_world
from tests.unit.support.memory_walk import view
from tests.unit.support.network_world import claimed
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import World, state


@pytest.mark.parametrize(
    ("off", "done", "note"), [(True, ["power"], "started"), (False, [], "the machine is not off any more")]
)
def test_power_is_looked_at_again_right_before_it_is_given(off: bool, done: list[str], note: str) -> None:
    world: Any = World(off=off)
    assert boot.power_on(world, state()).note == note
    assert (world.done, world.progress.waited, world.progress.cures) == (
        done,
        Waited.NO,
        {Step.POWER_ON} if off else set(),
    )


def test_an_order_is_counted_also_where_its_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the boot begins before the order is sent: what was waited for earlier says nothing any more."""
    world: Any = World(Goal())
    world.adapters.rescue.attach = lambda: None
    world.adapters.rescue.note_script = lambda: ""
    world.adapters.greets = lambda _seconds: False
    world.standing_now = lambda: SimpleNamespace(view=SimpleNamespace(boot="b1"))
    monkeypatch.setattr(boot, "lacking_just_now", lambda _world: [])
    monkeypatch.setattr(boot, "_lost_by_a_reboot", lambda *_: [])

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
    assert re.fullmatch(r"it answers; [^;]*spamd\.service[^;]*", done.note)
    assert done.evidence == {"story": ("story",)}


def test_what_does_not_answer_stays_silent_with_the_reason() -> None:
    world = network_world.World(claimed(), {}, mended=Recovery("the login was refused", power=False))
    done = boot.mend(world, network_world.state(world.record))  # type: ignore[arg-type]
    assert done.note == "the login was refused"
    assert (world.progress.waited, world.progress.diagnosis) == (Waited.SILENT, "the login was refused")
    assert world.progress.cures == {Step.MEND, Step.POWER_CYCLE}
    assert "revive" not in world.said


def test_the_order_is_given_from_inside() -> None:
    assert boot.order_script(Level.GUEST).endswith("reboot")
    assert boot.order_script(Level.COLD).endswith("poweroff")


CLAIMED = replace(RECORD, boots=(), judged={})
READY: dict[str, Any] = {"boot": "b0", "ports": Ports.CLOSED, "mta": MtaState.HELD, "saved": "m>a", "next": "m>b"}


class Ready(World):
    """A host that may be rebooted: out of service, held, its entries set, the slot ours, others in service."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slot: Slot = Slot.MINE, lacks: tuple[str, ...] = ()) -> None:
        super().__init__(Goal("6.1.0-56"))
        self.adapters.slot = SimpleNamespace(token=9, state=lambda: slot)
        self.adapters.rescue.attach = lambda: self.done.append("console")
        self.adapters.rescue.unwatch = lambda: self.done.append("console left")
        self.adapters.rescue.note_script = lambda: self.names
        self.adapters.greets = lambda seconds: 0 < seconds < 5
        self.names = ""
        self.seen, self.lacks = view(**READY), lacks
        self.meanwhile = lambda: None
        self.standing_now = lambda: SimpleNamespace(view=self.seen)
        monkeypatch.setattr(boot, "lacking_just_now", self.lacking)

    def lacking(self, world: Any) -> list[str]:
        assert world is self
        self.meanwhile()
        return list(self.lacks)

    def view(self, standing: Any) -> Any:
        return standing.view

    def reboot(self, record: Record = CLAIMED) -> str:
        world: Any = self
        return boot.reboot(world, state(record)).note


def test_the_order_is_recorded_with_it_and_the_console_is_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Ready(monkeypatch)
    world.progress.cures = {Step.POWER_ON}
    assert world.reboot() == "reboot into 6.1.0-56 ordered"
    ((script, record),) = world.sent
    assert script == boot.order_script(Level.GUEST)
    assert record == replace(CLAIMED, boots=(Boot("b0", "6.1.0-56"),))
    assert (world.done, world.progress.reordered, world.progress.cures) == (["console"], False, set())
    assert world.given == {"look": False}, "the host is on its way down then"
    assert world.progress.greeted, "so one that does not greet is down"


def test_the_network_names_are_noted_with_the_order_and_no_order_waits_for_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = Ready(monkeypatch)
    world.names = "false"
    monkeypatch.setattr(boot, "_ORDER", {Level.GUEST: f"touch {tmp_path}/ordered"})
    monkeypatch.setattr(boot, "HANG_UP", "")
    world.reboot()
    done = subprocess.run(["/bin/sh", "-euc", world.sent[0][0]], capture_output=True, check=True, text=True)
    assert (done.stdout, (tmp_path / "ordered").exists()) == ("the network names are not noted\n", True)


def test_a_cold_start_is_recorded_as_one_and_orders_a_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Ready(monkeypatch)
    cold = replace(CLAIMED, level=Level.COLD)
    assert world.reboot(cold) == "shutdown for a cold start into 6.1.0-56 ordered"
    ((script, record),) = world.sent
    assert script == boot.order_script(Level.COLD)
    assert record == replace(cold, boots=(Boot("b0", "6.1.0-56", level=Level.COLD),))


def test_an_order_that_was_not_heard_is_given_again_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Ready(monkeypatch)
    ordered = replace(CLAIMED, boots=(Boot("b0", "6.1.0-56"),))
    world.reboot(ordered)
    assert world.sent[0][1] == ordered
    assert world.progress.reordered


@pytest.mark.parametrize(
    ("seen", "slot", "lacks", "why"),
    [
        ({}, Slot.OTHERS, (), "the slot of the service is not ours"),
        ({}, Slot.UNKNOWN, (), "the slot of the service is not ours"),
        ({"mta": MtaState.OTHER}, Slot.MINE, (), "the MTA is not held and at rest"),
        ({"ports": Ports.PARTLY}, Slot.MINE, (), "the mail ports are not closed for good"),
        ({"next": ""}, Slot.MINE, (), "the boot entries are not as set"),
        ({"saved": "m>b"}, Slot.MINE, (), "the boot entries are not as set"),
        ({}, Slot.MINE, ("only 0 other MXs in service",), "only 0 other MXs in service"),
        ({"next": ""}, Slot.OTHERS, (), "the slot of the service is not ours; the boot entries are not as set"),
        ({"next": ""}, Slot.MINE, ("mx1001 is out",), "mx1001 is out"),
    ],
)
def test_no_reboot_is_ordered_that_could_lose_something(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any], slot: Slot, lacks: tuple[str, ...], why: str
) -> None:
    world = Ready(monkeypatch, slot, lacks)
    world.seen = view(**{**READY, **seen})
    with pytest.raises(StepError) as caught:
        world.reboot()
    assert str(caught.value) == f"no reboot: {why}"
    assert (world.sent, world.done) == ([], [] if lacks else ["console", "console left"])


def test_a_host_that_does_not_answer_the_last_look_has_its_console_left(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Ready(monkeypatch)

    def silent() -> None:
        raise HostUnreachableError("no session")

    world.standing_now = silent  # type: ignore[assignment]
    with pytest.raises(HostUnreachableError):
        world.reboot()
    assert (world.sent, world.done) == ([], ["console", "console left"])


def test_what_became_untrue_while_the_others_were_asked_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may take two minutes: a mail that somebody submits then is in an Exim that runs again."""
    world = Ready(monkeypatch)
    world.meanwhile = lambda: setattr(world, "seen", view(**{**READY, "mta": MtaState.OTHER}))
    with pytest.raises(StepError, match="the MTA is not held and at rest"):
        world.reboot()
    assert world.sent == []


@pytest.mark.parametrize(
    ("mended", "waited", "diagnosis"),
    [
        (Recovery("it boots", wait=True), Waited.NO, "it boots"),
        (Recovery("eth0 has no address"), Waited.SILENT, "eth0 has no address"),
        (Recovery("it answers", back=True), Waited.NO, ""),
    ],
)
def test_what_was_found_over_the_console_is_waited_for_or_diagnosed(
    mended: Recovery, waited: Waited, diagnosis: str
) -> None:
    world = network_world.World(claimed(), {}, mended=mended)
    boot.mend(world, network_world.state(world.record))  # type: ignore[arg-type]
    assert (world.progress.waited, world.progress.diagnosis) == (waited, diagnosis)


@pytest.mark.parametrize(
    ("said", "note"),
    [("power cut", "power cut"), ("", "the configuration names no way to cut its power")],
)
def test_the_power_is_cut_once_and_the_boot_is_waited_for(said: str, note: str) -> None:
    world: Any = World()
    world.adapters.rescue.power_cycle = lambda: said
    assert boot.power_cycle(world, state()).note == note
    assert (world.progress.waited, world.progress.cures) == (Waited.NO, {Step.POWER_CYCLE})


def test_a_boot_that_nobody_ordered_is_noted_with_what_it_left_untraceable(monkeypatch: pytest.MonkeyPatch) -> None:
    untraced = Done("; 2 messages left the spool", {"untraced": 2})
    apart: list[Any] = []
    monkeypatch.setattr(boot.ledger, "set_apart_untraced", lambda *given: apart.append(given) or untraced)
    world: Any = World()
    done = boot.found_boot(world, state(kernel="6.1.0-55", boot_id="b7"))
    assert world.sent[0][1].boots == (*RECORD.boots, Boot("b1", "", "b7", "6.1.0-55"))
    assert done.note == (
        "the host has booted without this run, with 6.1.0-55: it is verified before it serves; "
        "2 messages left the spool"
    )
    assert done.evidence == {"untraced": 2}
    assert apart == [(world, RECORD)]


@pytest.mark.parametrize("level", [Level.GUEST, Level.COLD])
def test_a_rehearsal_comes_back_in_another_boot_with_the_kernel_that_was_wanted(level: Level) -> None:
    (action,) = (one for one in boot.ACTIONS if one.step is Step.REBOOT)
    found = State(replace(CLAIMED, level=level), view(**READY), Pool.OUT, Slot.MINE)
    world: Any = World(Goal("6.1.0-56"))
    for number, by in ((1, level), (2, Level.GUEST)):
        before = found
        found = action.rehearse(world, found)
        assert before.host is not None
        assert found.record is not None
        assert found.host == replace(before.host, boot=f"boot-{number}", kernel="6.1.0-56", next="")
        ordered = Boot(before.host.boot, "6.1.0-56", f"boot-{number}", "6.1.0-56", by)
        assert (found.record.boots[-1], len(found.record.boots)) == (ordered, number)
        assert found.pool is Pool.OUT


def test_a_rehearsal_notes_a_boot_that_nobody_ordered() -> None:
    (action,) = (one for one in boot.ACTIONS if one.step is Step.FOUND_BOOT)
    found = State(RECORD, view(boot="b7", kernel="6.1.0-55"), Pool.IN, Slot.MINE)
    world: Any = World()
    noted = replace(RECORD, boots=(*RECORD.boots, Boot("b1", "", "b7", "6.1.0-55")))
    assert action.rehearse(world, found) == replace(found, record=noted)


@pytest.mark.parametrize(("level", "lines"), [(Level.GUEST, 1), (Level.COLD, 2)])
def test_a_plan_shows_the_order_and_who_starts_the_machine(level: Level, lines: int) -> None:
    world: Any = World()
    (action,) = (one for one in boot.ACTIONS if one.step is Step.REBOOT)
    shown = list(action.preview(world, state(replace(CLAIMED, level=level))))
    assert len(shown) == lines
    through_grub = "SYSTEMCTL_SKIP_AUTO_KEXEC=1 SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 systemctl --no-block reboot"
    assert shown[0] == (through_grub if level is Level.GUEST else "systemctl --no-block poweroff")
    assert shown[1:] == ["gnt-instance start mx2001.lab.test, with the console on it"][: lines - 1]
