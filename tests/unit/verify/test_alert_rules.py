"""The alert rules know only metrics that are written; each is tested both ways, and says what to type."""

import argparse
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.ext import cookbooks
from lab.build import promtool
from lab.shell import LabError
from mxlib.checks.alerts import judge_since
from mxlib.verify.metrics import _HELP
from tests.unit.support.alerts import parsed, raw

ROOT = Path(__file__).resolve().parents[3]
RULES = yaml.safe_load((ROOT / "alerts" / "mx.yaml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
RECORDED = {rule["record"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
FILES = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "alerts").glob("*_test.yaml"))]
TESTS = [test for file in FILES for test in file["tests"]]
ROLL = re.findall(r"# TYPE (mx_roll_\w+)", (ROOT / "mxlib" / "roll" / "report.py").read_text(encoding="utf-8"))
OWN_ALERT = {"alerts", "aliases", "aliases-peers", "depool", "queue"}
WAITS = {"boot", "certificate", "clock", "disk", "kernel", "nic", "puppet", "sysctl", "temporary-hole"}


@pytest.fixture(params=ALERTS, ids=lambda rule: rule["alert"])
def rule(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def cases(alert: str, *, fires: bool) -> list[dict[str, Any]]:
    asked = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == alert]
    return [case for case in asked if bool(case.get("exp_alerts")) is fires]


def test_a_rule_knows_only_metrics_that_are_written(rule: dict[str, Any]) -> None:
    used = set(re.findall(r"\bmx_[a-z_]+", rule["expr"])) - {"mx_up", "mx_verifier"}
    assert used
    assert used <= {*_HELP, *ROLL}
    assert ROLL


def test_a_rule_goes_by_the_newest_verification_whoever_made_it(rule: dict[str, Any]) -> None:
    raw_ones = set(re.findall(r"(?<!:)\bmx_[a-z_]+", rule["expr"]))
    each_verifier = {"mx_verify_answered"} if rule["alert"] == "MxUnread" else set()
    assert raw_ones <= {"mx_verify_time_seconds", *each_verifier, *ROLL}
    assert set(re.findall(r"[a-z]+:mx_[a-z_]+:[a-z]+", rule["expr"])) <= RECORDED.keys()


def test_what_is_recorded_of_a_metric_is_that_metric() -> None:
    for name in _HELP.keys() - {"mx_verify_time_seconds"}:
        newest = rf"max by \(instance[a-z, ]*\) \({name} and on \(instance, verifier\) instance:mx_verifier:newest\)"
        assert re.fullmatch(newest, RECORDED[f"instance:{name}:newest"])


def test_every_rule_is_tested_to_fire_and_to_be_silent(rule: dict[str, Any]) -> None:
    assert cases(rule["alert"], fires=True)
    assert cases(rule["alert"], fires=False)


def seconds(said: str) -> int:
    """What Prometheus understands by a time such as 1h30m."""
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * unit[name] for number, name in re.findall(r"(\d+)([smhd])", said))


def test_what_promtool_is_asked_is_the_state_of_that_moment_and_costs_seconds() -> None:
    """Each step evaluates all rules: of a test of three days, a minute each would cost more than all others."""
    steps = 0
    for file in FILES:
        step = seconds(file["evaluation_interval"])
        for test in file["tests"]:
            moments = [seconds(case["eval_time"]) for case in test["alert_rule_test"]]
            # in between, the answer would be that of the step before
            assert [moment for moment in moments if moment % step] == []
            steps += max(moments) // step
    assert 0 < steps < 1500


def test_a_rule_says_what_to_do_and_whose_it_is(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "next", "runbook", "dashboard"}
    assert all(notes.values())
    assert notes["runbook"] == f"https://docs.example.org/mx/runbook.html#{rule['alert'].lower()}"
    assert notes["dashboard"].startswith("https://grafana.example.org/d/mx")
    assert rule["labels"]["severity"] in {"page", "warning", "task"}
    assert rule["labels"]["team"] == "mail"


def test_a_rule_that_repeats_a_verification_says_so_and_ends_no_soak(rule: dict[str, Any]) -> None:
    (alert,) = parsed(raw(rule["alert"], **rule["labels"]))
    assert alert.verified is bool(_HELP.keys() & set(re.findall(r"\bmx_[a-z_]+", rule["expr"])))
    soak = judge_since([alert], alert.since, (), alert.since)
    assert soak.passed is alert.verified


def test_the_command_of_a_rule_is_one(rule: dict[str, Any]) -> None:
    said = rule["annotations"]["next"].replace("{{ $labels.kernel }}", "6.1.0-56-amd64")
    typed = re.sub(r"{{ \$labels\.\w+ }}", "mta", said)
    first, name, *arguments = typed.split()
    if first == "systemctl":
        assert (ROOT / "systemd" / arguments[-1]).is_file()
    else:
        assert argparse.ArgumentParser.parse_args(cookbooks.parser(name), arguments)


def test_what_can_wait_wakes_nobody() -> None:
    """A deliberate hole or depool, a forecast, a certificate that ends in weeks."""
    by_name = {rule["alert"]: rule for rule in ALERTS}
    quiet = ("MxVerifyNotice", "MxLeftOut", "MxDepooled")
    assert "page" not in {by_name[name]["labels"]["severity"] for name in quiet}
    left_out = re.search(r'check!~"([^"]+)"', by_name["MxVerifyFailed"]["expr"])
    waits = re.search(r'check=~"([^"]+)"', by_name["MxVerifyNotice"]["expr"])
    assert left_out is not None
    assert waits is not None
    assert set(waits[1].split("|")) == WAITS
    assert set(left_out[1].split("|")) == OWN_ALERT | WAITS


def test_the_site_puts_its_own_in_by_the_documented_command(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    command = re.search(r"^ {4}(sed (?:.*\\\n)*.*)$", page, re.MULTILINE)
    assert command is not None
    typed = command[1].replace("/srv/mx-cookbooks/", f"{ROOT}/").replace("/etc/prometheus/rules/", f"{tmp_path}/")
    typed = typed.replace("wiki.site.test", "wiki.mine.test")
    subprocess.run(["sh", "-ec", typed], check=True)
    made = (tmp_path / "mx.yaml").read_text(encoding="utf-8")
    assert "example.org" not in made
    for group in yaml.safe_load(made)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["annotations"]["runbook"].startswith("https://wiki.mine.test/mx/runbook.html#mx")
                assert rule["annotations"]["dashboard"].startswith("https://grafana.site.test/d/mail")
                assert rule["labels"]["team"] == "postmasters"


def test_without_promtool_the_check_fails_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(folder: Path) -> None:
        raise LabError("no network")

    machines = tmp_path / "machine" / "promtool"
    machines.parent.mkdir()
    machines.write_text("#!/bin/sh\n")
    machines.chmod(0o755)
    monkeypatch.setenv("PATH", str(machines.parent))
    monkeypatch.setattr(promtool, "PrivateApt", unreachable)
    with pytest.raises(LabError, match=r"no promtool in the cache, .* no network"):
        promtool.check(tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*")) == []
