"""The parser of Alertmanager's answer, and which alerts matter to a host."""

import json

import pytest

from mxlib.base.errors import ParseError
from mxlib.model.alert import is_about, parse_alerts, relevant
from tests.unit.support.alerts import parsed, raw


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


def test_of_those_that_matter_the_oldest_comes_first():
    known = parsed(raw("A late one", since="2026-11-21T00:54:00Z"), raw("Early one", since="2026-11-21T00:40:00+00:00"))
    assert [one.name for one in relevant(known, ["mx2001.lab.test"], (), ())] == ["Early one", "A late one"]
