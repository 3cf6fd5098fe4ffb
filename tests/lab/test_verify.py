"""verify-mx on the real hosts: all is well where all is well, and a fault is named by its own check."""

import subprocess

import pytest

from lab import demo
from lab.lifecycle import Stations
from mxlib.verify_report import VerifyExit


def verify(place: Stations, *words: str) -> tuple[VerifyExit, dict[str, str]]:
    """The exit code, and the status of each check that is told (those that are OK stand together)."""
    done = subprocess.run(
        demo.cookbook(place.operator, "sre.mail.verify-mx", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    found = {}
    for line in done.stdout.splitlines():
        fields = line.split()
        status = next((word for word in fields[:2] if word in {"OK", "FAILED", "UNKNOWN"}), None)
        if status and "lab.test" not in fields[fields.index(status) + 1]:
            for name in " ".join(fields[fields.index(status) + 1 :]).replace(",", "").split():
                found.setdefault(name, status)
    return VerifyExit(done.returncode), found


@pytest.mark.parametrize("host", ["mx1001.lab.test", "mx2001.lab.test"])
def test_a_healthy_host_is_all_ok(place: Stations, host: str) -> None:
    outcome, found = verify(place, host)
    assert outcome is VerifyExit.OK, found
    assert {"firewall", "queue", "kernel", "outbound-provider-v6", "inbound-v6", "certificate"} <= found.keys()


@pytest.mark.parametrize(
    ("fault", "host", "check"),
    [("no-ferm", "mx1001", "firewall"), ("dead-spamd", "mx2001", "units"), ("disk-full", "mx2001", "disk")],
)
def test_a_fault_is_named(place: Stations, broken, fault: str, host: str, check: str) -> None:
    with broken(fault, host):
        outcome, found = verify(place, f"{host}.lab.test", "--no-probes")
    assert outcome is VerifyExit.FAILED
    assert found[check] == "FAILED"


def test_what_stale_hints_decide_is_unknown(place: Stations, broken) -> None:
    with broken("stale-hints", "mx1001"):
        outcome, found = verify(place, "mx1001.lab.test", "--only", "outbound-provider-v4")
    assert (outcome, found["outbound-provider-v4"]) == (VerifyExit.UNKNOWN, "UNKNOWN")
