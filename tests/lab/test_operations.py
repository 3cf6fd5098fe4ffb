"""What several operators, a lost etcd and curious readers do to a run."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import demo
from lab.lifecycle import Stations, ssh
from lab.place import CONSOLE_PASSWORD, EXCHANGERS, RAPI_READ_PASSWORD, exchanger
from lab.stations import infra
from lab.stations.box import Box

MX1, MX2 = exchanger("mx1001"), exchanger("mx2001")
DONE, REFUSED, UNDONE, INTERRUPTED = 0, 10, 11, 30
# The longest that a step takes when several other labs share the machine.
DEADLINE = 1500


def start(box: Box, *words: str) -> "subprocess.Popen[str]":
    argv = demo.cookbook(box, *words)
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(child: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = child.communicate(timeout=DEADLINE)
    print(said)
    return child.returncode, said


def run(box: Box, *words: str) -> tuple[int, str]:
    return finish(start(box, *words))


def said_by(child: "subprocess.Popen[str]", marker: str) -> str:
    """Return the output of a run up to a line that begins with the time and the marker."""
    assert child.stdout is not None
    seen = ""
    for line in child.stdout:
        print(line, end="")
        seen += line
        if line[9:].startswith(marker):
            return seen
    raise AssertionError(f"the run ended without {marker!r}")


def ports_closed(place: Stations) -> bool:
    return "mx_depool" in ssh(place, MX2, "nft list tables").stdout


@contextmanager
def without_etcd(place: Stations) -> Iterator[None]:
    place.infra.stop_serving(infra.ETCD_NAME)
    try:
        yield
    finally:
        infra.start_etcd(place.infra)
        infra.ready(place.infra)


@pytest.mark.nightly
def test_of_two_that_start_at_once_one_refuses_and_names_the_other(place: Stations) -> None:
    began = {
        mx: start(box, "sre.mail.depool-mx", mx.fqdn, "--reason", "at once")
        for mx, box in zip((MX1, MX2), place.management, strict=True)
    }
    ended = {mx: finish(child) for mx, child in began.items()}
    try:
        assert sorted(code for code, _ in ended.values()) == [DONE, REFUSED]
        winner = next(mx for mx, (code, _) in ended.items() if code == DONE)
        loser = next(mx for mx in ended if mx is not winner)
        assert f"held for {winner.fqdn} by root@" in ended[loser][1]
        assert demo.is_serving(place, loser)
        assert demo.is_serving(place, winner) is False
    finally:
        for mx in ended:
            assert run(place.management[1], "sre.mail.pool-mx", mx.fqdn)[0] == DONE
    assert all(demo.is_serving(place, mx) for mx in EXCHANGERS)


@pytest.mark.nightly
def test_where_etcd_itself_is_the_incident_there_is_a_way_in(place: Stations) -> None:
    with without_etcd(place):
        # Spicerack's own locks need etcd, too
        words = ["--no-locks", "sre.mail.depool-mx", MX2.fqdn, "--reason", "etcd is away"]
        code, said = run(place.operator, *words)
        assert (code, ports_closed(place)) == (REFUSED, False)
        assert "slot" in said
        code, said = run(place.operator, *words, "--without-slot")
        assert (code, ports_closed(place)) == (DONE, True)
        assert "the pool state is left as it is" in said
    code, said = run(place.management[1], "sre.mail.pool-mx", MX2.fqdn)
    assert (code, ports_closed(place)) == (DONE, False)
    assert demo.is_serving(place, MX2)


@pytest.mark.nightly
def test_etcd_lost_after_the_depool_is_undone_as_far_as_possible_and_reported(place: Stations) -> None:
    boot = ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id").stdout
    words = ["sre.mail.reboot-mx", MX2.fqdn]
    child = start(place.operator, *words, "--kernel", demo.other_kernel(place, MX2), "--reason", "etcd is lost")
    said_by(child, "close ports:")
    with without_etcd(place):
        code, said = finish(child)
    assert (code, ports_closed(place)) == (INTERRUPTED, False)
    assert "pool state cannot be read" in said
    assert "--abort" in said
    assert run(place.management[1], *words, "--abort")[0] == UNDONE
    assert ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id").stdout == boot
    assert demo.is_serving(place, MX2)


@pytest.mark.nightly
def test_etcd_lost_after_the_reboot_ends_verified_with_open_ports_and_out_of_the_pool(place: Stations) -> None:
    kernel = demo.other_kernel(place, MX2)
    words = ["sre.mail.reboot-mx", MX2.fqdn]
    child = start(place.operator, *words, "--kernel", kernel, "--reason", "etcd is lost")
    said_by(child, "reboot:")
    with without_etcd(place):
        code, said = finish(child)
    assert (code, ports_closed(place)) == (INTERRUPTED, False)
    assert "pool state cannot be read" in said
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel
    assert run(place.management[1], *words, "--resume")[0] == DONE
    assert demo.is_serving(place, MX2)


# --- secrets

SECRETS = (CONSOLE_PASSWORD.encode(), RAPI_READ_PASSWORD.encode())


@contextmanager
def watched_arguments(place: Stations) -> Iterator[list[bytes]]:
    """Collect every command line on the management hosts with a password in it, while the block runs."""
    spaces = {Path(f"/proc/{box.pid}/ns/pid").readlink() for box in place.management}
    found: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "ns" / "pid").readlink() not in spaces:
                        continue
                    command = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if any(secret in command for secret in SECRETS):
                    found.append(command)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def logs_with_secrets(place: Stations) -> list[str]:
    """Return the files that a run leaves behind, on all hosts, with a password in them."""
    paths = [path for box in place.management for path in (box.folder / "log.upper").rglob("*") if path.is_file()]
    found = [str(path) for path in paths if any(secret in path.read_bytes() for secret in SECRETS)]
    patterns = " ".join(f"-e {secret.decode()}" for secret in SECRETS)
    for mx in EXCHANGERS:
        looked = f"grep -rlaF {patterns} /var/log /var/lib/mx-cookbooks /run/systemd 2>/dev/null; journalctl -q -n 5000"
        said = ssh(place, mx, f"{{ {looked}; }} | grep -aF {patterns} -e /var/ -e /run/").stdout
        found += [f"{mx.name}: {line}" for line in said.splitlines() if any(one in line.encode() for one in SECRETS)]
        found += [f"{mx.name}: {line}" for line in said.splitlines() if line.startswith(("/var/", "/run/systemd"))]
    return found


@pytest.mark.nightly
def test_no_password_shows_in_an_argument_or_a_log(place: Stations) -> None:
    with watched_arguments(place) as seen:
        # a depool that names a kernel asks the console and the hypervisor, whatever the result
        words = ["sre.mail.reboot-mx", MX2.fqdn, "--kernel", demo.other_kernel(place, MX2), "--reason", "secrets"]
        code, said = run(place.operator, "-d", *words)
        assert code == DONE
        assert run(place.operator, "sre.mail.repair-nic", MX2.fqdn, "--console")[0] == DONE
    assert seen == []
    assert logs_with_secrets(place) == []
    assert not any(secret.decode() in said for secret in SECRETS)
