import pytest

from mxlib.config.verify import VerifyPolicy
from tests.unit.support.site import refusal


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("verify.log", {"after_data": -1}, "verify.log.after_data: expected 0 or more, got -1"),
        ("verify.firewall", {"accepted_ports": [70000]}, "verify.firewall.accepted_ports: expected ports, 1 to 65535"),
        ("verify.firewall", {"min_rules": -1}, "verify.firewall.min_rules: expected 0 or more, got -1"),
        ("verify.conntrack_lost", -1, "verify.conntrack_lost: expected 0 or more, got -1"),
        ("verify.ignored_units", ["x"], "verify.ignored_units: expected full names of units, such as ssh.service, got"),
        ("verify.watched_sysctls", ["a b"], "verify.watched_sysctls: expected names of sysctls, got ['a b']"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


def test_what_is_named_with_alternatives_is_read_one_by_one():
    policy = VerifyPolicy(
        required_units=("ssh.service", "ferm.service|nftables.service", "ssh.service"),
        sysctls={"net.a": "1"},
        watched_sysctls=("net.b", "net.a"),
    )
    assert policy.unit_names == ("ssh.service", "ferm.service", "nftables.service")
    assert policy.read_sysctls == ("net.a", "net.b")


@pytest.mark.parametrize(
    "values",
    [
        {"families": (5,)},
        {"families": ()},
        {"required_units": ("exim4; reboot",)},
        {"listeners": (0,)},
        {"conntrack_fullness": 0.0},
        {"clock_s": float("nan")},
        {"free_percent": 100.0},
        {"sysctls": {"net.ipv4; rm": "1"}},
    ],
)
def test_a_wrong_policy_is_refused(values):
    with pytest.raises(ValueError, match=r".*"):
        VerifyPolicy(**values)
