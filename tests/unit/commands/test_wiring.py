"""Which adapter a run works with, for one request on one site; nothing is asked before it is used."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from mxlib.adapters.alertmanager import AlertmanagerAlerts
from mxlib.adapters.conftool import ConftoolPool, NoPool, PoolIfReadable
from mxlib.adapters.etcd_slot import EtcdSlot
from mxlib.adapters.ganeti_rescue import GanetiRescue, NoMachineAccess
from mxlib.adapters.operator import Unattended
from mxlib.adapters.silences import AlertmanagerSilencer, BothSilencers, IcingaSilencer
from mxlib.adapters.without_slot import WithoutSlot
from mxlib.base.errors import InterruptedRunError
from mxlib.base.stop import Stop
from mxlib.commands import wiring
from mxlib.commands.request import RunRequest
from mxlib.commands.wiring import Wiring
from mxlib.config.alerts import AlertsSection
from mxlib.config.load import parse
from mxlib.config.sections import DowntimeSection, GanetiSection
from mxlib.model.goal import Goal
from mxlib.protocols.service import NoAlerts
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.records import RECORD
from tests.unit.support.site import SITE, TEN_LINES

POOLED = parse(TEN_LINES, "x.yaml")
MX = "mx1001.example.org"


@pytest.fixture
def etcd(monkeypatch):
    """One in memory, which every client belongs to."""
    made = FakeEtcd()
    monkeypatch.setattr(wiring, "make_client", lambda etcdrc: made)
    return made


@pytest.fixture(autouse=True)
def _hosts(spicerack):
    spicerack.remote.side_effect = None


def request(host: str = MX, **changes: object) -> RunRequest:
    return RunRequest(host, Goal("6.1.0-56"), "an update", **changes)  # type: ignore[arg-type]


def world(spicerack, site=SITE, **changes):
    host = next(iter(site.mxs))
    return Wiring(spicerack, site, Stop()).world(request(host, **changes), "run-1")


def test_the_target_is_one_host_and_all_others_are_its_peers(spicerack, etcd):
    made = world(spicerack)
    assert (made.target.name, [one.name for one in made.peers]) == (MX, ["mx2001.example.org"])
    assert (made.run, made.progress.goal) == ("run-1", Goal("6.1.0-56"))


def test_nothing_is_asked_of_anybody(spicerack, etcd):
    etcd.down = True
    for name in ("confctl", "alertmanager", "alertmanager_hosts", "icinga_hosts", "netbox", "ganeti"):
        getattr(spicerack, name).side_effect = AssertionError(name)
    ganeti = GanetiSection("ops", Path("/nowhere"), netbox=True)
    for through in ("alertmanager", "icinga", "both"):
        world(spicerack, dataclasses.replace(POOLED, ganeti=ganeti, downtime=DowntimeSection(through=through)))


@pytest.mark.parametrize(
    ("site", "without_slot", "kind"),
    [
        (SITE, False, NoPool),
        (SITE, True, NoPool),
        (POOLED, False, ConftoolPool),
        # etcd is the incident: a pool that cannot be read then is left as it is
        (POOLED, True, PoolIfReadable),
    ],
)
def test_the_pool_of_the_site(spicerack, etcd, site, without_slot, kind):
    assert type(world(spicerack, site, without_slot=without_slot).adapters.pool) is kind


@pytest.mark.parametrize("without_slot", [False, True])
def test_the_pool_of_each_other_one_is_looked_at_too(spicerack, etcd, without_slot):
    made = world(spicerack, POOLED, without_slot=without_slot)
    assert list(made.adapters.pools) == [one.name for one in made.peers]
    assert {type(one) for one in made.adapters.pools.values()} == {ConftoolPool}
    assert world(spicerack, SITE).adapters.pools == {}


@pytest.mark.parametrize("without_slot", [False, True])
def test_who_goes_without_the_slot_accepts_an_unread_pool_and_nothing_else(spicerack, etcd, without_slot):
    accepted = world(spicerack, POOLED, without_slot=without_slot, accept=frozenset({"logins"})).options.accept
    assert accepted == {"logins"} | ({"pool-unread"} if without_slot else set())


def test_the_slot_is_taken_for_the_target_by_a_session_of_its_own(spicerack, etcd):
    one, two = world(spicerack).adapters.slot, world(spicerack).adapters.slot
    assert isinstance(one, EtcdSlot)
    one.take()
    holder = one.look().holder
    assert (holder.host, holder.run, "@" in holder.who) == (MX, "run-1", True)
    assert not two._mine(two.look()), "two runs of one process are two sessions"


def test_without_the_slot_its_token_comes_from_the_host(monkeypatch, spicerack):
    depool = SimpleNamespace(token=41)
    monkeypatch.setattr(wiring, "read_standing", lambda target, mta: SimpleNamespace(depool=depool))
    slot = world(spicerack, without_slot=True).adapters.slot
    assert isinstance(slot, WithoutSlot)
    assert slot.token > 41


@pytest.mark.parametrize(
    ("through", "kind"), [("alertmanager", AlertmanagerSilencer), ("icinga", IcingaSilencer), ("both", BothSilencers)]
)
def test_alerts_are_silenced_where_the_site_says(spicerack, through, kind):
    site = dataclasses.replace(SITE, downtime=DowntimeSection(through=through))
    made = Wiring(spicerack, site, Stop()).silencer(request(task="T1"))
    assert type(made) is kind
    spicerack.admin_reason.assert_called_with("an update", "T1")
    spicerack.alertmanager_hosts.return_value.downtime.return_value = "id"
    spicerack.icinga_hosts.return_value.get_status.return_value = {}
    made.add(5)
    if through != "icinga":
        spicerack.alertmanager_hosts.assert_called_with([MX], instance_name=site.alerts.instance)
    if through != "alertmanager":
        spicerack.icinga_hosts.assert_called_with([MX])


def test_what_fires_is_asked_for_where_the_site_has_somebody_to_ask(spicerack, etcd):
    assert type(world(spicerack).adapters.alerts) is NoAlerts
    asking = dataclasses.replace(SITE, alerts=AlertsSection(source="alertmanager"))
    assert type(world(spicerack, asking).adapters.alerts) is AlertmanagerAlerts


def test_the_machine_is_reached_where_the_site_has_a_cluster(spicerack, etcd):
    assert type(world(spicerack).adapters.rescue) is NoMachineAccess
    ganeti = GanetiSection("ops", Path("/nowhere"), rapi="https://ganeti.lab.test:5080", prevention="link")
    made = world(spicerack, dataclasses.replace(SITE, ganeti=ganeti))
    assert (type(made.adapters.rescue), made.options.prevention) == (GanetiRescue, "link")
    asked = world(spicerack, dataclasses.replace(SITE, ganeti=ganeti), prevention="stanzas")
    assert asked.options.prevention == "stanzas"


def test_what_the_operator_says_comes_before_what_the_site_says(spicerack, etcd):
    site = world(spicerack).options
    assert (site.max_residual, site.drain_timeout) == (SITE.drain.max_residual, SITE.drain.timeout)
    assert (site.soak_s, site.prevention, site.why) == (SITE.soak.seconds, "none", "an update")
    zero = world(spicerack, max_residual=0, drain_timeout=0.0, soak=0.0, task="T1", accept=frozenset({"log"})).options
    assert (zero.max_residual, zero.drain_timeout, zero.soak_s, zero.accept) == (0, 0.0, 0.0, {"log"})
    assert zero.why == "an update - T1"


def test_who_wants_no_question_gets_none(spicerack, etcd):
    assert type(world(spicerack, unattended=True).adapters.asker) is Unattended


@pytest.mark.parametrize(
    ("environment", "who"),
    [
        ({"SUDO_USER": "alice", "USER": "root"}, "alice"),
        ({"USER": "root"}, "root"),
        ({"LOGNAME": "carol"}, "carol"),
    ],
)
def test_who_did_it_is_the_person_behind_sudo(monkeypatch, spicerack, environment, who):
    for name in ("SUDO_USER", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring.socket, "getfqdn", lambda: "cumin1001.example.org")
    assert Wiring(spicerack, SITE, Stop()).who == f"{who}@cumin1001.example.org"


def test_a_host_counts_its_round_trips_and_stops_where_the_run_is_to_stop(monkeypatch, spicerack):
    monkeypatch.setattr(wiring, "cumin_transport", lambda remote: lambda *_, **__: "nothing")
    stop = Stop()
    made = Wiring(spicerack, SITE, stop)
    before = made.meter.read()
    with pytest.raises(Exception, match="no session"):
        made.host(MX).read("true", timeout=1)
    assert made.meter.read().since(before).trips == 1
    spicerack.remote.return_value.query.assert_called_with(MX)
    stop.ask("SIGTERM")
    with pytest.raises(InterruptedRunError):
        made.host(MX).read("true", timeout=1)
    assert made.meter.read().since(before).trips == 1



@pytest.mark.parametrize(("minutes", "slot", "names"), [(30, True, 2), (30, False, 1), (0, True, 1), (0, False, 0)])
def test_what_has_to_be_renewed_is_renewed_beside_the_run(monkeypatch, spicerack, etcd, minutes, slot, names):
    made = []

    class Noted:
        def __init__(self, renew, every_s, what, lives):
            made.append((what, every_s, renew))
            self.running = None

        def start(self):
            self.running = True

        def stop(self):
            self.running = False
            stopped.append(self)

    stopped: list[object] = []
    monkeypatch.setattr(wiring, "Renewal", Noted)
    site = dataclasses.replace(SITE, downtime=DowntimeSection(minutes=minutes))
    wired = Wiring(spicerack, site, Stop())
    here = wired.world(request(without_slot=not slot), "run-1")
    here.progress.record = dataclasses.replace(RECORD, silences=("s1",))
    prolonged = []
    silencer = SimpleNamespace(prolong=lambda silence, minutes: prolonged.append((silence, minutes)))
    monkeypatch.setattr(wired, "silencer", lambda request: silencer)
    end = wired.renewals(request(), here)
    every = {what: seconds for what, seconds, _ in made}
    assert len(made) == names
    assert every.get("the lease of the slot", site.slot.lease / 3) == site.slot.lease / 3
    assert every.get("the silence", minutes * 20) == minutes * 20
    for what, _, renew in made:
        if what == "the silence":
            renew()
    assert prolonged == ([("s1", 30)] if minutes else [])
    end()
    assert len(stopped) == names
