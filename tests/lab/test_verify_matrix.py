"""Fault x check on the real hosts: its own checks name each fault, and no other check fails, on either host."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from lab import demo
from lab.faults import catalogue as faults
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, exchanger
from lab.shell import wait_for
from tests.lab.verification import Verification, verify

FAILED, UNKNOWN = "FAILED", "UNKNOWN"
WITHIN_S = 60
MX1, MX2 = "mx1001", "mx2001"

PROVIDER = ("outbound-provider", "outbound-provider-v4", "outbound-provider-v6")
OUTBOUND = (*PROVIDER, "outbound-tickets", "outbound-lists")
INBOUND = ("inbound-v4", "inbound-v6", "inbound-peers")


def failed(*checks: str) -> dict[str, str]:
    return dict.fromkeys(checks, FAILED)


def unknown(*checks: str) -> dict[str, str]:
    return dict.fromkeys(checks, UNKNOWN)


def both(checks: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    return {MX1: checks, MX2: checks}


@dataclass(frozen=True)
class Case:
    """Faults, each on a host, and the checks that must name them on each host; all others must be OK."""

    faults: tuple[tuple[str, str], ...]
    expected: Mapping[str, Mapping[str, str]]
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    say: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return "+".join(f"{name}@{host}" for name, host in self.faults)


# A full disk refuses mail from outside and from the host itself, so the checks of mail fail as well: one fault, named
# first by `disk`. Mail that waits within the queue's limits shows in the sums and is no check of its own.
FULL_DISK = failed("disk", *OUTBOUND, *INBOUND) | unknown("relay", "same-answers", "aliases-answers")
# Without the firewall a required unit is missing, too: two names for one fault, both right.
NO_FIREWALL = failed("units", "firewall")

QUICK = (
    Case((("no-ferm", MX1), ("dead-spamd", MX2)), {MX1: NO_FIREWALL, MX2: failed("units")}, ("--no-probes",)),
    Case((("nic-renumber", MX2),), {MX2: failed("nic")}, ("--no-probes",), say=("ens5 to ens13", "--pin")),
)
# One fault a host; those of both hosts, and of services that no other check needs, are tested together.
BAD_KERNEL = failed("outbound-provider-v4", "outbound-provider-v6")
SINGLE = (
    Case((("bad-kernel", MX2), ("dead-spamd", MX1)), {MX2: BAD_KERNEL, MX1: failed("units")}, say=("THIS HOST",)),
    Case(
        (("stale-hints", MX1), ("stuck-aliases", MX2)),
        {MX1: failed(*PROVIDER), MX2: failed("aliases")},
        say=("THIS HOST", "not tried, and bounced", "hangs: activating"),
    ),
    Case(
        (("cut-aliases", MX2), ("second-disk", MX1)),
        {
            MX1: failed("nic", "same-answers"),
            MX2: failed("aliases", "aliases-peers", "aliases-answers", "same-answers"),
        },
        say=("ens5 to ens6", "1 entries, mx1001.lab.test has 5"),
    ),
    Case((("no-ferm", MX2), ("bad-kernel", MX1)), {MX2: NO_FIREWALL, MX1: BAD_KERNEL}, say=("THIS HOST",)),
    Case((("disk-full", MX2),), {MX2: FULL_DISK, MX1: unknown("same-answers")}, say=("insufficient disk space",)),
    Case((("provider-4xx", MX1), ("alertmanager-down", MX1)), both(failed(*PROVIDER) | unknown("alerts"))),
    Case((("provider-down", MX1), ("rapi-down", MX1)), both(failed(*PROVIDER) | unknown("nic")), say=("REMOTE END",)),
    # Only bodies above 100 kB stall: the small ones pass.
    Case((("provider-stall", MX1),), both(BAD_KERNEL), say=("REMOTE END",)),
    # The budget of test mails is in etcd; so are Spicerack's own locks.
    Case(
        (("etcd-down", MX1),),
        both(unknown(*OUTBOUND, "conntrack-growth", "fastopen-growth")),
        options=("--no-locks",),
        say=("--over-budget sends",),
    ),
    # Not a fault of a running host: no check may fail.
    Case(
        (("kernel-panic", MX1), ("kernel-hang", MX2), ("console-password", MX2), ("console-busy", MX2)),
        {},
        ("--no-probes",),
    ),
)
PAIRS = (
    Case((("no-ferm", MX2), ("dead-spamd", MX2)), {MX2: NO_FIREWALL}, ("--no-probes",), say=("spamd.service",)),
    Case((("provider-4xx", MX1), ("dead-spamd", MX2)), {MX1: failed(*PROVIDER), MX2: failed(*PROVIDER, "units")}),
    Case((("stale-hints", MX1), ("provider-down", MX1)), {MX1: failed(*PROVIDER), MX2: failed(*PROVIDER)}),
    Case((("nic-renumber", MX2), ("bad-kernel", MX2)), {MX2: failed("nic") | BAD_KERNEL}),
    Case(
        (("stuck-aliases", MX2), ("nic-renumber", MX2)),
        {MX2: failed("aliases", "nic")},
        ("--no-probes",),
    ),
)


def crowded() -> float:
    """Return how much slower this machine is than a quiet one, for which 60 s are meant."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def verify_in_time(place: Stations, case: Case) -> Verification:
    """Verify once more if a reading timed out on a busy machine, which says nothing about the fault."""
    for _ in range(2):
        found = verify(place, *case.words, options=case.options)
        if found.wrong == case.expected or crowded() < 3 or "no end within its time limit" not in found.said:
            break
    return found


