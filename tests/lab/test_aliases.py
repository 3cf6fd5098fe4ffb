"""Generated aliases on the real hosts: the incident of 2022, and other ways a generator or its file can be wrong."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import demo
from lab.faults import queues
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger
from lab.shell import wait_for
from lab.stations import outside
from mxlib.model.outcome import Outcome
from tests.lab.verification import verify

MX1, MX2 = EXCHANGERS
SITE = "/etc/spicerack/cookbooks/sre.mail.yaml"
ALIASES = ("--only", "aliases", "--only", "aliases-peers", "--only", "aliases-answers")
NEW, TARGET = queues.address("newqueue"), "newqueue@tickets.test"
BOUND_S = 20


def refresh(place: Stations, *words: str, options: tuple[str, ...] = ()) -> tuple[Outcome, str]:
    """Return the exit code and the output."""
    done = subprocess.run(
        demo.cookbook(place.operator, *options, "sre.mail.refresh-aliases", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    return Outcome(done.returncode), done.stdout


def on(place: Stations, mx: Exchanger, script: str) -> str:
    done = ssh(place, mx, script, timeout=90)
    assert done.returncode == 0, f"{mx.name}: {script}: {done.stdout}"
    return done.stdout.strip()


def served(place: Stations, mx: Exchanger) -> int:
    return int(on(place, mx, f"wc -l <{queues.FILE}"))


def running_s(place: Stations, mx: Exchanger) -> float:
    """Return how many seconds the run under way has taken; 0 without one."""
    show = f"systemctl show -p ActiveState,InactiveExitTimestampMonotonic {queues.UNIT}"
    said = on(place, mx, f"{show}; sed 's/ .*//' /proc/uptime")
    values = dict(line.split("=") for line in said.splitlines() if "=" in line)
    began = int(values["InactiveExitTimestampMonotonic"]) / 1e6
    return float(said.splitlines()[-1]) - began if values["ActiveState"] == "activating" else 0.0


def hangs_for_long(place: Stations, mx: Exchanger) -> None:
    wait_for("a run longer than its bound", lambda: running_s(place, mx) > BOUND_S + 1, deadline=90, every=1)


@pytest.fixture(autouse=True)
def as_found(place: Stations) -> Iterator[None]:
    with queues.as_found(place):
        yield


def test_the_incident_is_named_and_repaired_unattended(place: Stations, broken) -> None:
    queues.open_queue(place.lab, "newqueue")
    with broken("stuck-aliases"):
        queues.generate(place, MX1)
        assert queues.send(place, MX2, NEW) == "refused"
        hangs_for_long(place, MX2)
        found = verify(place, *ALIASES)
        assert found.outcome is Outcome.FAILED
        failed = dict.fromkeys(("aliases", "aliases-peers", "aliases-answers"), "FAILED")
        assert found.wrong == {"mx2001": failed}, found.said
        assert all(word in found.said for word in (queues.UNIT, "activating for", NEW, "550 unknown user")), found.said
        print(f"named in {max(found.seconds.values()):.0f} s")
        outcome, said = refresh(place, MX2.fqdn)
    assert outcome is Outcome.DONE, said
    assert "silent for" in said, "why it hung"
    assert f"to <{NEW}>" in said, "whose mail was refused"
    for mx in EXCHANGERS:
        assert queues.delivers(place, mx, NEW, TARGET), mx.name


@pytest.mark.nightly
def test_exactly_the_cached_refusals_concerned_are_forgotten(place: Stations) -> None:
    outside.change(place.lab, "tickets", {"mode": "reject"})
    try:
        for target in (TARGET, "other@tickets.test"):
            queues.ask_as_client(place, MX2, target)
    finally:
        outside.change(place.lab, "tickets", None)
    queues.open_queue(place.lab, "newqueue")
    queues.generate(place, MX1)
    assert "cached" in queues.ask_as_client(place, MX2, TARGET)
    outcome, said = refresh(place, MX2.fqdn)
    assert outcome is Outcome.DONE, said
    assert queues.ask_as_client(place, MX2, TARGET).startswith("250")
    assert "cached" in queues.ask_as_client(place, MX2, "other@tickets.test"), "nobody asked for that one"
    on(place, MX2, "printf 'other@tickets.test\\nd\\n' | exim_fixdb /var/spool/exim4 callout >/dev/null")


@pytest.mark.nightly
def test_a_truncated_file_is_whole_again_before_the_generator_is(place: Stations, broken) -> None:
    with broken("cut-aliases"):
        assert served(place, MX2) == 1
        assert queues.send(place, MX2, "support@lab.test") == "refused"
        hangs_for_long(place, MX2)
        found = verify(place, *ALIASES)
        assert found.checks["mx2001"]["aliases"] == "FAILED"
        assert "1 entries, floor 2" in found.said
        outcome, said = refresh(place, MX2.fqdn)
    assert outcome is Outcome.DONE, said
    assert "file back, 5 entries" in said
    assert queues.send(place, MX2, "support@lab.test") == "accepted"


@pytest.mark.nightly
def test_a_generator_that_hangs_again_leaves_the_old_file_serving(place: Stations, broken) -> None:
    with broken("cut-aliases"):
        outside.change(place.lab, "aliaspeer", {"mode": "hang", "after": 1})
        hangs_for_long(place, MX2)
        begin = time.monotonic()
        outcome, said = refresh(place, "A:mx")
        print(f"hung again after {time.monotonic() - begin:.0f} s")
        assert outcome is Outcome.HUNG_AGAIN, said
        assert running_s(place, MX2) == 0, "ended"
        assert (served(place, MX1), served(place, MX2)) == (5, 5)
        assert said.count("why it hangs") == 2, "before and again"
        assert queues.send(place, MX2, "support@lab.test") == "accepted"
        outside.change(place.lab, "aliaspeer", None)
        outcome, said = refresh(place, "A:mx")
    assert outcome is Outcome.DONE, said


@pytest.mark.nightly
def test_a_file_below_the_floor_is_not_served(place: Stations) -> None:
    before = queues.known(place.lab)
    queues.write(place.lab, {"support@lab.test": "support@tickets.test"})
    queues.generate(place, MX2)
    assert served(place, MX2) == 1
    outcome, said = refresh(place, MX2.fqdn)
    assert outcome is Outcome.FAILED, said
    assert "rejected" in said
    assert served(place, MX2) == 5, "the peer's file serves"
    queues.write(place.lab, before)
    outcome, said = refresh(place, MX2.fqdn)
    assert outcome is Outcome.DONE, said


@pytest.mark.nightly
def test_a_generator_that_is_absent_on_one_host_is_reported(place: Stations) -> None:
    path = f"/etc/systemd/system/{queues.UNIT}"
    on(place, MX2, f"mv {path} /root/unit && systemctl daemon-reload")
    try:
        found = verify(place, *ALIASES)
        outcome, said = refresh(place, "A:mx")
    finally:
        on(place, MX2, f"mv /root/unit {path} && systemctl daemon-reload")
    assert found.wrong == {"mx2001": {"aliases": "FAILED"}}
    assert f"{queues.UNIT} is not-found on this host, but its file is there" in found.said
    assert outcome is Outcome.FAILED
    assert "is not-found on this host" in said


@contextmanager
def interval(place: Stations, seconds: int) -> Iterator[None]:
    """Configure the generators as if they ran that often."""
    place.operator.sh(f"sed -i.before 's/^    bound: 20/    bound: 20\\n    interval: {seconds}/' {SITE}")
    try:
        yield
    finally:
        place.operator.sh(f"mv {SITE}.before {SITE}")


@pytest.mark.nightly
def test_files_that_are_equal_and_old_are_found_and_mended(place: Stations) -> None:
    queues.open_queue(place.lab, "newqueue")
    with interval(place, 120):
        age = f"echo $(($(date +%s) - $(stat -c %Y {queues.FILE})))"
        wait_for("both files to be old", lambda: all(int(on(place, mx, age)) > 242 for mx in EXCHANGERS), deadline=300)
        found = verify(place, *ALIASES)
        assert found.wrong == {name: {"aliases": "FAILED"} for name in ("mx1001", "mx2001")}, found.said
        outcome, said = refresh(place, "A:mx", "--address", NEW)
    assert outcome is Outcome.DONE, said
    for mx in EXCHANGERS:
        assert queues.delivers(place, mx, NEW, TARGET), mx.name


@pytest.mark.nightly
def test_nothing_to_do_is_reported_and_a_start_timeout_is_set_and_removed(place: Stations) -> None:
    show = f"systemctl show -p TimeoutStartUSec --value {queues.UNIT}"
    assert on(place, MX2, show) == "infinity"
    _, rehearsed = refresh(place, MX2.fqdn, "--pin-timeout", options=("-d",))
    assert "+TimeoutStartSec=1800" in rehearsed
    assert on(place, MX2, show) == "infinity"
    outcome, said = refresh(place, MX2.fqdn, "--pin-timeout")
    assert outcome is Outcome.DONE, said
    assert "no generator needs a run" in said
    assert on(place, MX2, show) == "30min"
    outcome, said = refresh(place, MX2.fqdn, "--unpin-timeout")
    assert (outcome, "-TimeoutStartSec=1800" in said) == (Outcome.DONE, True), said
    assert on(place, MX2, show) == "infinity"


@pytest.mark.nightly
def test_the_incident_is_replayed(place: Stations) -> None:
    done = subprocess.run(
        ["lab/mxlab", "--lab", place.lab.name, "incident", "2022-02-22"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
