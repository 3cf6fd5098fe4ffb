"""The machine from outside: what the guard says of a reboot, its cold start, and what helps when it is silent."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.adapters import ganeti_rescue as rescue_module
from mxlib.adapters.ganeti_rescue import GanetiRescue, NoMachineAccess, judge_names
from mxlib.adapters.secret import from_file
from mxlib.base.errors import CommandFailedError, HostUnreachableError
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.nic import NicFacts
from mxlib.model.record import Level
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.forecast import Effect, Fate, Forecast, NicForecast, without_instance
from mxlib.nic.instance import GanetiError, GanetiUnreachableError, Instance, NotAnInstanceError
from mxlib.nic.prevent import note_script
from mxlib.nic.report import RepairReport
from mxlib.nic.screen import Screen, Waiting
from tests.unit.support.fakes import FakeClock
from tests.unit.support.nics import EN_ALL, HOST, IRON, card, ifupdown, networkd
from tests.unit.support.rapi import MAC, NAME, FakeRapi

STANZAS = "allow-hotplug ens5\niface ens5 inet static\n\taddress 192.0.2.21/24\n"
HVPARAMS = {
    "kvm_pci_reservations": 12,
    "disk_type": "paravirtual",
    "reboot_behavior": "reboot",
    "machine_version": "",
    "acpi": True,
}
MACHINE = Instance(NAME, "ganeti01.lab.test", "running", (MAC,), 1, HVPARAMS)


def told(cold: Fate = Fate.RENAMED, guest: Fate = Fate.KEPT) -> Forecast:
    def outcome(fate: Fate) -> Effect:
        name = {Fate.KEPT: "ens5", Fate.RENAMED: "ens13"}.get(fate)
        return Effect(fate, name, f"{fate.value}: PCI slot 5 becomes 13")

    outcomes = {Level.GUEST: outcome(guest), Level.POWER_CYCLE: outcome(Fate.KEPT), Level.COLD: outcome(cold)}
    return Forecast(NAME, (NicForecast("ens5", MAC, 5, outcomes),))


class FakeCluster:
    """A machine that is off until it is started; one that was once started paused is so after each power cycle."""

    def __init__(self, *, status: str = "ERROR_down", once_paused: bool = False) -> None:
        self.state, self.once_paused, self.is_paused = status, once_paused, False
        self.done: list[str] = []

    def status(self, name: str) -> tuple[str, str]:
        return self.state, "ganeti01.lab.test"

    def switched_off(self, name: str) -> bool:
        if self.state == "dead":
            raise GanetiError("no master")
        return self.state == "ERROR_down"

    def start(self, name: str) -> None:
        self.done.append("start")
        self.state = "running"

    def paused(self, name: str, node: str) -> bool:
        return self.is_paused

    def unpause(self, name: str, node: str) -> None:
        self.is_paused = False

    def power_cycle(self, name: str) -> None:
        self.done.append("power cycle")
        self.is_paused = self.once_paused

    def console_argv(self, name: str, ssh_options: tuple[str, ...]) -> tuple[str, ...]:
        return ("true",)


def raising(error: Exception) -> Callable[..., Any]:
    def fails(*_args: object, **_kw: object) -> None:
        raise error

    return fails


def made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: Forecast | None = None, **changes: object
) -> GanetiRescue:
    means = SimpleNamespace(
        rapi=lambda: FakeRapi(MACHINE), cluster=FakeCluster(), clock=FakeClock(), dry_run=False, transcripts=tmp_path,
        password_file=None, ssh_options=(), say=lambda line: None,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(means, name, value)
    monkeypatch.setattr(rescue_module, "forecast_of", lambda name, cards, means: expected or told())
    monkeypatch.setattr(rescue_module, "forecast_for", lambda host, means: expected or told())
    monkeypatch.setattr(
        rescue_module, "read_facts", lambda host, sources: SimpleNamespace(get=lambda _: ifupdown(STANZAS))
    )
    monkeypatch.setattr(
        rescue_module, "prove_console", lambda means, name, run: Verdict("console", Status.OK, "serves")
    )
    host = SimpleNamespace(name=NAME)
    return GanetiRescue(means, host, "run1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("level", "prevention", "status", "why"),
    [
        (Level.GUEST, "none", Status.OK, "this reboot keeps the network names (ens5)"),
        (Level.COLD, "none", Status.FAILED, "this cold start renames ens5 to ens13 (PCI slot 5 becomes 13)"),
        (Level.COLD, "none", Status.FAILED, "--accept nic-forecast"),
        (Level.COLD, "stanzas", Status.OK, "prevented by stanzas"),
    ],
)
def test_the_guard_says_what_this_level_does(level: Level, prevention: str, status: Status, why: str) -> None:
    found, said = judge_names(told(), ifupdown(STANZAS), level, prevention, console=True)
    assert found is status
    assert why in said


def test_the_guard_offers_only_what_can_be_done_here() -> None:
    bridge = ifupdown("auto br0\niface br0 inet dhcp\n\tbridge_ports ens5\n")
    _, said = judge_names(told(), bridge, Level.COLD, "none", console=True)
    assert "--prevention link;" in said
    assert "--accept nic-forecast leaves it to a repair over the console" in said
    status, said = judge_names(told(), bridge, Level.COLD, "stanzas", console=False)
    assert status is Status.UNKNOWN
    assert "--prevention stanzas: two stanzas are not certain to work" in said
    assert "prevent it with --prevention link" in said
    assert "--accept" not in said


def test_the_guard_lets_pass_what_the_configuration_serves_under_either_name() -> None:
    for level in (Level.COLD, Level.GUEST):
        found, said = judge_names(
            told(guest=Fate.RENAMED), networkd({"a.network": EN_ALL}), level, "none", console=False
        )
        assert (found, "/etc/systemd/network/a.network" in said) == (Status.OK, True)


def test_what_the_configuration_serves_is_not_prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rescue = made(monkeypatch, tmp_path)
    assert rescue.renames() == {"ens5": "ens13"}
    served = SimpleNamespace(get=lambda _: networkd({"a.network": EN_ALL}))
    monkeypatch.setattr(rescue_module, "read_facts", lambda host, sources: served)
    assert rescue.renames() == {}


@pytest.mark.parametrize(("fate", "status"), [(Fate.UNKNOWN, Status.UNKNOWN), (Fate.NO_START, Status.FAILED)])
def test_what_cannot_be_known_or_would_not_start_is_not_prevented(fate: Fate, status: Status) -> None:
    assert judge_names(told(cold=fate), ifupdown(STANZAS), Level.COLD, "stanzas", console=True)[0] is status


def test_a_reboot_from_inside_that_is_a_cold_start_is_ordered_as_one() -> None:
    status, said = judge_names(told(guest=Fate.RENAMED), ifupdown(STANZAS), Level.GUEST, "stanzas", console=True)
    assert status is Status.FAILED
    assert "--level cold" in said


def test_the_guard_names_what_defeats_the_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for parameters, why in (
        ({"kernel_path": "/boot/vmlinuz"}, "kernel_path"),
        ({"boot_order": "network"}, "reinstall the host"),
    ):
        machine = replace(MACHINE, hvparams={**HVPARAMS, **parameters})
        rescue = made(monkeypatch, tmp_path, rapi=lambda machine=machine: FakeRapi(machine))
        verdicts = {one.check: one for one in rescue.ready(SimpleNamespace(name=NAME), Level.GUEST, "none")}  # type: ignore[arg-type]
        assert verdicts["machine"].status is Status.FAILED
        assert why in verdicts["machine"].why
    exits = replace(MACHINE, hvparams={**HVPARAMS, "reboot_behavior": "exit"})
    rescue = made(monkeypatch, tmp_path, rapi=lambda: FakeRapi(exits))
    said = rescue.ready(SimpleNamespace(name=NAME), Level.GUEST, "none")  # type: ignore[arg-type]
    assert "rebuilt" in {one.check: one.said for one in said}["machine"]


def test_a_dead_remote_api_is_unknown_and_a_physical_host_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = SimpleNamespace(name=NAME)
    dead = made(monkeypatch, tmp_path, rapi=lambda: FakeRapi(GanetiUnreachableError("no answer")))
    assert {one.check: one.status for one in dead.ready(host, Level.GUEST, "none")}["machine"] is Status.UNKNOWN  # type: ignore[arg-type]
    newer = replace(card(), next_name="ens5np0")
    for nic, networking, status in (
        (card(), IRON, Status.OK), (newer, IRON, Status.FAILED), (card(), HOST, Status.UNKNOWN),
    ):  # fmt: skip
        expected = without_instance(NAME, NicFacts((nic,), (), (), networking), "knows no instance")
        none = lambda: FakeRapi(NotAnInstanceError("knows no instance"))  # noqa: E731
        physical = made(monkeypatch, tmp_path, rapi=none, expected=expected)
        assert [one.status for one in physical.ready(host, Level.GUEST, "none")] == [status]  # type: ignore[arg-type]
        assert [one.status for one in physical.ready(host, Level.COLD, "none")] == [Status.FAILED]  # type: ignore[arg-type]


def test_a_dry_run_does_not_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rescue = made(monkeypatch, tmp_path, dry_run=True)
    assert "console" not in {one.check for one in rescue.ready(SimpleNamespace(name=NAME), Level.GUEST, "none")}  # type: ignore[arg-type]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_missing_password_is_found_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dry_run: bool
) -> None:
    path = tmp_path / "rapi-password"
    rescue = made(monkeypatch, tmp_path, dry_run=dry_run, rapi=lambda: from_file(path))
    verdicts = {one.check: one for one in rescue.ready(SimpleNamespace(name=NAME), Level.GUEST, "none")}  # type: ignore[arg-type]
    assert (verdicts["machine"].status, verdicts["machine"].why) == (
        Status.UNKNOWN, f"password file {path}: No such file or directory",
    )  # fmt: skip
    rescue = made(monkeypatch, tmp_path, dry_run=True, password_file=path)
    verdicts = {one.check: one for one in rescue.ready(SimpleNamespace(name=NAME), Level.GUEST, "none")}  # type: ignore[arg-type]
    assert (verdicts["console"].status, verdicts["console"].why) == (
        Status.FAILED, f"password file {path}: No such file or directory",
    )  # fmt: skip


def test_without_a_cluster_there_is_no_cold_start() -> None:
    host = SimpleNamespace(name=NAME)
    assert NoMachineAccess().ready(host, Level.GUEST, "none") == ()  # type: ignore[arg-type]
    assert NoMachineAccess().ready(host, Level.COLD, "none")[0].status is Status.FAILED  # type: ignore[arg-type]
    assert not NoMachineAccess().off()


@pytest.mark.parametrize("console", [True, False])
def test_a_cold_start_says_whether_its_console_is_on_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, console: bool
) -> None:
    rescue = made(monkeypatch, tmp_path)
    if not console:
        monkeypatch.setattr(rescue_module, "open_console", raising(GanetiError("somebody has it")))
    said = rescue.power_on()
    rescue.unwatch()
    assert ("without its console" in said) is not console


def test_a_machine_that_was_once_started_paused_runs_after_a_power_cycle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ganeti keeps the flag of its last start for a soft reboot."""
    cluster = FakeCluster(status="running", once_paused=True)
    made(monkeypatch, tmp_path, cluster=cluster).power_cycle()
    assert (cluster.done, cluster.is_paused) == (["power cycle"], False)


