"""The whole repair, with a simulated console behind ``ssh`` and a cluster that answers from a table."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from mxlib.adapters import console_repair as nic_service
from mxlib.adapters.console import ConsoleError
from mxlib.adapters.console_repair import (
    Means,
    diagnose_and_repair,
    forecast_for,
    forecast_of,
    why_no_shell,
)
from mxlib.adapters.secret import Secret, SecretError
from mxlib.base.errors import CommandTimeoutError, HostError, ParseError
from mxlib.facts.nic import NicFacts
from mxlib.model.record import Level
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.forecast import Fate
from mxlib.nic.instance import GanetiError, GanetiUnreachableError, NotAnInstanceError
from mxlib.nic.repair import GuestRepair, NicRepairError
from mxlib.nic.screen import Screen, Waiting
from mxlib.protocols.host import CommandResult
from tests.unit.support.console_means import RUNNING, FakeCluster, nowhere
from tests.unit.support.nics import IRON, NETWORKING
from tests.unit.support.rapi import MAC, NAME, FakeRapi


def repaired(inside: GuestRepair | Exception) -> Callable[..., GuestRepair]:
    return mock.Mock(side_effect=[inside])


def test_a_host_that_answers_is_left_alone(means: Means) -> None:
    report = diagnose_and_repair(replace(means, answers=lambda name, family: True), NAME, run="r1")
    assert report.ok
    assert "nothing to repair" in report.headline
    assert not means.transcripts.exists()


def test_the_way_in_and_out_and_the_proof_from_outside(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    up = {4: False, 6: False}

    def inside(host: object, **arguments: object) -> GuestRepair:
        up.update({4: True, 6: True})
        assert arguments["macs"] == (MAC,)
        assert arguments["known"] == {MAC: "ens5"}
        return GuestRepair(Diagnosis(Outage.RENAMED, "by MAC"), ["done"], {"ens5": "ens13"}, "+iface ens13\n")

    monkeypatch.setattr(nic_service, "repair_inside", inside)
    means = replace(means, answers=lambda name, family: up[family])
    report = diagnose_and_repair(means, NAME, run="r1", known={MAC: "ens5"})
    assert report.ok
    assert "another name" in report.headline
    assert any("at its login prompt" in line for line in report.story)
    assert "  | +iface ens13" in report.lines()
    nowhere(means, "\n".join(report.lines()) + repr(report))
    assert "mail login:" in Path(report.transcript).read_text()


def test_a_host_that_comes_up_meanwhile_has_nothing_in_the_way(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen on a host that took six minutes to boot: its firewall was blamed for what had answered by then."""
    up = {4: False, 6: False}

    def inside(host: object, **arguments: object) -> GuestRepair:
        up.update({4: True, 6: True})
        return GuestRepair(Diagnosis(Outage.FIREWALL, "rules: policy drop"))

    monkeypatch.setattr(nic_service, "repair_inside", inside)
    report = diagnose_and_repair(replace(means, answers=lambda name, family: up[family]), NAME, run="r1")
    assert report.ok
    assert report.sentence == f"{NAME} answers over SSH: nothing to repair"
    assert report.diagnosis.cause is Outage.NONE
    assert report.story[-1].endswith("it answers over SSH now, and nothing was changed")


