"""The Grafana dashboard: it shows all that is written, promtool tests each query, and no panel hides another."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from mxlib.verify.metrics import _HELP

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "dashboards/mx.json").read_text(encoding="utf-8"))
TESTS = yaml.safe_load((ROOT / "dashboards/mx_test.yaml").read_text(encoding="utf-8"))["tests"]
ROLL = re.findall(r"# TYPE (mx_roll_\w+)", (ROOT / "mxlib/roll/report.py").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SET = {"$instance": "mx1001|mx2001", "$__range": "1h"}
"""What the tests of the queries put in for the dashboard's variables."""


def queries() -> Iterator[str]:
    """Every query, as Grafana sends it."""
    for panel in PANELS:
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in SET.items():
                query = query.replace(variable, value)
            yield query


def test_every_query_is_tested_with_promtool_and_no_test_is_left_over() -> None:
    tested = {case["expr"]: case["exp_samples"] for test in TESTS for case in test["promql_expr_test"]}
    assert set(queries()) == set(tested)
    assert all(tested.values())


def test_all_metrics_that_are_written_are_shown_and_no_others() -> None:
    # what the rules record as mx_verifier is when that one verified
    every = " ".join(queries()).replace("mx_verifier", "mx_verify_time_seconds")
    shown = set(re.findall(r"\bmx_[a-z_]+", every))
    assert shown == {*_HELP, *ROLL}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in {"none", "short", "s"}
    everything = json.dumps(panel)
    assert set(re.findall(r"\$\{?(\w+)", everything)) <= {"datasource", "instance", "__range"}
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert bool(target["legendFormat"]) is (panel["type"] != "table")
        if not re.search(r"mx_roll|ALERTS", target["expr"]):
            assert 'instance=~"$instance"' in target["expr"]


def test_ages_are_in_seconds() -> None:
    for panel in PANELS:
        counts_time = any(re.search(r"^time\(\)|running_seconds", target["expr"]) for target in panel["targets"])
        assert (panel["fieldConfig"]["defaults"]["unit"] == "s") is counts_time


def test_no_two_panels_overlap_and_none_is_wider_than_the_page() -> None:
    boxes = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        apart = any(one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at] for at, size in ("xw", "yh"))
        assert apart, (one, other)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(boxes)


def test_an_alert_s_link_opens_this_dashboard_at_its_host() -> None:
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    rules = (ROOT / "alerts/mx.yaml").read_text(encoding="utf-8")
    links = set(re.findall(r"https://grafana.example.org/d/(\w+)(?:\?var-(\w+)=)?", rules))
    assert links == {(DASHBOARD["uid"], ""), (DASHBOARD["uid"], "instance")}
    assert "instance" in variables
