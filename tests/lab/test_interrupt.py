"""A run that dies anywhere is finished or undone from the other management host, and no mail is lost."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import demo, lifecycle, outside
from lab.box import Box
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, exchanger
from lab.shell import wait_for

MX2 = exchanger("mx2001")
DONE, REFUSED, UNDONE = 0, 10, 11
REASON = ("--reason", "interrupted on purpose")
STATE = "cat /proc/sys/kernel/random/boot_id; uname -r; grub-editenv list; nft list tables; systemctl is-active exim4"
# What a run does first that goes on with another: killed there for ever it would get no further.
TAKING_OVER = ("slot", "adopt")
# A step takes this long at most when four other labs share the machine.
STEP_DEADLINE = 600
RUN_DEADLINE = 1200
BEFORE_THE_REBOOT = ("pool out", "close ports", "drain", "stop and hold", "ledger", "boot entries")
AFTER_THE_REBOOT = (
    "reboot",
    "await boot",
    "prove outbound",
    "start MTA",
    "prove inbound",
    "keep kernel",
    "open ports",
    "soak",
)


def events(place: Stations) -> list[dict[str, str]]:
    """Everything in the journals of both management hosts about mx2001, in order of time."""
    folders = (box.folder / "log.upper" / "spicerack" for box in place.management)
    paths = (path for folder in folders for path in folder.glob(f"sre/mail/{MX2.fqdn}.*.jsonl"))
    return sorted((json.loads(line) for path in paths for line in _whole_lines(path)), key=lambda event: event["at"])


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text(errors="replace")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]


def taken(place: Stations) -> list[str]:
    """The steps that were done, in order."""
    return [event["step"] for event in events(place) if event["event"] == "done"]


def run(box: Box, *words: str) -> tuple[int, str]:
    """Run the cookbook to its end; exit code and everything that was said."""
    argv = demo.cookbook(box, "sre.mail.reboot-mx", MX2.fqdn, *words)
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_DEADLINE, check=False
    )
    print(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def killed_after(place: Stations, box: Box, step: str, *words: str) -> str:
    """Start a run and kill it, by a signal it cannot catch, as soon as it has done a step.

    Arguments:
        place: the lab.
        box: where it runs.
        step: the step; empty: any, or its own end.
        words: arguments of the cookbook.

    Returns:
        the last step it did; empty if it ended by itself before it had done any.
    """
    known = len(taken(place))
    argv = demo.cookbook(box, "sre.mail.reboot-mx", MX2.fqdn, *words)
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def reached() -> bool:
        new = taken(place)[known:]
        return step in new if step else any(one not in TAKING_OVER for one in new)

    try:
        wait_for(
            f"the run to have done {step or 'a step'}",
            lambda: reached() or child.poll() is not None,
            deadline=STEP_DEADLINE,
            every=0.05,
        )
        assert not step or child.poll() is None, f"it ended by itself, exit code {child.returncode}"
    finally:
        if child.poll() is None:
            lifecycle.tell(child, signal.SIGKILL)
        child.wait(timeout=20)
    return (taken(place)[known:] or [""])[-1]


@contextmanager
def nothing_lost(place: Stations) -> Iterator[None]:
    """Mail flows all the while; afterwards the outside ledger balances and both exchangers serve."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    with demo.mail_flowing(place, 1):
        yield
    assert subprocess.run(demo.ledger_command(place, since, 120), check=False).returncode == 0
    assert all(demo.is_serving(place, mx) for mx in EXCHANGERS)
    assert accepted_unverified(place, since) == []


def accepted_unverified(place: Stations, since: str) -> list[dict[str, str]]:
    """Connections from the public that mx2001 took between the closing of its ports, since then, and their opening."""
    marks = [
        (event["at"], event["step"], event["event"])
        for event in events(place)
        if event.get("step") in ("close ports", "open ports") and event["at"] >= since
    ]
    closed = next((at for at, step, what in marks if (step, what) == ("close ports", "done")), None)
    opened = next((at for at, step, what in reversed(marks) if (step, what) == ("open ports", "begin")), None)
    if closed is None or opened is None:
        return []
    words = ["query", "--state", "/outside", "--mx", str(MX2.v4), "--mx", str(MX2.v6), "--from", closed, "--to", opened]
    query = outside.program(place.world, "observer", *words, "--public-only", "--outcome", "accepted", "--json")
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in listed.splitlines()]


def test_killed_out_of_service_it_is_given_back_from_the_other_host(place: Stations) -> None:
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
    """Each process gets one step further; the two management hosts take turns."""
    kernel = demo.other_kernel(place, MX2)
    with nothing_lost(place):
        steps = [killed_after(place, place.management[0], "slot", "--kernel", kernel, *REASON)]
        for turn in range(60):
            begin = time.monotonic()
            step = killed_after(place, place.management[(turn + 1) % 2], "", "--resume", *REASON)
            print(f"turn {turn}: {step or 'ended by itself'} after {time.monotonic() - begin:.0f} s")
            if not step:
                break
            steps.append(step)
        print(", ".join(steps))
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel
    assert steps[-1] == "release"


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
def test_killed_after_the_reboot_it_goes_back_to_the_kernel_before(place: Stations, step: str) -> None:
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
        wait_for("the ports to be closed", lambda: "close ports" in taken(place)[known:], deadline=STEP_DEADLINE)
        lifecycle.tell(child, number)
        assert child.wait(timeout=RUN_DEADLINE) == 30
    assert ssh(place, MX2, STATE).stdout == before
