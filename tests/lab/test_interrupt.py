"""A run that dies anywhere is finished or undone from the other management host, and no mail is lost."""

import signal
import subprocess
import time

import pytest

from lab import demo, lifecycle
from lab.lifecycle import Stations, ssh
from mxlib.model.on_host import RECORD
from tests.lab.runs import MX2, RUN_DEADLINE, killed_after, nothing_lost, reaches, run, taken

DONE, UNDONE = 0, 11
REASON = ("--reason", "interrupted on purpose")
# GRUB leaves an empty next_entry when it has used one; an undo removes the whole line.
ENTRIES = "grub-editenv list | sed '/^next_entry=$/d'"
STATE = f"cat /proc/sys/kernel/random/boot_id; uname -r; {ENTRIES}; nft list tables; systemctl is-active exim4"
BEFORE_THE_REBOOT = ("pool out", "close ports", "drain", "stop and hold", "ledger", "boot entries")
AFTER_THE_REBOOT = (
    "reboot",
    "await boot",
    "prove outbound",
    "start MTA",
    "prove inbound",
    "open ports",
    "keep kernel",
    "soak",
)


def test_killed_out_of_service_it_returns_to_service_from_the_other_host(place: Stations) -> None:
    before = ssh(place, MX2, STATE).stdout
    with nothing_lost(place):
        kernel = demo.other_kernel(place, MX2)
        assert killed_after(place, place.management[0], "close ports", "--kernel", kernel, *REASON)
        code, said = run(place.management[1], "--abort", *REASON)
        assert code == UNDONE, said
    assert ssh(place, MX2, STATE).stdout == before


def test_killed_after_the_reboot_order_it_is_finished_from_the_other_host(place: Stations) -> None:
    kernel = demo.other_kernel(place, MX2)
    with nothing_lost(place):
        assert killed_after(place, place.management[0], "reboot", "--kernel", kernel, *REASON)
        code, said = run(place.management[1], "--resume", *REASON)
        assert code == DONE, said
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel


@pytest.mark.nightly
def test_killed_after_every_single_step_it_is_still_finished(place: Stations) -> None:
    """Each process gets one step further; the management hosts take turns. Before the claim nothing is left."""
    kernel = demo.other_kernel(place, MX2)
    with nothing_lost(place):
        steps = [killed_after(place, place.management[0], "claim", "--kernel", kernel, *REASON)]
        for turn in range(60):
            begin = time.monotonic()
            step = killed_after(place, place.management[(turn + 1) % 2], "", "--resume", *REASON)
            print(f"turn {turn}: {step or 'ended by itself'} after {time.monotonic() - begin:.0f} s")
            if not step:
                break
            steps.append(step)
        else:
            pytest.fail(f"no end after {turn + 1} turns: {', '.join(steps)}")
        print(", ".join(steps))
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel
    # where the last kill fell between the release and its line in the journal, one more run has freed the slot
    assert {"drain", "reboot", "keep kernel", "unsilence"} <= set(steps), "killed in each part of a run"
    assert ssh(place, MX2, f"test ! -e {RECORD}").returncode == 0
    code, said = run(place.management[0], "--resume", *REASON)
    assert (code, "nothing to do" in said) == (DONE, True)


@pytest.mark.nightly
@pytest.mark.parametrize("step", BEFORE_THE_REBOOT)
def test_killed_before_the_reboot_it_is_undone(place: Stations, step: str) -> None:
    before = ssh(place, MX2, STATE).stdout
    with nothing_lost(place):
        kernel = demo.other_kernel(place, MX2)
        assert killed_after(place, place.management[0], step, "--kernel", kernel, *REASON)
        code, said = run(place.management[1], "--abort", *REASON)
        assert code == UNDONE, said
    assert ssh(place, MX2, STATE).stdout == before


@pytest.mark.nightly
@pytest.mark.parametrize("step", AFTER_THE_REBOOT)
def test_killed_after_the_reboot_it_returns_to_the_previous_kernel(place: Stations, step: str) -> None:
    earlier = ssh(place, MX2, "uname -r").stdout
    with nothing_lost(place):
        kernel = demo.other_kernel(place, MX2)
        assert killed_after(place, place.management[0], step, "--kernel", kernel, *REASON)
        code, said = run(place.management[1], "--abort", *REASON)
        assert code == UNDONE, said
    assert ssh(place, MX2, "uname -r").stdout == earlier


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_before_the_reboot_undoes_everything(place: Stations, number: signal.Signals) -> None:
    before = ssh(place, MX2, STATE).stdout
    with nothing_lost(place):
        known = len(taken(place))
        argv = demo.cookbook(
            place.operator, "sre.mail.reboot-mx", MX2.fqdn, "--kernel", demo.other_kernel(place, MX2), *REASON
        )
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        reaches(place, child, "close ports", known)
        lifecycle.send_signal(child, number)
        assert child.wait(timeout=RUN_DEADLINE) == 30
    assert ssh(place, MX2, STATE).stdout == before
