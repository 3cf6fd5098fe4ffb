"""A cold start that renames the interface: the incident replayed, forecast and prevented, cut short, and refused."""

import json
import subprocess
from typing import Any

import pytest

from lab import demo
from lab.lifecycle import BOOT_DEADLINE, Stations, ssh, wait_ssh
from lab.place import CONSOLE_PASSWORD, exchanger
from lab.shell import wait_for
from lab.world import worlds
from tests.lab.runs import killed_after

MX2 = exchanger("mx2001")
LOGS = "/var/log/spicerack/sre/mail"
REPAIR_S = 60.0
COLD = ("--level", "cold", "--soak", "5", "--reason", "cold start")


def argv(place: Stations, *words: str) -> list[str]:
    return demo.cookbook(place.operator, "sre.mail.reboot-mx", MX2.fqdn, *words)


def reboot_mx(place: Stations, *words: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    done = subprocess.run(
        argv(place, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500, check=False
    )
    print(done.stdout + done.stderr, flush=True)
    assert CONSOLE_PASSWORD not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def events(place: Stations) -> list[dict[str, Any]]:
    """Return the newest journal about the host."""
    text = place.operator.sh(f"ls -t {LOGS}/{MX2.fqdn}.*.jsonl | head -n 1 | xargs cat")
    return [json.loads(line) for line in text.splitlines()]


def steps(place: Stations) -> list[str]:
    return [event["step"] for event in events(place) if event["event"] == "done"]


def seconds(place: Stations, step: str) -> float:
    return next(float(event["seconds"]) for event in events(place) if event.get("step") == step and "seconds" in event)


def on_host(place: Stations, script: str) -> str:
    done = ssh(place, MX2, script, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def network_file(place: Stations) -> str:
    """Return the text of the file that names the card."""
    return on_host(place, f"cat {worlds.of(place.lab, MX2).network_file}")


def in_service(place: Stations) -> bool:
    claimed = "test -e /var/lib/mx-cookbooks/run.json && echo claimed || echo free"
    return on_host(place, claimed).strip() == "free" and demo.is_serving(place, MX2)


def address_on(place: Stations) -> str:
    return on_host(place, "ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/'").strip()


def no_copies_left(place: Stations) -> bool:
    return on_host(place, "ls -d /var/lib/mx-cookbooks/nic/*/ 2>/dev/null | wc -l").strip() == "0"


@pytest.mark.nightly
def test_the_incident_ends_in_service_with_nobody_at_the_keyboard(place: Stations, broken) -> None:
    text, kernel = network_file(place), demo.other_kernel(place, MX2)
    with broken("nic-renumber"):
        code, said = reboot_mx(place, "--kernel", kernel, "--accept", "nic-forecast", *COLD)
        assert code == 0
        assert "this cold start renames ens5 to ens13" in json.dumps(events(place))
        assert in_service(place)
        assert network_file(place) == text.replace("ens5", "ens13")
        assert on_host(place, "uname -r").strip() == kernel
        assert "its console shows a login prompt" in said
        taken = steps(place)
        assert (taken.count("reboot"), taken.count("mend"), taken.count("power cycle")) == (1, 1, 0)
        assert seconds(place, "mend") < REPAIR_S
        boot = place.operator.sh(f"cat /var/log/spicerack/console/{MX2.fqdn}-{events(place)[0]['run']}.log")
        assert all(line in boot for line in ("GNU GRUB", "Linux version", "renamed from eth0", "login:")), "not whole"


@pytest.mark.nightly
@pytest.mark.parametrize("method", ["stanzas", "link"])
def test_forecast_and_prevented_nothing_has_to_be_repaired(place: Stations, broken, method: str) -> None:
    text, kernel = network_file(place), demo.other_kernel(place, MX2)
    with broken("nic-renumber"):
        code, _ = reboot_mx(place, "--kernel", kernel, "--prevention", method, *COLD)
        assert code == 0
        assert in_service(place)
        taken = steps(place)
        assert "mend" not in taken
        assert taken.count("reboot") == 1
        name = "ens5" if method == "link" else "ens13"
        assert address_on(place) == name
        assert network_file(place) == text.replace("ens5", name)
        assert no_copies_left(place)
        slot = on_host(place, f"basename $(dirname $(readlink -f /sys/class/net/{name}/device))").strip()
        assert slot == "0000:00:0d.0"


@pytest.mark.nightly
def test_killed_between_prevention_and_cold_start_it_is_reachable_under_either_name(
    place: Stations, broken
) -> None:
    text, kernel = network_file(place), demo.other_kernel(place, MX2)
    with broken("nic-renumber"):
        killed_after(place, place.operator, "prepare network", "--kernel", kernel, "--prevention", "stanzas", *COLD)
        assert network_file(place) != text
        before = on_host(place, "cat /proc/sys/kernel/random/boot_id").strip()
        ssh(place, MX2, "systemctl --no-block reboot")
        wait_for("another boot of mx2001", lambda: booted(place) not in ("", before), deadline=BOOT_DEADLINE)
        assert address_on(place) == "ens5"
        code, _ = reboot_mx(place, "--abort")
        assert code in (0, 11)
        assert in_service(place)
        assert network_file(place) == text
        assert no_copies_left(place)


def booted(place: Stations) -> str:
    done = ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id")
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.mark.nightly
@pytest.mark.parametrize("left", ["off", "paused"])
def test_a_machine_that_a_killed_run_has_left_off_is_started_by_the_run_that_resumes(
    place: Stations, broken, left: str
) -> None:
    """A machine that somebody has started paused waits until its console is read."""
    kernel = demo.other_kernel(place, MX2)
    with broken("nic-renumber"):
        killed_after(place, place.operator, "reboot", "--kernel", kernel, "--prevention", "stanzas", *COLD)
        status = ["gnt-instance", "list", "--no-headers", "-o", "status", MX2.fqdn]
        wait_for("the machine to be off", lambda: "ERROR" in place.node.run(status).stdout, deadline=120, every=1)
        if left == "paused":
            place.node.run(["gnt-instance", "start", "--paused", MX2.fqdn])
        code, _ = reboot_mx(place, "--resume")
        assert code == 0
        assert in_service(place)
        assert on_host(place, "uname -r").strip() == kernel
        assert ("power on" in steps(place)) is (left == "off")
        assert "power cycle" not in steps(place)


@pytest.mark.nightly
def test_a_wrong_password_is_refused_first_and_ends_safe_with_the_reason(place: Stations, broken) -> None:
    kernel = demo.other_kernel(place, MX2)
    with broken("nic-renumber"):
        with broken("console-password"):
            code, said = reboot_mx(place, "--kernel", kernel, "--accept", "nic-forecast", *COLD)
            assert code == 10
            assert "the console's login was refused" in said
            accept = ("--accept", "nic-forecast", "--accept", "console")
            code, said = reboot_mx(place, "--kernel", kernel, *accept, *COLD)
            assert code == 20
            assert "the console's login was refused" in said.splitlines()[-6:][0] or "login was refused" in said
            assert "power cycle" not in steps(place)
            # nobody can log in: the lab restores the machine's old layout, as an operator would by Ganeti
            place.node.run(["gnt-instance", "modify", "-H", "kvm_pci_reservations=4", MX2.fqdn])
            place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=30", MX2.fqdn], timeout=150)
            wait_ssh(place, MX2)
        code, _ = reboot_mx(place, "--resume")
        assert code in (0, 12)
        assert in_service(place)


@pytest.mark.nightly
def test_without_an_answer_from_the_cluster_nothing_is_begun(place: Stations, broken) -> None:
    kernel = demo.other_kernel(place, MX2)
    with broken("rapi-down"):
        code, said = reboot_mx(place, "--kernel", kernel, *COLD)
    assert code == 10
    assert "nic-forecast" in said
    assert in_service(place)


@pytest.mark.nightly
def test_a_second_disk_moves_the_interface_as_forecast(place: Stations, broken) -> None:
    text, kernel = network_file(place), demo.other_kernel(place, MX2)
    with broken("second-disk"):
        code, said = reboot_mx(place, "--kernel", kernel, *COLD)
        assert code == 10
        assert "this cold start renames ens5 to ens6" in said
        code, _ = reboot_mx(place, "--kernel", kernel, "--prevention", "stanzas", *COLD)
        assert code == 0
        assert in_service(place)
        assert network_file(place) == text.replace("ens5", "ens6")
