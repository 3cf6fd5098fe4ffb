"""The guard's judgements: what speaks against taking a host out."""

import subprocess

import pytest

from mxlib.base.verdict import Status
from mxlib.facts.section import SectionOutput
from mxlib.reboot.readiness import busy
from mxlib.reboot.steps import guard
from tests.unit.support.facts import NOW


@pytest.mark.parametrize(
    ("tool", "status", "why"),
    [
        ("exit 0", Status.OK, "no inhibitor"),
        ("echo 'Backup 0 root 812 tar sleep The backup runs block'", Status.OK, "no inhibitor"),
        ("echo 'Packages 0 root 812 apt shutdown An upgrade block'", Status.FAILED, "root 812 apt shutdown An upgrade"),
        ("echo 'Failed to connect to bus' >&2; exit 1", Status.UNKNOWN, "cannot be read: Failed to connect to bus"),
    ],
)
def test_what_inhibits_a_shutdown_is_unknown_where_it_cannot_be_read(tool, status, why):
    script = guard.BUSY.script.replace("systemd-inhibit", "inhibit")
    argv = ["sh", "-c", f"inhibit() {{ ( {tool} ); }}\n{script}"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = guard.parse_busy({guard.BUSY.name: SectionOutput(guard.BUSY.name, guard.BUSY.script, 0, text, "", NOW)})
    (verdict,) = [one for one in busy(found) if one.check == "inhibitors"]
    assert verdict.status is status
    assert why in verdict.why
