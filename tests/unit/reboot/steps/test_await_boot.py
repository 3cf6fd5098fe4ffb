"""Waiting for a boot: how each end is named, and the console that is attached to a host that does not answer."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.model.goal import Goal
from mxlib.model.record import Boot, Level
from mxlib.model.state import Waited
from mxlib.reboot.progress import Progress
from mxlib.reboot.steps import await_boot
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.records import RECORD

OLD, NEW = "b0", "b1"


class LateClock(FakeClock):
    """A clock of a machine that has been up for a while."""

    def monotonic(self) -> float:
        return self.seconds + 1000.0


class World:
    """A host that answers, or not, as a function of the time since the order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: Any, *, level: Level = Level.GUEST, **machine: Any) -> None:
        self.clock, self.operator, self.target = LateClock(), Tell(), self
        self.progress = Progress(Goal())
        self.site = SimpleNamespace(boot=SimpleNamespace(timeout=300.0))
        self.record = replace(RECORD, boots=(Boot(OLD, "6.1.0-56", level=level),))
        self.attached: list[float] = []
        self.left, self.next = 0, ""
        self.asked: list[tuple[str, float]] = []
        self.adapters = SimpleNamespace(
            greets=self.greets,
            slot=SimpleNamespace(token=self.record.token),
            rescue=SimpleNamespace(
                attach=lambda: self.attached.append(self.clock.seconds),
                unwatch=lambda: setattr(self, "left", self.left + 1),
                off=lambda: bool(machine.get("off")),
                stuck=lambda: machine.get("stuck", ""),
                shown=lambda: machine.get("shown", ()),
            )
        )
        self.at, self.mta, self.forgotten = at, "its MTA", False
        monkeypatch.setattr(await_boot, "read_standing", self.standing)

    def read(self, script: str, *, timeout: float) -> None:
        assert script == "# ask whether it answers\ntrue"
        self.asked.append(("shortly", self.clock.seconds))
        if self.at(self.clock.seconds) is None:
            self.clock.sleep(timeout)
            raise HostUnreachableError("no session")

    def greets(self, seconds: float) -> bool:
        if not self.progress.greeted or self.at(self.clock.seconds) is None:
            self.clock.sleep(seconds)
            return False
        return True

    def standing(self, host: Any, mta: Any) -> Any:
        assert (host, mta) == (self, self.mta)
        self.asked.append(("where it stands", self.clock.seconds))
        said = self.at(self.clock.seconds)
        view = SimpleNamespace(boot=said.removesuffix(" stopping"), kernel="6.1.0-56", next=self.next)
        depool = SimpleNamespace(record=None if self.forgotten else self.record)
        return SimpleNamespace(view=view, depool=depool, stopping=said.endswith("stopping"))

    def decide_on(self, standing: Any) -> None:
        self.decided_on, self.progress.record = standing.view.boot, standing.depool.record

    def looked(self, standing: Any) -> None:
        self.seen = standing.view.boot

    def note(self, record: Any) -> None:
        self.record = record

    def waits(self) -> str:
        state: Any = SimpleNamespace(record=self.record)
        return await_boot.await_boot(self, state).note  # type: ignore[arg-type]


def test_a_boot_that_comes_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: f"{OLD} stopping" if now < 10 else None if now < 60 else NEW)
    assert world.waits().endswith("with 6.1.0-56, as wanted")
    assert world.record.boots[-1].after == NEW
    assert world.decided_on == NEW, "what is written is sent with the boot that was just seen"
    assert world.seen == NEW, "the next decision needs no look of its own"
    assert world.left == 1


def test_a_boot_that_has_left_the_one_time_entry_says_that_no_fallback_was_armed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    world.next = "menu>6.1.0-56"
    assert "6.1.0-56, as wanted; but GRUB's one-time entry is still set, so a crash boots no fallback" in world.waits()


@pytest.mark.parametrize("shown", [("[  OK  ] Started ssh", "mx2001 login:"), ()])
def test_what_the_console_showed_is_kept_for_the_report(
    monkeypatch: pytest.MonkeyPatch, shown: tuple[str, ...]
) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW, shown=shown)
    state: Any = SimpleNamespace(record=world.record)
    done = await_boot.await_boot(world, state)  # type: ignore[arg-type]
    assert done.evidence.get("console", ()) == shown
    assert ("console" in done.evidence) is bool(shown)
    assert done.evidence["boot"] == NEW