def test_a_repair_that_an_error_ended_is_told_with_what_it_did(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are written, ifup has worked, and then systemd hangs: the host answers, and not by itself."""
    up = {4: False, 6: False}

    def inside(host: object, begun: GuestRepair, **arguments: object) -> GuestRepair:
        up.update({4: True, 6: True})
        begun.diagnosis, begun.acted, begun.diff = Diagnosis(Outage.RENAMED, "by MAC"), True, "+iface ens13\n"
        raise NicRepairError("the repair came to no end, its files are written, copies in /root/x: no end within 30 s")

    monkeypatch.setattr(nic_service, "repair_inside", inside)
    report = diagnose_and_repair(replace(means, answers=lambda name, family: up[family]), NAME, run="r1")
    assert report.ok
    assert report.headline.endswith(Outage.RENAMED.value)
    assert "  | +iface ens13" in report.lines()
    assert not [line for line in report.lines() if "nothing" in line.lower()]
    assert any("copies in /root/x" in line for line in report.story)


def test_one_family_back_is_not_back(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nic_service, "repair_inside", repaired(GuestRepair(Diagnosis(Outage.RENAMED, "by MAC"))))
    report = diagnose_and_repair(replace(means, answers=lambda name, family: family == 4), NAME, run="r1")
    assert not report.ok
    assert "  IPv6: NO answer" in report.lines()


@pytest.mark.parametrize(
    ("options", "holders", "cause"),
    [
        (("--refuse",), (), Outage.LOGIN),
        (("--show", " "), ("socat 1 since yesterday", "socat 2 since now"), Outage.BUSY),
        (("--show", " "), ("socat 2 since now",), Outage.SILENT),
        (("--show", "[ 1.000000] x\\r\\n[    1.000000] Kernel panic - not syncing: x\\r\\n"), (), Outage.PANIC),
        (("--show", "(initramfs) "), (), Outage.INITRAMFS),
        (("--show", "grub rescue> "), (), Outage.GRUB),
        (("--show", "Host key verification failed.\\r\\n", "--end-after", "0.3"), (), Outage.NO_ACCESS),
        (("--expired",), (), Outage.LOGIN),
        (("--expired", "--language", "de"), (), Outage.LOGIN),
        (("--menu", "Wat nu> "), (), Outage.PROMPT),
        (
            ("--show", "Connection to console of instance mx2001 failed\\r\\n", "--end-after", "0.5"),
            (),
            Outage.NOT_RUNNING,
        ),
    ],
)
def test_every_other_way_ends_safe_and_helps(
    means: Means, options: tuple[str, ...], holders: tuple[str, ...], cause: Outage
) -> None:
    means = replace(means, cluster=FakeCluster(*options, holders=holders))  # type: ignore[arg-type]
    report = diagnose_and_repair(means, NAME, run="r1", timeout=2.0)
    assert (report.ok, report.diagnosis.cause) == (False, cause)
    assert report.lines()[-1].startswith("next: ")
    # A command for the cluster names the instance as the cluster does.
    assert NAME not in report.diagnosis.advice
    nowhere(means, "\n".join(report.lines()) + repr(report))


def test_nobody_logs_in_on_a_kernel_that_was_just_seen_to_panic(means: Means) -> None:
    """Who attaches later is shown nothing: two minutes went by, and the console was called silent."""
    panic = Screen(Waiting.PANIC, "Kernel panic - not syncing: x", "the last lines")
    report = diagnose_and_repair(means, NAME, run="r1", panic=panic)
    assert (report.ok, report.diagnosis.cause) == (False, Outage.PANIC)
    assert "Kernel panic - not syncing: x" in report.sentence
    assert report.screen == "the last lines"
    assert NAME not in report.diagnosis.advice, "the cluster knows it by its short name"
    assert not means.transcripts.exists()
    down = replace(RUNNING, status="ERROR_down")
    means = replace(means, rapi=lambda: FakeRapi(down))  # type: ignore[arg-type, return-value]
    report = diagnose_and_repair(means, NAME, run="r1", panic=panic)
    assert report.diagnosis.cause is Outage.NOT_RUNNING, "somebody has switched it off since"


def test_who_reads_a_silent_console_is_said_to_be_unknown_where_the_node_does_not_say(means: Means) -> None:
    cluster = FakeCluster("--show", " ", holders=HostError("the master: no end within 30 s"))
    report = diagnose_and_repair(replace(means, cluster=cluster), NAME, run="r1", timeout=2.0)  # type: ignore[arg-type]
    assert any("whether somebody else reads it is unknown: the master: no end" in line for line in report.story)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CommandTimeoutError("no end within 26 s: read 2 facts"), Outage.UNKNOWN),
        (ParseError("no such form"), Outage.UNKNOWN),
        (NicRepairError("ifup failed; the files were put back"), Outage.UNCERTAIN),
    ],
)
def test_what_could_not_be_asked_inside_says_nothing_of_the_names(
    means: Means, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: Outage
) -> None:
    monkeypatch.setattr(nic_service, "repair_inside", repaired(error))
    report = diagnose_and_repair(means, NAME, run="r1")
    assert (report.diagnosis.cause, report.diagnosis.why) == (cause, str(error))


def test_an_instance_that_is_down_needs_no_console(means: Means) -> None:
    down = replace(RUNNING, status="ERROR_down")
    report = diagnose_and_repair(replace(means, rapi=lambda: FakeRapi(down)), NAME, run="r1")  # type: ignore[arg-type, return-value]
    assert report.diagnosis.cause is Outage.NOT_RUNNING
    assert "gnt-instance start" in report.lines()[-1]
    assert not means.transcripts.exists()


@pytest.mark.parametrize(
    ("status", "cause", "advice"),
    [
        ("ADMIN_down", Outage.NOT_RUNNING, "gnt-instance start"),
        ("USER_down", Outage.NOT_RUNNING, "gnt-instance start"),
        ("ERROR_wrongnode", Outage.UNKNOWN, "gnt-instance info"),
        ("ERROR_nodedown", Outage.UNKNOWN, "gnt-instance info"),
        ("ERROR_nodeoffline", Outage.UNKNOWN, "gnt-instance info"),
        ("ADMIN_offline", Outage.UNKNOWN, "gnt-instance info"),
        ("something new", Outage.UNKNOWN, "gnt-instance info"),
    ],
)
def test_only_what_is_surely_off_is_to_be_started(means: Means, status: str, cause: Outage, advice: str) -> None:
    """On a node that is down, or on the wrong one, it may run: started, it would run twice."""
    rapi = FakeRapi(replace(RUNNING, status=status))
    report = diagnose_and_repair(replace(means, rapi=lambda: rapi), NAME, run="r1")  # type: ignore[arg-type, return-value]
    assert (report.diagnosis.cause, advice in report.lines()[-1]) == (cause, True)
    assert ("start" in report.lines()[-1]) is (cause is Outage.NOT_RUNNING)
    assert not means.transcripts.exists()


def test_a_machine_that_runs_although_it_should_not_has_a_console(means: Means) -> None:
    rapi = FakeRapi(replace(RUNNING, status="ERROR_up"))
    cluster = FakeCluster("--show", "(initramfs) ")
    report = diagnose_and_repair(replace(means, rapi=lambda: rapi, cluster=cluster), NAME, run="r1", timeout=2.0)  # type: ignore[arg-type, return-value]
    assert report.diagnosis.cause is Outage.INITRAMFS


def test_a_dead_remote_api_does_not_stop_the_repair(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = mock.Mock(side_effect=[GuestRepair(Diagnosis(Outage.RENAMED, "by elimination"))])
    monkeypatch.setattr(nic_service, "repair_inside", inside)
    dead = FakeRapi(GanetiUnreachableError("https://x does not answer"))
    report = diagnose_and_repair(replace(means, rapi=lambda: dead), NAME, run="r1")  # type: ignore[arg-type, return-value]
    assert inside.call_args.kwargs["macs"] is None
    assert any("the repair has the console alone" in line for line in report.story)


def test_without_a_password_or_in_a_dry_run_nobody_logs_in(means: Means) -> None:
    def none() -> Secret:
        raise SecretError("password file /x: No such file or directory")

    report = diagnose_and_repair(replace(means, password=none), NAME, run="r1")
    assert report.diagnosis.cause is Outage.NO_ACCESS
    assert "0600" in report.lines()[-1]
    dry = diagnose_and_repair(replace(means, dry_run=True), NAME, run="r1")
    assert dry.diagnosis.cause is Outage.NO_ACCESS
    assert not means.transcripts.exists()


def test_a_login_that_does_not_end_in_time_says_so(means: Means) -> None:
    screen = Screen(Waiting.LOGIN, "", "mx1001 login: ")
    console: Any = SimpleNamespace(alive=True)
    found = why_no_shell(means, NAME, console, ConsoleError("no root shell on the console within 60 s", screen))
    assert found.cause is Outage.UNKNOWN
    assert found.why == "no root shell on the console within 60 s; the console shows a login prompt"


class Guest:
    name = NAME

    def read(self, script: str, *, timeout: float) -> CommandResult:
        mark = script.partition("\n")[0].removeprefix("mark=")
        device = f"nic ens5\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:05.0/virtio2\nend"
        text = "".join(
            f"{mark} begin {name}\n{body}\n\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name, body in (("nic-devices", device), ("nic-files", "end"), ("nic-networking", f"{NETWORKING}end"))
        )
        return CommandResult(script, 0, text, datetime(2026, 1, 1, tzinfo=UTC), 0.0)


@pytest.mark.parametrize(
    ("answer", "fate", "virtual"),
    [
        (NotAnInstanceError("no"), Fate.UNKNOWN, None),
        (GanetiError("HTTP 401"), Fate.UNKNOWN, None),
        (GanetiUnreachableError("dead"), Fate.UNKNOWN, None),
    ],
)
def test_a_forecast_without_an_answer(means: Means, answer: Exception, fate: Fate, virtual: bool | None) -> None:
    found = forecast_for(Guest(), replace(means, rapi=lambda: FakeRapi(answer)))  # type: ignore[arg-type, return-value]
    assert (found.fate(Level.COLD), found.virtual) == (fate, virtual)
    assert forecast_for(Guest(), None).virtual is None  # type: ignore[arg-type]
    physical = NicFacts((), (), (), IRON)
    none = replace(means, rapi=lambda: FakeRapi(NotAnInstanceError("no")))  # type: ignore[arg-type, return-value]
    assert forecast_of(NAME, physical, none).virtual is False
    assert forecast_of(NAME, physical, None).virtual is False
