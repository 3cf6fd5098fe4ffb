import pytest

from mxlib.config.remedy import RemedySection
from tests.unit.support.site import refusal


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("remedy.sysctls", {"net": ["1"]}, "remedy.sysctls: expected names of sysctls"),
        ("remedy.sysctls", {"net.x": ["1; reboot"]}, "remedy.sysctls: expected a list of numbers, as texts, for each"),
        ("remedy.clearable_units", ["a b"], "remedy.clearable_units: expected names of units, with * for any"),
        ("remedy.clearable_units", [""], "remedy.clearable_units: expected names of units, with * for any"),
        ("remedy.unit_timeout", 29.0, "remedy.unit_timeout: expected 30 or more seconds, got 29.0"),
        ("remedy.firewall_undo", float("inf"), "remedy.firewall_undo: expected 30 or more seconds, got inf"),
        ("remedy.unit_timeout", 1, "remedy.unit_timeout: expected 30 or more seconds, got 1"),
        ("remedy.hole_max", 1, "remedy.hole_max: expected 30 or more seconds, got 1"),
        ("remedy.hole_max", 86401.0, "remedy.hole_max: expected a day at most, got 86401.0"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


def test_what_may_be_set_unless_the_site_says_otherwise():
    assert RemedySection().sysctls == {
        "net.ipv4.tcp_fastopen": ("0",),
        "net.ipv4.tcp_fastopen_blackhole_timeout_sec": ("3600",),
        "net.netfilter.nf_conntrack_tcp_be_liberal": ("1",),
    }
