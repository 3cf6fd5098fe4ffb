"""The alert rules hold: promtool checks them and passes their tests, from the machine or from Debian's package."""

from lab import promtool
from lab.place import cache


def test_the_rules_and_their_own_tests_hold() -> None:
    assert "SUCCESS" in promtool.check(cache())
