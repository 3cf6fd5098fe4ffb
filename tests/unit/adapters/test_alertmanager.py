"""What Alertmanager is asked, and what is made of an answer that is none."""

import json

import pytest
from spicerack.alertmanager import AlertmanagerError
from wmflib.config import load_yaml_config

from mxlib.adapters.alertmanager import AlertmanagerAlerts
from mxlib.base.errors import SilenceError
from tests.unit.support.alerts import raw


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


def test_a_configuration_that_is_no_yaml_shows_no_password(tmp_path):
    (tmp_path / "config.yaml").write_text("http_password: !hunter2\n")
    with pytest.raises(SilenceError, match=r"config\.yaml: it is not YAML from line 1") as caught:
        AlertmanagerAlerts(lambda: load_yaml_config(tmp_path / "config.yaml")).firing()
    assert "hunter2" not in str(caught.value)


def test_a_site_without_configuration_for_it_cannot_ask():
    def make():
        raise AlertmanagerError("An alertmanager instance name must be specified")

    with pytest.raises(SilenceError):
        AlertmanagerAlerts(make).firing()
