"""The guard's judgements: what blocks taking a host out."""

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from mxlib.base.verdict import Status, Verdict
from mxlib.facts.depool import DepoolFacts
from mxlib.facts.grub import GrubEntry, GrubFacts, MenuItem
from mxlib.facts.kernel import InstalledKernel, KernelFacts
from mxlib.facts.section import SectionOutput
from mxlib.facts.sockets import Socket
from mxlib.model.on_host import Kept
from mxlib.model.state import MtaState, Ports, Puppet, Slot
from mxlib.mta.standing import Standing
from mxlib.reboot import readiness
from mxlib.reboot.readiness import Busy, busy
from mxlib.reboot.steps import guard
from tests.unit.support.facts import NOW
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD

OLD, NEW = "6.1.0-55", "6.1.0-56"


def failed(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Why each check failed that did not pass."""
    return {one.check: one.why for one in verdicts if not one.passed}


def stands(*, record: Any = None, **changed: Any) -> Standing:
    own = {"mta_unit": "active", "listeners": 2, "masked": False, "stopping": False}
    seen = {key: value for key, value in changed.items() if key not in own}
    depool = DepoolFacts(record, Kept(), 0, persisted=False, traces=False, closed_ports=None)
    return Standing(view(**seen), depool, **{**own, **{key: changed[key] for key in own if key in changed}})


@pytest.mark.parametrize(
    ("found", "status", "why"),
    [
        (Puppet.ON, Status.OK, "Puppet is enabled"),
        (Puppet.OFF, Status.OK, "Puppet is disabled already"),
        (Puppet.ABSENT, Status.OK, "there is no Puppet to disable"),
        (
            Puppet.UNKNOWN,
            Status.UNKNOWN,
            "whether Puppet is disabled cannot be read: expected disable-puppet, enable-puppet and "
            "/usr/local/share/bash/puppet-common.sh on the host, or puppet: false",
        ),
    ],
)
def test_a_puppet_that_cannot_be_read_is_not_called_enabled(found: Puppet, status: Status, why: str) -> None:
    assert readiness.puppet(stands(puppet=found)) == Verdict("puppet", status, why)


@pytest.mark.parametrize(
    ("local", "port", "status"),
    [
        ("0.0.0.0", 25, Status.OK),
        ("192.0.2.11", 2525, Status.FAILED),
        ("::", 2525, Status.FAILED),
        ("*", 2525, Status.FAILED),
        ("127.0.0.1", 2525, Status.OK),
        ("::1", 2525, Status.OK),
    ],
)
def test_a_port_that_the_mta_serves_and_no_run_closes_is_a_finding(local: str, port: int, status: Status) -> None:
    exim, other = (("exim4", 7),), (("nginx", 8),)
    listening = (Socket("::", 25, "*", 0, exim), Socket(local, port, "*", 0, exim), Socket("::", 443, "*", 0, other))
    found = readiness.listeners(listening, (25, 587))
    assert (found.check, found.status) == ("listeners", status)
    assert ("listens on 2525 too, which stays open" in found.why) is (status is Status.FAILED)


def test_a_program_that_ss_does_not_name_may_listen_elsewhere_too() -> None:
    assert readiness.listeners((Socket("::", 25, "*", 0),), (25,)).status is Status.UNKNOWN


def test_a_pool_that_cannot_be_read_is_not_called_none() -> None:
    unread = Verdict("pool-unread", Status.UNKNOWN, "the pool state cannot be read, and is left as it is")
    assert readiness.pool(None, "no") == unread
    assert readiness.pool({}, "no") == Verdict("pool", Status.OK, "no pool in front")


def test_a_host_that_serves_and_that_nobody_has_taken_out_is_ready() -> None:
    found = list(readiness.standing(stands(), Ports.OPEN))
    assert [one.check for one in found] == ["record", "ports", "mta", "next-entry", "shutdown"]
    assert failed(found) == {}


@pytest.mark.parametrize(
    ("found", "ports", "check", "why"),
    [
        (stands(record=RECORD), Ports.OPEN, "record", "taken out by run run-1 (op@cumin1001 since now): because"),
        (stands(), Ports.PARTLY, "ports", "mail ports are partly by a table that no run owns"),
        (
            stands(mta=MtaState.OTHER, mta_unit="failed", listeners=0, masked=True),
            Ports.OPEN,
            "mta",
            "the MTA is not serving: its unit is failed, 0 sockets listen on port 25, masked: True",
        ),
        (stands(next="m>b"), Ports.OPEN, "next-entry",
         "a one-time boot entry is set already: m>b; a reboot takes its place, and it is not set again"),
        (stands(stopping=True), Ports.OPEN, "shutdown", "a shutdown is under way"),
    ],
)
def test_what_blocks_a_host_is_named_alone(found: Standing, ports: Ports, check: str, why: str) -> None:
    assert failed(readiness.standing(found, ports)) == {check: why}


def kernel(release: str, version: str, **lacks: bool) -> InstalledKernel:
    parts = {"package_installed": True, "vmlinuz": True, "initrd": True, "modules": True, **lacks}
    return InstalledKernel(release, version=version, **parts)


def menu(*releases: str, **changed: Any) -> GrubFacts:
    entries = (GrubEntry(f"m>gnulinux-{one}-advanced-u", one, recovery=False) for one in releases)
    items = tuple(MenuItem(one.release, one.full_id, entry=one) for one in entries)
    return replace(GrubFacts("saved", False, "", "", items, environment_writable=True), **changed)


KERNELS = KernelFacts(OLD, (kernel(OLD, "6.1.160-1"), kernel(NEW, "6.1.170-3")), "6.1.160-1")


def test_both_kernels_are_whole_and_have_an_entry() -> None:
    found = list(readiness.kernels(KERNELS, menu(OLD, NEW), NEW))
    assert failed(found) == {}
    assert [one.check for one in found] == [
        *("kernel-target", "entry-target", "kernel-fallback", "entry-fallback", "fallback"),
    ]


@pytest.mark.parametrize(
    ("found", "grub", "target", "said"),
    [
        (
            replace(KERNELS, installed=(KERNELS.installed[0], kernel(NEW, "6.1.170-3", initrd=False, modules=False))),
            menu(OLD, NEW),
            NEW,
            {"kernel-target": f"target {NEW} lacks initrd, modules"},
        ),
        (
            KERNELS,
            menu(NEW),
            NEW,
            {"entry-fallback": f"{OLD} has no entry in grub.cfg"},
        ),
        (
            KERNELS,
            menu(OLD, NEW),
            "6.1.0-99",
            {"kernel-target": "target 6.1.0-99 lacks everything", "entry-target": "6.1.0-99 has no entry in grub.cfg"},
        ),
        (
            KERNELS,
            menu(OLD, NEW),
            OLD,
            {"target-runs": f"{OLD} is running already: this would only restart the host"},
        ),
        (
            replace(KERNELS, build="6.1.159-1"),
            menu(OLD, NEW),
            OLD,
            {
                "fallback": f"the fallback is the target itself, {OLD}: there would be nothing to return to; "
                "it runs as 6.1.159-1, and only 6.1.160-1 is on the disk",
            },
        ),
    ],
)
def test_a_kernel_that_cannot_be_booted_or_returned_to(
    found: KernelFacts, grub: GrubFacts, target: str, said: dict[str, str]
) -> None:
    assert failed(readiness.kernels(found, grub, target)) == said


@pytest.mark.parametrize(
    ("build", "replaced", "findings"),
    [("6.1.160-1", False, []), ("6.1.159-1", False, ["fallback"]), ("6.1.160-1", True, ["fallback"])],
)
def test_a_cold_start_into_the_running_kernel_is_in_nobodys_way_unless_another_build_of_it_would_boot(
    build: str, replaced: bool, findings: list[str]
) -> None:
    found = replace(KERNELS, build=build)
    judged = failed(readiness.kernels(found, menu(OLD), OLD, cold=True, replaced=replaced))
    assert list(judged) == findings
    assert list(failed(readiness.kernels(found, menu(OLD), OLD, replaced=replaced))) == (findings or ["target-runs"])


@pytest.mark.parametrize(
    ("changed", "check", "why"),
    [
        ({"default": "0"}, "grub-default", "GRUB boots 0, not the saved entry"),
        ({"savedefault": True}, "grub-savedefault", "no fallback would stay armed"),
        (
            {"environment_writable": False, "environment_problem": "/boot is on LVM"},
            "grub-environment",
            "GRUB would not boot a one-time entry once: /boot is on LVM",
        ),
    ],
)
def test_a_menu_that_would_boot_something_else(changed: dict[str, Any], check: str, why: str) -> None:
    assert failed(readiness.boot_menu(menu(OLD))) == {}
    found = failed(readiness.boot_menu(menu(OLD, **changed)))
    assert list(found) == [check]
    assert why in found[check]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, {}),
        ({"package_lock": True}, {"packages": "apt or dpkg is running"}),
        ({"logins": ("op on pts/0", "root on ttyS0")}, {"logins": "somebody is logged in: op on pts/0; root on ttyS0"}),
        ({"inhibitors": ("root 812 apt",)}, {"inhibitors": "something inhibits a shutdown: root 812 apt"}),
        ({"has_nft": False}, {"nft": "there is no nft: the ports cannot be closed for good"}),
    ],
)
def test_who_else_is_at_work_on_the_host(changed: dict[str, Any], said: dict[str, str]) -> None:
    quiet = Busy(package_lock=False, logins=(), inhibitors=(), has_nft=True)
    assert failed(busy(replace(quiet, **changed))) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"smtp": "yes", "submission": "yes"}, {}),
        ({}, {}),
        (
            {"smtp": "no", "submission": "inactive", "imap": "yes"},
            {"pool": "somebody has taken it out of the pool already: smtp=no, submission=inactive"},
        ),
    ],
)
def test_a_host_that_somebody_has_taken_out_of_the_pool(values: dict[str, str], said: dict[str, str]) -> None:
    assert failed([readiness.pool(values, "no")]) == said


@pytest.mark.parametrize(
    ("found", "status", "why"),
    [
        *((one, Status.OK, "the slot is free") for one in (Slot.FREE, Slot.LEFT, Slot.MINE)),
        (Slot.OTHERS, Status.FAILED, "held by somebody else"),
        (Slot.UNKNOWN, Status.UNKNOWN, "the slot of the service cannot be read: "),
    ],
)
def test_the_slot_is_had_or_not_or_unknown(found: Slot, status: Status, why: str) -> None:
    verdict = readiness.slot(found, "")
    assert (verdict.status, verdict.why) == (status, why)
    taken = readiness.slot(Slot.OTHERS, "run r1 by op@cumin1001 on mx1001")
    assert taken.why == "run r1 by op@cumin1001 on mx1001"


@pytest.mark.parametrize(
    ("tool", "status", "why"),
    [
        ("exit 0", Status.OK, "no inhibitor"),
        ("echo 'Backup 0 root 812 tar sleep The backup runs block'", Status.OK, "no inhibitor"),
        ("echo 'Packages 0 root 812 apt shutdown An upgrade block'", Status.FAILED, "root 812 apt shutdown An upgrade"),
        ("echo 'Failed to connect to bus' >&2; exit 1", Status.UNKNOWN, "cannot be read: Failed to connect to bus"),
        ("exit 1", Status.UNKNOWN, "cannot be read: systemd-inhibit says nothing"),
    ],
)
def test_what_inhibits_a_shutdown_is_unknown_where_it_cannot_be_read(tool, status, why):
    script = guard.BUSY.script.replace("systemd-inhibit", "inhibit")
    argv = ["sh", "-c", f"inhibit() {{ ( {tool} ); }}\n{script}"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = guard.parse_busy({guard.BUSY.name: SectionOutput(guard.BUSY.name, guard.BUSY.script, 0, text, "", NOW)})
    (verdict,) = [one for one in busy(found) if one.check == "inhibitors"]
    assert verdict.status is status
    assert why in verdict.why