def test_a_power_cycle_is_done_where_nobody_says_whether_the_machine_is_paused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster = FakeCluster(status="running")
    monkeypatch.setattr(cluster, "status", raising(GanetiError("no master")))
    assert "is on again" in made(monkeypatch, tmp_path, cluster=cluster).power_cycle()


def test_the_names_of_the_cards_are_noted_by_a_command_as_the_forecast_has_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rescue = made(monkeypatch, tmp_path)
    assert rescue.note_script() == note_script(rescue._forecast.known())  # type: ignore[union-attr]
    assert note_script({"aa:00": "ens5"}).endswith("/nic/names 'aa:00 ens5\n'")
    unreachable = made(monkeypatch, tmp_path)

    def silent(*_given: object) -> None:
        raise HostUnreachableError("no session")

    monkeypatch.setattr(rescue_module, "forecast_for", silent)
    assert unreachable.note_script() == "", "a repair over the console knows less then; the order is given"
    assert NoMachineAccess().note_script() == ""


def test_a_console_has_one_reader_of_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    rescue = made(monkeypatch, tmp_path)
    monkeypatch.setattr(rescue_module, "open_console", lambda means, name, *_: opened.append(name))
    monkeypatch.setattr(rescue_module, "BootWatch", lambda _console: nullcontext("a watch"))
    for _ in range(2):
        rescue.attach()
    rescue.unwatch()
    rescue.attach()
    assert opened == [NAME, NAME]


