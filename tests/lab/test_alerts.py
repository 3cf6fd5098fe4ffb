"""Alerts and silences against a real Alertmanager."""

import json
import subprocess

from lab.lifecycle import Stations
from lab.place import REPOSITORY, exchanger
from lab.stations import infra, management

MX2 = exchanger("mx2001")
# What a run does with the silence of its host, and what it sees before, during and after it.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from datetime import UTC, datetime
from spicerack import Spicerack
from mxlib.model.alert import relevant
from mxlib.adapters.silences import AlertmanagerSilencer
from mxlib.adapters.alertmanager import source_of
from mxlib.checks import alerts
from mxlib.base.clock import SystemClock, wait_for
from mxlib.config.alerts import AlertsSection

host, begin = sys.argv[2], datetime.fromisoformat(sys.argv[3])
spicerack = Spicerack(dry_run=False)
silencer = AlertmanagerSilencer(lambda: spicerack.alertmanager_hosts([host]), spicerack.admin_reason("lab test"))
source = source_of(spicerack, AlertsSection())

def mine():
    return relevant(source.firing(), [host], (), ())

def ends():
    return spicerack.alertmanager()._api_request("get", f"silence/{silence}").json()["endsAt"]

wait_for(mine, deadline_s=10, every_s=0.2, clock=SystemClock())
said = {"loud": alerts.judge(mine(), begin).status.value}
(silence,) = silencer.add(5)
before = ends()
silencer.prolong(silence, 10)
said["later"] = ends() > before
wait_for(lambda: mine()[0].quiet, deadline_s=10, every_s=0.2, clock=SystemClock())
said["silenced"] = alerts.judge(mine(), begin).status.value
said["soak"] = alerts.judge_since(mine(), begin, [silence], begin).status.value
said["theirs"] = alerts.judge_since(mine(), begin, [], begin).status.value
silencer.remove(silence)
try:
    silencer.prolong(silence, 10)
except Exception as error:
    said["after"] = str(error).rpartition(" ")[2]
print(json.dumps(said))
"""


def post(place: Stations, **times: str) -> None:
    labels = {"alertname": "LabAlert", "instance": f"{MX2.name}:9100", "severity": "critical"}
    body = json.dumps([{"labels": labels, "annotations": {"summary": "made by a test"}, **times}])
    url = f"{infra.ALERTMANAGER}/api/v2/alerts"
    words = ["curl", "-sf", "--noproxy", "*", "-H", "Content-Type: application/json", "-d", "@-", url]
    place.infra.run(words, input_text=body)


def test_silences_are_prolonged_and_the_soak_sees_behind_its_own(place: Stations) -> None:
    begin = place.infra.run(["date", "--iso-8601=seconds", "--utc"]).stdout.strip()
    post(place)
    try:
        environment = management.virtual_environment(place.operator)
        words = [str(environment / "bin" / "python"), "-c", PROGRAM, str(REPOSITORY), MX2.fqdn, begin]
        argv = management.command(place.operator, environment, words)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    finally:
        post(place, endsAt=place.infra.run(["date", "--iso-8601=seconds", "--utc"]).stdout.strip())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "loud": "FAILED",
        "later": True,
        "silenced": "OK",
        "soak": "FAILED",
        "theirs": "OK",
        "after": "expired",
    }