@contextmanager
def broken_by(place: Stations, case: Case) -> Iterator[None]:
    """Put on all faults of a case; afterwards clear their retry hints."""
    with ExitStack() as stack:
        for name, host in case.faults:
            running = ssh(place, exchanger(host), "uname -r").stdout.strip()
            kernel = running if name == "bad-kernel" else demo.other_kernel(place, exchanger(host))
            goal = faults.target(place, exchanger(host), kernel)
            stack.callback(faults.undo, goal, faults.find(name))
            faults.apply(goal, faults.find(name))
        if any(name in ("stuck-aliases", "cut-aliases") for name, _ in case.faults):
            hung = "systemctl show -p ActiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic,ActiveState"
            wait_for("the generator to hang for longer than its bound", lambda: _hangs(place, hung), deadline=90)
        yield
    for mx in EXCHANGERS:
        ssh(place, mx, "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-*")


def _hangs(place: Stations, show: str) -> bool:
    script = f"{show} generate_vrts_aliases.service; cut -d' ' -f1 /proc/uptime"
    said = ssh(place, exchanger(MX2), script).stdout
    began = next((int(line.split("=")[1]) for line in said.splitlines() if line.startswith("InactiveExit")), 0)
    return "ActiveState=activating" in said and float(said.split()[-1]) - began / 1e6 > 22


def check(place: Stations, case: Case) -> None:
    before = crowded()
    with broken_by(place, case):
        found = verify_in_time(place, case)
        # Others may have begun to work meanwhile.
        limit = WITHIN_S * max(before, crowded())
    assert found.wrong == case.expected, found.said
    assert all(words in found.said for words in case.say), found.said
    print(f"{case}: {max(found.seconds.values()):.0f} s (limit {limit:.0f} s)")
    assert max(found.seconds.values()) < limit


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_a_fault_is_named_and_no_other_check_fails(place: Stations, case: Case) -> None:
    check(place, case)


@contextmanager
def hanging(place: Stations, mx: str, command: str) -> Iterator[None]:
    """Let a command of an exchanger never end."""
    path = shlex.quote(f"/usr/local/bin/{command}")
    ssh(place, exchanger(mx), f"printf '#!/bin/sh\\nexec sleep 600\\n' > {path}; chmod 755 {path}")
    try:
        yield
    finally:
        ssh(place, exchanger(mx), f"rm -f {path}")


def test_a_command_that_hangs_costs_one_check(place: Stations) -> None:
    case = Case((), {MX2: unknown("disk")}, ("--no-probes",))
    with hanging(place, MX2, "df"):
        found = verify_in_time(place, case)
    assert found.wrong == case.expected, found.said
    assert "no end within its time limit" in found.said


@pytest.mark.nightly
@pytest.mark.parametrize("case", SINGLE, ids=str)
def test_every_fault(place: Stations, case: Case) -> None:
    check(place, case)


@pytest.mark.nightly
@pytest.mark.parametrize("case", PAIRS, ids=str)
def test_two_faults_at_once(place: Stations, case: Case) -> None:
    check(place, case)


@pytest.mark.nightly
def test_a_single_host_is_judged_by_comparison_with_another(place: Stations) -> None:
    case = Case((("provider-4xx", MX1),), {MX1: failed("outbound-provider-v4")})
    with broken_by(place, case):
        found = verify(place, f"{MX1}.lab.test", "--only", "outbound-provider-v4")
    assert found.wrong == case.expected
    assert "REMOTE END or the way to it, it fails on mx2001.lab.test too" in found.said


def test_every_fault_has_its_place_in_the_matrix() -> None:
    named = {name for case in (*QUICK, *SINGLE) for name, _ in case.faults}
    assert named == set(faults.FAULTS)
