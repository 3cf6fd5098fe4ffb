import pytest

from mxlib.config.alerts import AlertsSection, DowntimeSection
from tests.unit.support.site import refusal


@pytest.mark.parametrize("labels", ["service=mail", "team=mail,env=prod"])
def test_labels_of_the_service(labels):
    assert AlertsSection(service=(labels,)).service == (labels,)


@pytest.mark.parametrize("labels", ["mail", "service=", "=mail", "team=mail,env", "team=mail,", "a b=c"])
def test_what_are_no_labels(labels):
    assert "alerts.service: expected labels such as service=mail" in refusal("alerts.service", [labels])


def test_an_ignored_alert_has_a_name():
    assert "alerts.ignored: expected names of alerts" in refusal("alerts.ignored", [""])


@pytest.mark.parametrize("minutes", [0, 5, 240])
def test_a_silence_lasts_long_enough_to_be_prolonged_or_there_is_none(minutes):
    assert DowntimeSection(minutes).minutes == minutes


@pytest.mark.parametrize("minutes", [-1, 1, 4, 241])
def test_a_silence_that_is_too_short_or_too_long(minutes):
    assert f"downtime.minutes: expected 0, or 5 to 240, got {minutes}" in refusal("downtime.minutes", minutes)
