"""Alerts: the parser of Alertmanager's answer, which of them matter, and what they say against a host."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from spicerack.alertmanager import AlertmanagerError

from mxlib.adapters.alertmanager import AlertmanagerAlerts
from mxlib.base.errors import ParseError, SilenceError
from mxlib.base.verdict import Status
from mxlib.checks import alerts
from mxlib.model.alert import is_about, parse_alerts, relevant

NOW = datetime(2026, 11, 21, 0, 55, tzinfo=UTC)


def raw(
    name="QueueLong", instance="mx2001:9100", *, silenced=(), inhibited=(), since="2026-11-21T00:50:00.000Z", **labels
):
    """One alert as Alertmanager 0.25 prints it."""
    state = "suppressed" if silenced or inhibited else "active"
    return {
        "annotations": {"summary": "the queue\n is \x1b[31mlong"},
        "endsAt": "2026-11-21T00:59:00.000Z",
        "fingerprint": "8e4c1e7a0a1f",
        "receivers": [{"name": "none"}],
        "startsAt": since,
        "status": {"inhibitedBy": list(inhibited), "silencedBy": list(silenced), "state": state},
        "updatedAt": since,
        "generatorURL": "",
        "labels": {"alertname": name, "instance": instance, "severity": "critical", **labels},
    }


def parsed(*raws):
    return parse_alerts(list(raws))


def test_an_alert_is_read():
    one = parsed(raw(silenced=["s-1"], team="mail"))[0]
    assert (one.name, one.instance, one.severity, one.silences) == ("QueueLong", "mx2001:9100", "critical", ("s-1",))
    assert one.said == "QueueLong on mx2001:9100 (critical) since 00:50:00: the queue is long"
    assert one.quiet


@pytest.mark.parametrize(
    "answer",
    [
        None, {}, "", {"status": "error"}, [None], [{}], [{**raw(), "status": {}}],
        [{**raw(), "startsAt": "yesterday"}],
        [{**raw(), "startsAt": "2026-11-21T00:50:00"}], [{**raw(), "labels": {"instance": "mx2001"}}],
        [{**raw(), "status": {"state": "new", "silencedBy": [], "inhibitedBy": []}}], [raw(), "rest"],
    ],
)  # fmt: skip
def test_what_is_not_a_list_of_alerts_is_not_believed(answer):
    with pytest.raises(ParseError):
        parse_alerts(json.loads(json.dumps(answer)))


@pytest.mark.parametrize(
    ("instance", "about"),
    [
        ("mx2001", True), ("mx2001:9100", True), ("mx2001.lab.test", True), ("mx2001.lab.test:9100", True),
        ("mx20011", False), ("mx1001:9100", False), ("", False), ("xmx2001", False), ("mx2001:smtp", False),
    ],
)  # fmt: skip
def test_an_alert_is_about_a_host(instance, about):
    assert is_about(parsed(raw(instance=instance))[0], "mx2001.lab.test") is about


def test_what_matters_is_about_the_hosts_or_the_service_and_not_ignored():
    known = parsed(
        raw("Host"), raw("Other", "db1001"), raw("Service", "", service="mail", env="prod"),
        raw("Elsewhere", "", service="mail", env="test"), raw("Watchdog"),
    )  # fmt: skip
    found = relevant(known, ["mx2001.lab.test"], ["service=mail,env=prod"], ["Watchdog"])
    assert [one.name for one in found] == ["Host", "Service"]


def test_only_what_is_loud_speaks_against_a_host():
    assert alerts.judge(parsed(raw(), raw("Quiet", silenced=["x"])), NOW).status is Status.FAILED
    fine = alerts.judge(parsed(raw("Quiet", silenced=["x"]), raw("Covered", inhibited=["y"])), NOW)
    assert (fine.status, "Quiet" in fine.why, "Covered" in fine.why) == (Status.OK, True, True)
    assert alerts.judge((), NOW).why == "no alert fires"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, Status.FAILED),
        ({"silenced": ["ours"]}, Status.FAILED),
        ({"silenced": ["theirs"]}, Status.OK),
        ({"silenced": ["ours", "theirs"]}, Status.OK),
        ({"inhibited": ["other"]}, Status.OK),
        ({"since": "2026-11-21T00:49:59Z"}, Status.OK),
    ],
)
def test_the_soak_sees_behind_the_silences_of_the_run_and_of_nobody_else(options, status):
    begin = NOW - timedelta(minutes=5)
    found = alerts.judge_since(parsed(raw(**options)), begin, ["ours"], NOW)
    assert found.status is status
    assert "QueueLong" in found.why


class Answer:
    def __init__(self, content):
        self.content = content

    def json(self):
        return json.loads(self.content)


class FakeAlertmanager:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def _api_request(self, method, path):
        self.asked.append((method, path))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(self.answer)


def test_everything_that_fires_is_asked_for_also_what_is_silenced():
    manager = FakeAlertmanager(json.dumps([raw(silenced=["s"])]))
    assert len(AlertmanagerAlerts(lambda: manager).firing()) == 1
    [(method, path)] = manager.asked
    assert (method, "silenced=true" in path, "inhibited=true" in path) == ("get", True, True)


@pytest.mark.parametrize("answer", [AlertmanagerError("no one there"), "<html>", '{"code": 1}', OSError("cut")])
def test_an_alertmanager_that_cannot_be_asked_says_nothing_is_well(answer):
    with pytest.raises(SilenceError, match="cannot be asked"):
        AlertmanagerAlerts(lambda: FakeAlertmanager(answer)).firing()


def test_a_site_without_configuration_for_it_cannot_ask():
    def make():
        raise AlertmanagerError("An alertmanager instance name must be specified")

    with pytest.raises(SilenceError):
        AlertmanagerAlerts(make).firing()
