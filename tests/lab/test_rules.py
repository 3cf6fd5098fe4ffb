"""Debian's promtool passes the tests of the alert rules and of the dashboard's queries."""

from lab.build import promtool
from lab.place import cache


def test_alert_rules_and_queries_pass_their_tests() -> None:
    said = promtool.check(cache())
    assert said.count("SUCCESS") == 3, said  # the rules, their tests, the dashboard's tests
    assert "mx_test.yaml" in said
