"""Silences: set, prolonged beside the run, ended; in Alertmanager, in Icinga, in both."""

from types import SimpleNamespace

import pytest
from spicerack.alertmanager import AlertmanagerError
from spicerack.icinga import IcingaError

from mxlib.adapters.silences import AlertmanagerSilencer, BothSilencers, IcingaSilencer
from mxlib.base.errors import SilenceError
from mxlib.reboot.steps import service

ID = "be1412f0-554d-40f3-a39a-9838df2d8128"


class FakeAlertmanager:
    """What Spicerack's AlertmanagerHosts does with silences."""

    def __init__(self, state="active"):
        self.state, self.posted, self.removed, self.broken = state, [], [], False

    def downtime(self, reason, *, duration):
        if self.broken:
            raise AlertmanagerError("Unable to POST to any Alertmanager")
        self.posted.append((reason, duration.total_seconds()))
        return ID

    def remove_downtime(self, silence):
        self.removed.append(silence)

    def _api_request(self, method, path, json=None):
        if method == "post":
            self.posted.append(json)
        times = {"startsAt": "then", "endsAt": "soon", "updatedAt": "then"}
        who = {"id": ID, "matchers": [{"name": "instance"}], "createdBy": "op", "comment": "why"}
        found = {**times, **who, "status": {"state": self.state}}
        return SimpleNamespace(json=lambda: found)


class FakeIcinga:
    """What Spicerack's IcingaHosts does with downtimes."""

    def __init__(self, *, downtimed=False):
        self.downtimed, self.set, self.removed, self.broken = downtimed, 0, 0, False

    def get_status(self):
        if self.broken:
            raise IcingaError("cannot")
        return {"mx2001": SimpleNamespace(downtimed=self.downtimed)}

    def downtime(self, _reason, *, duration):
        assert duration.total_seconds() == 600
        self.set += 1

    def remove_downtime(self):
        self.removed += 1


def test_a_silence_is_prolonged_and_stays_the_same():
    manager = FakeAlertmanager()
    AlertmanagerSilencer(lambda: manager, "why").prolong(ID, 10)
    [sent] = manager.posted
    assert (sent["id"], sent["matchers"], sent["startsAt"]) == (ID, [{"name": "instance"}], "then")
    assert sent["endsAt"] > "2026"
    assert "status" not in sent


@pytest.mark.parametrize(("state", "silence"), [("expired", ID), ("active", "../alerts"), ("active", "")])
def test_what_has_run_out_or_is_no_silence_is_not_prolonged(state, silence):
    manager = FakeAlertmanager(state)
    with pytest.raises(SilenceError):
        AlertmanagerSilencer(lambda: manager, "why").prolong(silence, 10)
    assert manager.posted == []


def test_without_a_configuration_the_error_is_one_of_silences():
    def make():
        raise AlertmanagerError("no default instance")

    with pytest.raises(SilenceError, match="no default instance"):
        AlertmanagerSilencer(make, "why").add(10)


def test_icinga_is_downtimed_prolonged_and_given_back():
    icinga = FakeIcinga()
    silencer = IcingaSilencer(lambda: icinga, "why")
    [name] = silencer.add(10)
    silencer.prolong(name, 10)
    silencer.remove(name)
    assert (icinga.set, icinga.removed) == (2, 1)


def test_a_downtime_of_somebody_else_is_left_alone():
    icinga = FakeIcinga(downtimed=True)
    silencer = IcingaSilencer(lambda: icinga, "why")
    [name] = silencer.add(10)
    silencer.prolong(name, 10)
    silencer.remove(name)
    assert (icinga.set, icinga.removed) == (0, 0)


def test_both_are_set_or_none():
    manager, icinga = FakeAlertmanager(), FakeIcinga()
    both = BothSilencers(AlertmanagerSilencer(lambda: manager, "why"), IcingaSilencer(lambda: icinga, "why"))
    ids = both.add(10)
    for one in ids:
        both.prolong(one, 10)
        both.remove(one)
    assert (manager.removed, icinga.removed, icinga.set) == ([ID], 1, 2)
    icinga.broken = True
    with pytest.raises(SilenceError):
        both.add(10)
    assert manager.removed == [ID, ID]


def context(silences, prolong):
    """As much of a run's world as its silences need."""
    site = SimpleNamespace(downtime=SimpleNamespace(minutes=10))
    silencer = SimpleNamespace(prolong=prolong, add=lambda minutes: (f"new-{minutes}",))
    record = SimpleNamespace(silences=silences) if silences is not None else None
    adapters, progress = SimpleNamespace(silencer=silencer), SimpleNamespace(record=record, silenced_again={})
    return SimpleNamespace(site=site, adapters=adapters, progress=progress, operator=SimpleNamespace(line=print))


def test_beside_the_run_every_silence_of_its_record_is_prolonged():
    seen = []
    silencer = SimpleNamespace(prolong=lambda silence, minutes: seen.append((silence, minutes)))
    service.prolong(context(("a", service.NO_SILENCE), None), silencer)
    service.prolong(context(None, None), silencer)
    assert seen == [("a", 10)]


def test_who_resumes_a_run_silences_again_what_has_run_out():
    def expired(_silence, _minutes):
        raise SilenceError("expired")

    assert service._heard(context((), expired), "old") == ("new-10",)
    assert service._heard(context((), lambda *_: None), "old") == ("old",)
    assert service._heard(context((), expired), service.NO_SILENCE) == (service.NO_SILENCE,)
