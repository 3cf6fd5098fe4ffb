"""An interface that gets another name: forecast, prevented, repaired over the real serial console."""

import re
import subprocess
from datetime import datetime

import pytest

from lab import demo
from lab.lifecycle import BOOT_DEADLINE, Stations, ssh, wait_ssh
from lab.place import CONSOLE_PASSWORD, exchanger
from lab.shell import wait_for
from lab.world import worlds
from mxlib.model.outcome import Outcome

MX2 = exchanger("mx2001")
REPAIR_S = 60.0


def cookbook(place: Stations, *words: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    argv = demo.cookbook(place.operator, "sre.mail.repair-nic", MX2.fqdn, *words)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False)
    print(done.stdout + done.stderr)
    assert CONSOLE_PASSWORD not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def on_host(place: Stations, script: str) -> str:
    done = ssh(place, MX2, script, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def network_file(place: Stations) -> str:
    """Return the text of the file that names the card."""
    return on_host(place, f"cat {worlds.of(place.lab, MX2).network_file}")


def boot_id(place: Stations) -> str:
    """Return the output; empty while the host does not answer."""
    done = ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id")
    return done.stdout.strip() if done.returncode == 0 else ""


def cold_start(place: Stations) -> None:
    place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=30", MX2.fqdn], timeout=150)


def reboot_warm(place: Stations) -> None:
    before = boot_id(place)
    ssh(place, MX2, "systemctl --no-block reboot")
    wait_for("another boot of mx2001", lambda: boot_id(place) not in ("", before), deadline=BOOT_DEADLINE)


def beyond_boot(said: str) -> float:
    """Return the seconds from the shell on the console, when the boot is over, to the answer over SSH."""
    at = [re.search(rf"^(\d\d:\d\d:\d\d) .*{what}", said, re.MULTILINE) for what in ("logged in", "answers over SSH")]
    login, answer = (datetime.strptime(found[1], "%H:%M:%S") for found in at if found)
    return (answer - login).total_seconds() % 86400


def no_secret_anywhere(place: Stations) -> None:
    """The password is in no log or transcript of the management host, no journal of the guest, no command line."""
    pattern = f"{CONSOLE_PASSWORD[:6]}[{CONSOLE_PASSWORD[6]}]{CONSOLE_PASSWORD[7:]}"
    logs = place.operator.sh(f"grep -rlE '{pattern}' /var/log 2>/dev/null || true").strip()
    lines = place.operator.sh(
        f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -cE '{pattern}' || true"
    ).strip()
    journal = on_host(place, f"journalctl -b --no-pager | grep -cE '{pattern}' || true").strip()
    assert (logs, lines, journal) == ("", "0", "0")


def test_the_forecast_says_what_a_cold_start_does(place: Stations, broken) -> None:
    assert "cold: kept: PCI slot 5 as now" in cookbook(place, "--forecast")[1]
    with broken("nic-renumber"):
        code, said = cookbook(place, "--forecast")
        assert code == 0
        assert "guest: kept" in said
        assert "cold: RENAMES ens5 to ens13: PCI slot 5 becomes 13" in said


def test_the_console_and_its_password_are_proven_before_they_are_needed(place: Stations, broken) -> None:
    assert cookbook(place, "--console")[0] == 0
    # The kernel's messages appear on the console again, and nobody is left logged in there.
    assert on_host(place, "cut -f1 /proc/sys/kernel/printk").strip() != "1"
    assert "ttyS0" not in on_host(place, "who")
    with broken("console-password"):
        code, said = cookbook(place, "--console")
        assert code == Outcome.FAILED.value
        assert "refused" in said
    with broken("console-busy"):
        code, said = cookbook(place, "--console")
        assert code == Outcome.FAILED.value
        assert "somebody else holds its console" in said
    no_secret_anywhere(place)


@pytest.mark.nightly
def test_the_incident_is_repaired_in_time_and_without_a_second_reboot(place: Stations, broken) -> None:
    text = network_file(place)
    with broken("nic-renumber"):
        cold_start(place)
        code, said = cookbook(place, "--repair")
        assert code == 0
        assert "IPv4: answers" in said
        assert "IPv6: answers" in said
        assert network_file(place) == text.replace("ens5", "ens13")
        assert on_host(place, "systemctl is-system-running --wait").strip() == "running"
        assert beyond_boot(said) < REPAIR_S
        no_secret_anywhere(place)
        reboot_warm(place)
        assert "ens13" in on_host(place, "ip -o -4 addr show scope global")


@pytest.mark.nightly
def test_prevented_it_comes_up_by_itself_under_either_name(place: Stations, broken) -> None:
    text = network_file(place)
    with broken("nic-renumber"):
        assert cookbook(place, "--pin")[0] == 0
        reboot_warm(place)
        assert "ens5" in on_host(place, "ip -o -4 addr show scope global")
        cold_start(place)
        wait_ssh(place, MX2)
        assert "ens13" in on_host(place, "ip -o -4 addr show scope global")
        assert on_host(place, "systemctl is-system-running --wait").strip() == "running"
        assert cookbook(place, "--settle")[0] == 0
        assert network_file(place) == text.replace("ens5", "ens13")


@pytest.mark.nightly
def test_a_prevention_is_undone_byte_for_byte(place: Stations, broken) -> None:
    text = network_file(place)
    with broken("nic-renumber"):
        assert cookbook(place, "--pin")[0] == 0
        assert network_file(place) != text
        assert cookbook(place, "--settle")[0] == 0
    assert network_file(place) == text


@pytest.mark.nightly
def test_a_dead_remote_api_and_a_busy_console_end_safe_then_it_is_repaired(place: Stations, broken) -> None:
    with broken("nic-renumber"), broken("rapi-down"):
        assert cookbook(place, "--forecast")[0] == Outcome.UNKNOWN.value
        with broken("console-busy"):
            cold_start(place)
            code, said = cookbook(place, "--repair")
            assert code == Outcome.FAILED.value
            assert "somebody else holds its console" in said
        code, said = cookbook(place, "--repair")
        assert code == 0
        assert "the repair has the console alone" in said


def test_an_ssh_server_that_died_is_started_again(place: Stations) -> None:
    on_host(place, "systemctl stop ssh.service")
    code, said = cookbook(place, "--repair")
    assert code == 0
    assert "SSH server is not running" in said
