"""The main job in the lab, judged from outside the product: the ledger and the observer on the wire."""

import json
import subprocess
from datetime import UTC, datetime

from lab import demo
from lab.lifecycle import ProgressLog, Stations, ssh
from lab.place import EXCHANGERS, exchanger
from lab.stations import outside

MX2 = exchanger("mx2001")


def public_connections(place: Stations, since: str) -> list[dict[str, str]]:
    words = ["query", "--state", "/outside", "--mx", str(MX2.v4), "--mx", str(MX2.v6), "--from", since]
    query = outside.program(place.world, "observer", *words, "--public-only", "--json")
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in listed.splitlines()]


def test_reboot_into_the_other_kernel_loses_no_mail(place: Stations) -> None:
    kernel = demo.other_kernel(place, MX2)
    assert demo.run(place, ProgressLog()) == 0
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel
    assert f">gnulinux-{kernel}-" in ssh(place, MX2, "grub-editenv list").stdout
    assert all(demo.is_serving(place, mx) for mx in EXCHANGERS)


def test_a_second_run_has_nothing_to_do(place: Stations) -> None:
    boot_id = ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id").stdout
    kernel = ssh(place, MX2, "uname -r").stdout.strip()
    done = subprocess.run(
        demo.cookbook(place.management[1], "sre.mail.reboot-mx", MX2.fqdn, "--kernel", kernel, "--reason", "again"),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert ssh(place, MX2, "cat /proc/sys/kernel/random/boot_id").stdout == boot_id


def test_a_dry_run_changes_nothing(place: Stations) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    look = (
        "cat /proc/sys/kernel/random/boot_id; grub-editenv list; nft list tables; systemctl is-active exim4; uname -r"
    )
    before = ssh(place, MX2, look).stdout
    kernel = demo.other_kernel(place, MX2)
    words = ["-d", "sre.mail.reboot-mx", MX2.fqdn, "--kernel", kernel, "--reason", "dry"]
    done = subprocess.run(demo.cookbook(place.operator, *words), stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    assert ssh(place, MX2, look).stdout == before
    assert not [seen for seen in public_connections(place, since) if seen["outcome"] == "refused"]
