"""The parser of Alertmanager's answer, and which alerts matter to a host."""

import json
from pathlib import Path

import pytest
import yaml

from mxlib.base.errors import ParseError
from mxlib.model.alert import OF_A_ROLL, OUT_OF_SERVICE, is_about, out_of_service, parse_alerts, relevant
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


@pytest.mark.parametrize(
    ("name", "instance", "labels", "host"),
    [
        ("MxLeftOut", "mx2001.lab.test", {"source": "verify-mx"}, "mx2001.lab.test"),
        ("MxDown", "mx2001:9100", {"source": "verify-mx"}, "mx2001.lab.test"),
        ("MxDown", "mx2001:9100", {}, ""),
        ("MxDown", "web1", {"source": "verify-mx"}, ""),
        ("MxQueueStuck", "mx2001.lab.test", {"source": "verify-mx"}, ""),
        ("MxDepooled", "mx2001.lab.test", {"source": "verify-mx"}, ""),
    ],
)
def test_some_alerts_say_only_that_a_host_is_out_of_service(name, instance, labels, host):
    (alert,) = parsed(raw(name, instance, **labels))
    assert out_of_service(alert, ("mx1001.lab.test", "mx2001.lab.test")) == host


def test_no_roll_is_stopped_by_the_alert_that_it_has_stopped():
    known = parsed(*(raw(name, "cumin1001:9100", team="mail") for name in ("Other", *OF_A_ROLL)))
    assert [one.name for one in relevant(known, ["mx2001.lab.test"], ["team=mail"], ())] == ["Other"]


def test_these_alerts_are_shipped():
    path = Path(__file__).resolve().parents[3] / "alerts" / "mx.yaml"
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    rules = {rule["alert"]: rule["labels"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert {rules[name]["source"] for name in OUT_OF_SERVICE} == {"verify-mx"}
    assert {name for name in rules if name.startswith("MxRoll")} == OF_A_ROLL
