"""Runs of reboot-mx in the lab that a test kills, follows in their journals, or compares with what the world saw."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from lab import demo, journals, lifecycle
from lab.campaign import judge
from lab.lifecycle import Stations
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import wait_for
from lab.stations.box import Box

MX2 = exchanger("mx2001")
# The first steps of a run that resumes another one: killed there each time, it would never get further.
TAKING_OVER = ("slot", "adopt")
# The longest that a step takes when other labs share the machine.
STEP_DEADLINE = 600
RUN_DEADLINE = 1200


def events(place: Stations, mx: Exchanger = MX2) -> list[dict[str, str]]:
    """Return the events about an exchanger in the journals of both management hosts, in order of time."""
    return journals.events(place, mx)


def taken(place: Stations, mx: Exchanger = MX2) -> list[str]:
    """Return the steps that were done, in order."""
    return journals.taken(place, mx)


def run(box: Box, *words: str, mx: Exchanger = MX2) -> tuple[int, str]:
    """Run the cookbook to its end; return its exit code and output."""
    return finish(start(box, *words, mx=mx))


def start(box: Box, *words: str, mx: Exchanger = MX2) -> "subprocess.Popen[bytes]":
    """Start the cookbook."""
    argv = demo.cookbook(box, "sre.mail.reboot-mx", mx.fqdn, *words)
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(child: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Wait for the end of a run; return its exit code and output."""
    said = child.communicate(timeout=RUN_DEADLINE)[0].decode(errors="replace")
    print(said)
    return child.returncode, said


def reaches(place: Stations, child: "subprocess.Popen[bytes]", step: str, known: int, mx: Exchanger = MX2) -> None:
    """Wait until a run has done a step; it is an error if it ends before.

    Arguments:
        place: the lab.
        child: the run.
        step: the step.
        known: how many steps the journals held before the run.
        mx: the exchanger.
    """
    wait_for(
        f"the run to have done {step}",
        lambda: step in taken(place, mx)[known:] or child.poll() is not None,
        deadline=STEP_DEADLINE,
        every=0.05,
    )
    assert child.poll() is None, f"it ended by itself, exit code {child.returncode}"


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
    try:
        if step:
            reaches(place, child, step, known)
        else:
            wait_for(
                "the run to have done a step",
                lambda: any(one not in TAKING_OVER for one in taken(place)[known:]) or child.poll() is not None,
                deadline=STEP_DEADLINE,
                every=0.05,
            )
    finally:
        if child.poll() is None:
            lifecycle.send_signal(child, signal.SIGKILL)
        child.wait(timeout=20)
    return (taken(place)[known:] or [""])[-1]


@contextmanager
def nothing_lost(place: Stations, mx: Exchanger = MX2) -> Iterator[None]:
    """Let mail flow meanwhile; afterwards the outside ledger must balance and both exchangers serve."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    with demo.mail_flowing(place, 1):
        yield
    assert subprocess.run(demo.ledger_command(place, since, 120), check=False).returncode == 0
    assert all(demo.is_serving(place, one) for one in EXCHANGERS)
    assert journals.accepted_unverified(place, since, mx) == []
    assert judge.unobserved(place, since) == []
