"""Every remedy: its bounds, and what it may do beside a run."""

import subprocess

import pytest

from mxlib.remedies import clear_failed, reload_firewall, restart_unit, set_sysctl
from mxlib.remedies.bounds import Order
from mxlib.remedies.registry import REMEDIES
from tests.unit.support.remedy_host import SITE


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Order("restart-unit", "cron.service"), "required_units"),
        (Order("restart-unit", "ferm.service"), "reload-firewall"),
        (Order("restart-unit"), "no unit"),
        (Order("clear-failed", "spamd.service"), "clearable_units"),
        (Order("reload-firewall", "x"), "no argument"),
        (Order("set-sysctl", "net.ipv4.ip_forward=1"), "not among"),
        (Order("set-sysctl", "net.ipv4.tcp_fastopen=1"), "not among"),
        (Order("unset-sysctl", "net.ipv4.ip_forward"), "never set"),
        (Order("clear-hints", "nowhere"), "probes.outbound"),
        (Order("allow", "198.51.100.0/16", 600), "an address"),
        (Order("allow", "2001:db8::/32", 600), "an address"),
        (Order("allow", "$(reboot)", 600), "an address"),
        (Order("allow", "198.51.100.10", 5), "--for"),
        (Order("allow", "198.51.100.10", 86401), "--for"),
        (Order("close-hole", "x; reboot"), "not an address"),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(order: Order, why: str) -> None:
    assert why in REMEDIES[order.remedy].refuse(SITE, order)


@pytest.mark.parametrize(
    "order",
    [
        Order("restart-unit", "spamd.service"),
        Order("clear-failed", "ifup@ens5.service"),
        Order("reload-firewall"),
        Order("set-sysctl", "net.ipv4.tcp_fastopen=0"),
        Order("clear-hints", SITE.probes.outbound[0].name),
        Order("allow", "2001:db8:51::10", 1800),
        Order("allow", "198.51.100.0/24", 1800),
        Order("close-hole"),
    ],
)
def test_what_is_within_the_bounds_is_not(order: Order) -> None:
    assert REMEDIES[order.remedy].refuse(SITE, order) == ""


def test_only_closing_a_hole_is_harmless_to_others() -> None:
    assert [one.name for one in REMEDIES.values() if one.harmless] == ["close-hole"]


def test_a_reboot_helps_itself_only_with_what_cannot_change_a_judgement() -> None:
    """A mitigation or a hole would make a bad kernel pass."""
    automatic = {one.name for one in REMEDIES.values() if one.automatic}
    assert automatic == {"restart-unit", "clear-failed", "reload-firewall"}


def test_every_script_for_a_host_is_posix_sh() -> None:
    scripts = (
        reload_firewall.script(SITE),
        clear_failed.script("ifup@ens5.service", "op: it's over"),
        set_sysctl.script("net.ipv4.tcp_fastopen", "0", "op: it's over"),
        set_sysctl.script_back("net.ipv4.tcp_fastopen"),
        restart_unit.script("spamd.service", 90),
    )
    for script in scripts:
        done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{script}"