def test_a_boot_of_a_run_that_is_not_ours_yet_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    world.adapters.slot.token = 0  # whoever resumes a run takes the slot once its record was read
    assert world.waits() == "the host answers again, with 6.1.0-56"
    assert world.record.boots[-1].after == ""
    assert (world.decided_on, world.progress.waited) == (NEW, Waited.NO)


@pytest.mark.parametrize(("boots", "said"), [((Boot(OLD, "6.1.0-56"),), "a new boot"), ((), "an answer")])
def test_only_who_ordered_a_boot_waits_for_one(monkeypatch: pytest.MonkeyPatch, boots: Any, said: str) -> None:
    world = World(monkeypatch, lambda now: None if now < 30 else NEW)
    world.record = replace(world.record, boots=boots)
    world.waits()
    first = f"{await_boot._ASK_S:g}.0 s" if await_boot._ASK_S < 10 else f"{await_boot._ASK_S:g} s"
    assert world.operator.shown[0][0] == f"waiting for {said}, {first} of 5 min 0 s: no session"
    assert all(line.startswith(f"waiting for {said}, ") for line, _share in world.operator.shown)


@pytest.mark.parametrize(("found", "said"), [(OLD, "still the old boot"), (f"{OLD} stopping", "shutting down")])
def test_a_host_that_still_answers_is_shown_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, found: str, said: str
) -> None:
    world = World(monkeypatch, lambda now: found if now < 10 else NEW)
    world.waits()
    assert world.operator.shown[0][0] == f"waiting for a new boot, 0.0 s of 5 min 0 s: {said}"


def test_an_old_boot_whose_record_is_gone_from_the_host_is_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda _now: OLD)
    world.forgotten = True
    assert "still in the old boot" in world.waits()


def test_an_earlier_boot_stays_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    earlier = (Boot("a", "6.1.0-56", "b", "6.1.0-56"), Boot("b", "6.1.0-56", OLD, "6.1.0-56"))
    world.record = replace(world.record, boots=(*earlier, Boot(OLD, "6.1.0-56")))
    world.waits()
    assert world.record.boots == (*earlier, Boot(OLD, "6.1.0-56", NEW, "6.1.0-56"))


def test_while_it_boots_the_last_line_of_its_console_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ("SeaBIOS", "Linux version 6.1.0-56", "[  OK  ] Reached target\x1b[0m \x1b[1mNetwork\x1b[0m.\r", "[")
    world = World(monkeypatch, lambda now: None if now < 30 else NEW, shown=shown)
    world.waits()
    texts = [text for text, _share in world.operator.shown]
    assert texts
    assert all(
        text.startswith("boot: ") and text.endswith(" of 5 min 0 s, console: [ OK ] Reached target Network.")
        for text in texts
    )


def test_of_a_console_without_a_word_the_last_line_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 30 else NEW, shown=("[", "......", "42"))
    world.waits()
    assert {text.rpartition(" of 5 min 0 s")[2] for text, _share in world.operator.shown} == {", console: 42"}


def test_why_there_is_no_answer_is_shown_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 30 else NEW)
    world.progress.greeted = True

    def read(_script: str, *, timeout: float) -> None:
        if world.clock.seconds < 30:
            world.clock.sleep(timeout)
            raise HostUnreachableError(f"ssh: {'x' * 200}")

    monkeypatch.setattr(world, "read", read)
    world.waits()
    why = [text.split(": ", 1)[1] for text, _share in world.operator.shown]
    assert why[0] == f"ssh: {'x' * 74}…"
    assert set(why[1:]) == {"no SSH server answers"}


def test_a_host_that_answers_needs_no_console(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda _now: NEW)
    world.waits()
    assert world.attached == []


def test_one_that_does_not_gets_its_console_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    world.waits()
    assert world.attached == [await_boot._ASK_S], "after the first question"


def test_one_that_is_off_has_no_console_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda _now: None, level=Level.COLD, off=True)
    assert "the machine is off" in world.waits()
    assert (world.attached, world.progress.waited) == ([], Waited.OFF)


