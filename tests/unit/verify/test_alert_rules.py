"""The alert rules know only metrics that are written; each is tested, and names a cookbook or a page that exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.build import promtool
from lab.shell import LabError
from mxlib.verify.metrics import _HELP

ROOT = Path(__file__).resolve().parents[3]
RULES = yaml.safe_load((ROOT / "alerts" / "mx.yaml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
TESTS = yaml.safe_load((ROOT / "alerts" / "mx_test.yaml").read_text(encoding="utf-8"))["tests"]


@pytest.fixture(params=ALERTS, ids=lambda rule: rule["alert"])
def rule(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_a_rule_knows_only_metrics_that_are_written(rule: dict[str, Any]) -> None:
    used = set(re.findall(r"\bmx_[a-z_]+", rule["expr"]))
    assert used
    assert used <= set(_HELP)


def test_a_rule_is_tested(rule: dict[str, Any]) -> None:
    fired = {case["alertname"] for test in TESTS for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert rule["alert"] in fired


def test_a_rule_says_what_to_do(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert notes["summary"]
    assert notes["description"]
    pages = re.findall(r"docs/[a-z-]+\.md", notes["runbook"])
    cookbooks = re.findall(r"sre\.mail\.([a-z-]+)", notes["runbook"])
    assert pages or cookbooks
    assert [page for page in pages if not (ROOT / page).exists()] == []
    assert [name for name in cookbooks if not (ROOT / "cookbooks/sre/mail" / f"{name}.py").exists()] == []


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
