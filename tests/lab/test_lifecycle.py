"""Up and down: quick, nothing lost, nothing left behind."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lab import demo, lifecycle
from lab.lifecycle import ProgressLog, Stations
from lab.place import Lab, exchanger
from lab.shell import LabError
from lab.stations import outside

MX2 = exchanger("mx2001")


def processes_of(lab: Lab) -> list[str]:
    """Return the command lines on the machine that name a lab's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(lab.state) in command and int(path.parent.name) != os.getpid():
            found.append(command)
    return found


def machine() -> tuple[str, str, str]:
    """Return the machine's own network devices, mounts and loop devices."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    loops = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    return links, Path("/proc/self/mounts").read_text(), loops


def test_down_purge_leaves_nothing_behind(place: Stations) -> None:
    before = machine()
    lab = Lab("leaves-nothing")
    stations = lifecycle.stations(lab)
    lifecycle.start_stations(stations)
    assert len(processes_of(lab)) >= len(stations.all)
    stations.world.sh("sleep 1000 >/dev/null 2>&1 &")
    lifecycle.down(lab, ProgressLog(), purge=True)
    assert not lab.state.exists()
    assert processes_of(lab) == []
    assert machine() == before
    assert place.node.pid, "another lab is not touched"


def test_two_at_once_are_refused(place: Stations) -> None:
    with lifecycle.alone(place.lab), pytest.raises(LabError, match="another `mxlab up` or `down` is under way"):
        lifecycle.down(place.lab, ProgressLog())


def test_what_waits_in_a_queue_is_there_after_down_and_up(place: Stations) -> None:
    demo.queue_up(place, MX2, 10)
    # The provider is still down: hints may be lost with the power, and an early attempt would spoil the test.
    outside.change(place.lab, "provider", {"mode": "tempfail"})
    try:
        waiting = demo.queue(place, MX2)
        started = time.monotonic()
        lifecycle.down(place.lab, ProgressLog())
        down = time.monotonic() - started
        lifecycle.up(place.lab, ProgressLog())
        up = time.monotonic() - started - down
        print(f"down {down:.1f} s, warm up {up:.1f} s")
        assert waiting > 0
        assert demo.queue(place, MX2) == waiting
    finally:
        outside.change(place.lab, "provider", None)
    lifecycle.ssh(place, MX2, "rm -f /var/spool/exim4/db/retry; exim4 -q")
    assert down < 15
    assert up < 180, "60 s when quiet"
