"""Debian's promtool passes the tests of the alert rules and of the dashboard's queries."""

import re

from lab.build import promtool
from lab.gameday.monitoring import fired
from lab.place import cache


def test_alert_rules_and_queries_pass_their_tests() -> None:
    said = promtool.check(cache())
    files = re.findall(r"Unit Testing: .*/(\w+/\w+_test\.yaml)", said)
    assert files == [f"alerts/mx{part}_test.yaml" for part in ("_days", "_hours", "")] + ["dashboards/mx_test.yaml"]
    assert said.count("SUCCESS") == 1 + len(files), said  # the rules, and each of the tests


def test_promtool_says_what_fires_in_the_form_that_game_day_reads() -> None:
    now = 1_800_000_000
    metrics = "\n".join(
        [
            'mx_verify_status{instance="mx2001.lab.test",check="units"} 2',
            'mx_verify_status{instance="mx2001.lab.test",check="disk"} 0',
            f'mx_verify_time_seconds{{instance="mx2001.lab.test"}} {now - 30}',
            f'mx_verify_time_seconds{{instance="mx1001.lab.test"}} {now - 7300}',
            'mx_verify_answered{instance="mx1001.lab.test"} 0',
        ]
    )
    alerts = fired(metrics, now)
    assert [(one.name, one.host, one.labels["severity"]) for one in alerts] == [
        ("MxDown", "mx1001.lab.test", "page"),
        ("MxVerifyFailed", "mx2001.lab.test", "page"),
        ("MxVerifyStale", "mx1001.lab.test", "warning"),
    ]
    assert alerts[1].annotations["next"] == "cookbook sre.mail.verify-mx mx2001.lab.test --only units"
    assert "2h 1m 40s" in alerts[2].annotations["summary"]
    assert fired(metrics.splitlines()[1], now) != [], "no verification at all is an alert, too"
    assert fired("\n".join(metrics.splitlines()[1:3]), now) == []