def test_what_the_cluster_does_not_tell_is_not_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for status, off in (("ERROR_down", True), ("running", False), ("ADMIN_down", False), ("dead", False)):
        assert made(monkeypatch, tmp_path, cluster=FakeCluster(status=status)).off() is off


@pytest.mark.parametrize(
    ("cause", "started", "power"),
    [
        (Outage.PANIC, False, True),
        (Outage.RENAMED, False, False),
        (Outage.UNCERTAIN, False, False),
        (Outage.UNKNOWN, False, True),
        (Outage.LOGIN, False, True),
        (Outage.LOGIN, True, False),
        (Outage.BUSY, True, False),
        (Outage.SILENT, True, True),
    ],
)
def test_a_power_cycle_is_left_out_where_it_keeps_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cause: Outage, started: bool, power: bool
) -> None:
    report = RepairReport(NAME, diagnosis=Diagnosis(cause, "seen", "Do this."))
    monkeypatch.setattr(rescue_module, "diagnose_and_repair", lambda *args, **options: report)
    rescue = made(monkeypatch, tmp_path)
    rescue.renames()
    if started:
        rescue.power_on()
    mended = rescue.mend()
    assert (mended.back, mended.power) == (False, power)
    assert mended.note.endswith("(seen). Do this.")


def test_a_panic_that_was_seen_is_told_to_the_repair_of_that_boot_and_of_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told_: list[Screen | None] = []

    def repaired(*_args: object, panic: Screen | None, **_options: object) -> RepairReport:
        told_.append(panic)
        return RepairReport(NAME, diagnosis=Diagnosis(Outage.PANIC, "seen", "Do this."))

    seen = Screen(Waiting.PANIC, "not syncing", "last")
    watch = SimpleNamespace(panic=lambda: seen, standstill=lambda: "a kernel panic: not syncing")
    monkeypatch.setattr(rescue_module, "diagnose_and_repair", repaired)
    monkeypatch.setattr(rescue_module, "open_console", lambda *_: None)
    monkeypatch.setattr(rescue_module, "BootWatch", lambda _console: nullcontext(watch))
    rescue = made(monkeypatch, tmp_path)
    rescue.mend()
    rescue.attach()
    rescue.mend()
    rescue.attach()
    assert rescue.stuck() == "a kernel panic: not syncing"
    rescue.unwatch()
    rescue.mend()
    rescue.attach()
    rescue.unwatch()
    rescue.mend()
    assert told_ == [None, None, seen, None]


def test_a_start_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = FakeCluster()

    def fails(name: str) -> None:
        raise CommandFailedError("exit code 1: exited with exit code 1")

    cluster.start = fails  # type: ignore[method-assign]
    with pytest.raises(CommandFailedError):
        made(monkeypatch, tmp_path, cluster=cluster).power_on()