@pytest.mark.parametrize(
    ("machine", "said"), [({}, "no new boot within 5 min"), ({"stuck": "a panic"}, "its console shows a panic")]
)
def test_what_does_not_come_is_silent(monkeypatch: pytest.MonkeyPatch, machine: dict[str, str], said: str) -> None:
    world = World(monkeypatch, lambda _now: None, **machine)
    assert said in world.waits()
    assert world.progress.waited is Waited.SILENT


def test_a_host_that_did_not_hear_the_order_is_not_called_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda _now: OLD)
    assert "still in the old boot" in world.waits()
    assert world.progress.waited is Waited.SAME_BOOT


def test_an_order_that_only_the_record_on_the_host_knows_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer was lost: the run itself does not know that it was recorded."""
    world = World(monkeypatch, lambda now: f"{OLD} stopping" if now < 10 else NEW)
    state: Any = SimpleNamespace(record=replace(world.record, boots=()))
    assert await_boot.await_boot(world, state).note.endswith("as wanted")  # type: ignore[arg-type]
    assert world.record.boots[-1].after == NEW


def test_another_kernel_than_the_wanted_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    world.record = replace(world.record, boots=(Boot(OLD, "6.1.0-99"),))
    assert world.waits().endswith("with 6.1.0-56, NOT 6.1.0-99")


@pytest.mark.parametrize("said", [OLD, f"{OLD} stopping"])
def test_a_host_has_a_while_to_hear_the_order_and_longer_to_go_down(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    world = World(monkeypatch, lambda now: said if now <= 60 else NEW)
    stops = said != OLD
    assert ("as wanted" in world.waits()) is stops
    assert (world.clock.seconds > await_boot._NOT_STOPPING_S) is True
    assert (world.progress.waited is Waited.SAME_BOOT) is not stops


def test_the_cluster_is_asked_about_a_warm_reboot_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda _now: None, off=True)
    assert "the machine is off" in world.waits()
    first = await_boot._ASK_CLUSTER * (await_boot._PAUSE_S + await_boot._ASK_S) - await_boot._PAUSE_S
    assert world.clock.seconds == first


@pytest.mark.parametrize(("takes", "at"), [(0.4, [0.0, 3.0, 6.0]), (4.0, [0.0, 4.5, 9.0])])
def test_a_host_is_asked_every_three_seconds_however_long_an_answer_takes(
    monkeypatch: pytest.MonkeyPatch, takes: float, at: list[float]
) -> None:
    world, asked = World(monkeypatch, lambda now: None if now < 9 else NEW), []

    def silent(_world: Any, *, shortly: bool) -> tuple[None, str]:
        assert shortly
        asked.append(world.clock.seconds)
        if len(asked) > len(at):
            raise KeyboardInterrupt
        world.clock.sleep(takes)
        return None, "no session"

    monkeypatch.setattr(await_boot, "_try_standing", silent)
    with pytest.raises(KeyboardInterrupt):
        world.waits()
    assert asked[: len(at)] == pytest.approx(at)


def test_a_host_that_is_down_is_asked_when_its_ssh_server_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh would wait for a connection that was begun while the machine was off, for as long as it may."""
    world = World(monkeypatch, lambda now: f"{OLD} stopping" if now < 5 else None if now < 60 else NEW)
    world.progress.greeted = True
    assert world.waits().endswith("with 6.1.0-56, as wanted")
    down = [one for one in world.asked if one[1] > 5]
    assert [what for what, _when in down] == ["shortly", "where it stands"]
    assert down[0][1] == 6.0
    assert 60 <= down[1][1] < 60 + await_boot._KNOCK_S + await_boot._PAUSE_S


def test_a_host_whose_ssh_server_greets_nobody_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a firewall that has forgotten who may come in."""
    world = World(monkeypatch, lambda now: None if now < 200 else NEW)
    world.progress.greeted = True
    world.adapters.greets = lambda seconds: world.clock.sleep(seconds)  # always False
    assert world.waits().endswith("with 6.1.0-56, as wanted")
    assert 3 < len(world.asked) < 10


def test_where_it_never_greeted_only_ssh_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, lambda now: None if now < 60 else NEW)
    world.adapters.greets = None
    assert world.waits().endswith("with 6.1.0-56, as wanted")
