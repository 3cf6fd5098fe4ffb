"""What promtool is asked, what it answers, and what Alertmanager is handed."""

import json
import re
from types import SimpleNamespace

import pytest

from lab.gameday import monitoring
from lab.gameday.monitoring import RULES, FiredAlert, answer, fired, post, question, shown, without_waiting
from lab.shell import LabError

NOW = 1_800_000_000.0
METRICS = """# HELP mx_verify_status What a check found: 0 OK, 1 unknown, 2 failed.
# TYPE mx_verify_status gauge
mx_verify_status{instance="mx2001.lab.test",check="units"} 2
mx_verify_time_seconds{instance="mx2001.lab.test"} 1799999970
mx_aliases_running_seconds{instance="mx2001.lab.test",generator="vrts"} 30.5
"""
# As promtool 2.42 prints it; a check of that name does not exist, its quotes do.
SAID = r"""Unit Testing:  test.yaml
  FAILED:
    alertname: MxVerifyUnknown, time: 3h, 
        exp:[], 
        got:[
            0:
              Labels:{alertname="MxVerifyUnknown", check="a\"b\\n", instance="mx2001.lab.test", severity="warning"}
              Annotations:{next="cookbook sre.mail.verify-mx mx2001.lab.test", summary="a, {b} and \"c\""}
            ]
    alertname: MxDown, time: 3h, 
        exp:[], 
        got:[
            0:
              Labels:{alertname="MxDown", instance="mx1001.lab.test", severity="page"}
              Annotations:{runbook="https://docs.example.org/mx/runbook.html#mxdown", summary="x"},
            1:
              Labels:{alertname="MxDown", instance="mx2001.lab.test", severity="page"}
              Annotations:{runbook="https://docs.example.org/mx/runbook.html#mxdown", summary="y"}
            ]
"""  # noqa: W291


def test_samples_are_constant_and_moments_move_to_promtools_clock():
    asked = question(METRICS, NOW, ["MxDown"])
    (test,) = asked["tests"]
    assert [one["values"] for one in test["input_series"]] == ["2.000x36", "10770.000x36", "30.500x36"]
    assert test["input_series"][0]["series"] == 'mx_verify_status{instance="mx2001.lab.test",check="units"}'
    assert test["alert_rule_test"] == [{"eval_time": "10800s", "alertname": "MxDown"}]
    assert asked["rule_files"] == ["rules.yaml"]


def test_what_is_no_sample_is_refused():
    with pytest.raises(LabError, match="'mx_verify_status': expected a sample"):
        question("mx_verify_status\n", NOW, [])


def test_the_rules_lose_their_waiting_and_nothing_else():
    text = RULES.read_text()
    left = without_waiting(text)
    assert "for:" not in re.sub(r"#.*", "", left)
    gone = set(text.splitlines()) - set(left.splitlines())
    assert all(re.fullmatch(r" +for: \w+", line) for line in gone)
    assert len(text.splitlines()) - len(left.splitlines()) == text.count("- alert:")


def test_the_answer_is_every_alert_the_most_urgent_first():
    alerts = answer(SAID)
    assert [(one.name, one.host) for one in alerts] == [
        ("MxDown", "mx1001.lab.test"), ("MxDown", "mx2001.lab.test"), ("MxVerifyUnknown", "mx2001.lab.test"),
    ]  # fmt: skip
    assert alerts[0].anchor == "mxdown"
    assert alerts[2].labels["check"] == 'a"b\\n'
    assert alerts[2].annotations["summary"] == 'a, {b} and "c"'
    assert answer("Unit Testing:  test.yaml\n  SUCCESS\n") == []


def test_a_severity_that_is_not_known_is_the_least_urgent():
    grades = ("page", "warning", "ticket", "task", "?")
    alerts = [FiredAlert({"alertname": "A", "severity": name}, {}) for name in grades]
    assert [one.urgency for one in alerts] == [0, 1, 2, 3, 4]
    assert FiredAlert({"alertname": "A"}, {}).urgency == 4


@pytest.mark.parametrize(("code", "said"), [(1, "no such metric"), (0, SAID)])
def test_an_answer_that_contradicts_the_exit_code_is_no_answer(monkeypatch, code, said):
    monkeypatch.setattr(monitoring, "promtool", lambda _cache: "promtool")
    monkeypatch.setattr(monitoring, "run", lambda *_, **__: SimpleNamespace(returncode=code, stdout=said))
    with pytest.raises(LabError, match=f"exit code {code}"):
        fired(METRICS, NOW)


def test_promtool_gets_rules_without_waiting_and_every_alert_of_them(monkeypatch):
    asked = {}

    def tool(words, **_):
        path = words[-1]
        asked.update(json.loads(path.read_text()), rules=(path.parent / "rules.yaml").read_text())
        return SimpleNamespace(returncode=0, stdout="SUCCESS")

    monkeypatch.setattr(monitoring, "promtool", lambda _cache: "promtool")
    monkeypatch.setattr(monitoring, "run", tool)
    assert fired(METRICS, NOW) == []
    names = [one["alertname"] for one in asked["tests"][0]["alert_rule_test"]]
    assert names == re.findall(r"- alert: (\w+)", RULES.read_text())
    assert asked["rules"] == without_waiting(RULES.read_text())


@pytest.mark.parametrize(("over", "code", "taken"), [(False, 0, True), (True, 0, True), (False, 7, False)])
def test_alertmanager_is_handed_labels_annotations_and_when_they_end(over, code, taken):
    handed = []

    def run(words, *, input_text, check):
        assert not check
        handed.append((words[-1], json.loads(input_text)))
        return SimpleNamespace(returncode=code)

    assert post(SimpleNamespace(run=run), answer(SAID)[:1], over=over) is taken
    ((url, (alert,)),) = handed
    assert url == "http://192.0.2.5:9093/api/v2/alerts"
    assert (alert["labels"]["instance"], alert["annotations"]["summary"]) == ("mx1001.lab.test", "x")
    assert ("startsAt" in alert) is not over
    assert over or alert["endsAt"] > alert["startsAt"]


def test_alerts_are_shown_as_they_are_read():
    text = shown(answer(SAID)[:1])
    assert text == "page     MxDown: x\n         runbook: https://docs.example.org/mx/runbook.html#mxdown\n"
    assert shown([]) == "no alert fires\n"
