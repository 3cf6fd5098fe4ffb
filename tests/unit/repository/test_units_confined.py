"""The shipped units as confined: started by a real systemd in namespaces of its own, with a probe as the cookbook."""

import re
from pathlib import Path

import pytest

from mxlib.model.outcome import ENDS, Outcome
from tests import pid1

UNITS = {path.name: path.read_text(encoding="utf-8") for path in (Path(__file__).parents[3] / "systemd").iterdir()}
VERIFY, ROLL = "mx-verify.service", "mx-roll-kernel.service"
OWN = {
    VERIFY: {"/var/log/spicerack", "/var/lib/prometheus/node-exporter", "/run/cumin-ssh", "/tmp", "/var/lib/mx-verify"},
    ROLL: {"/var/log/spicerack", "/var/lib/prometheus/node-exporter", "/run/cumin-ssh", "/tmp"},
}
OTHERS = (
    "/ /etc /etc/spicerack /usr /srv/mx-cookbooks /srv/mx-cookbooks.venv/bin /root /root/.ssh /home /run /var /var/lib "
    "/var/lib/prometheus /var/log /boot /sys/fs/cgroup"
)
# Tries every folder, says what it could, and ends as it is told.
PROBE = f"""#!/bin/sh
umask 022
for folder in {OTHERS} {" ".join(sorted(OWN[VERIFY]))}; do
    (: >"$folder/probe") 2>/dev/null && echo "writes $folder" >>/var/log/spicerack/probe.txt
done
ls /run/cumin-ssh >>/var/log/spicerack/probe.txt
stat -c 'mode %a' /run/cumin-ssh >>/var/log/spicerack/probe.txt
read -r code </etc/probe-code; exit "$code"
"""
PLACE = f"""
mkdir -p /srv/mx-cookbooks /srv/mx-cookbooks.venv/bin /etc/spicerack /root/.ssh /boot
cat >/srv/mx-cookbooks.venv/bin/cookbook <<'END'
{PROBE}END
chmod +x /srv/mx-cookbooks.venv/bin/cookbook
"""

EXPORTER = "mkdir -p /var/lib/prometheus/node-exporter"

pytestmark = [pytest.mark.once, pytest.mark.skipif(bool(pid1.lacking()), reason=pid1.lacking())]


def started(unit: str, *, code: int = 0, before: str = EXPORTER, after: str = "") -> str:
    """How systemd saw it, then what the probe said, then what is asked afterwards, from outside the unit."""
    script = f"""{PLACE}
{before}
echo {code} >/etc/probe-code
systemctl start {unit} 2>/dev/null && echo succeeded || echo failed
cat /var/log/spicerack/probe.txt
{after}
"""
    ended = pid1.run(Path("/"), script, units=UNITS, layer=True)
    assert ended.code == 0, ended.output
    return ended.output


@pytest.mark.parametrize("unit", [VERIFY, ROLL])
def test_what_a_cookbook_writes_can_be_written_and_nothing_else(unit: str) -> None:
    said = started(unit)
    assert set(re.findall(r"^writes (.*)$", said, re.MULTILINE)) == OWN[unit]
    assert "succeeded" in said


@pytest.mark.parametrize("unit", [VERIFY, ROLL])
def test_ssh_has_connections_of_the_units_own(unit: str) -> None:
    """One that ends with the unit must not carry another run's commands, nor the other way round."""
    folder = "mkdir -p -m 0700 /run/cumin-ssh; touch /run/cumin-ssh/of-somebody-else"
    said = started(unit, before=f"{EXPORTER}; {folder}", after="ls /run/cumin-ssh | sed 's/^/left: /'")
    assert "mode 700" in said
    assert re.findall(r"^of-somebody-else", said, re.MULTILINE) == []
    assert re.findall(r"^left: (.*)$", said, re.MULTILINE) == ["of-somebody-else"]


@pytest.mark.parametrize("unit", [VERIFY, ROLL])
def test_the_logs_are_for_root_alone(unit: str) -> None:
    assert "750 /var/log/spicerack" in started(unit, after="stat -c '%a %n' /var/log/spicerack")


@pytest.mark.parametrize("unit", [VERIFY, ROLL])
def test_without_a_node_exporter_it_starts_and_says_so_itself(unit: str) -> None:
    """The folder is left out, and the cookbook names it: see tests/unit/commands/test_metrics_folder.py."""
    said = started(unit, before="rm -rf /var/lib/prometheus")
    assert set(re.findall(r"^writes (.*)$", said, re.MULTILINE)) == OWN[unit] - {"/var/lib/prometheus/node-exporter"}


@pytest.mark.parametrize("code", [one.value for one in ENDS["verify-mx"]])
def test_verify_fails_where_nothing_was_verified(code: int) -> None:
    fails = {Outcome.REFUSED.value, Outcome.NO_ANSWER.value, Outcome.INTERRUPTED.value}
    said = started(VERIFY, code=code)
    assert "mode 700" in said, "it ran"
    assert ("failed" if code in fails else "succeeded") in said.splitlines()
