"""What the hypervisor and the alerting say of a host."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.adapters.machine import rapi_opener
from mxlib.base.errors import SilenceError
from mxlib.base.verdict import Status
from mxlib.config.alerts import AlertsSection
from mxlib.config.sections import GanetiSection
from mxlib.facts import nic
from mxlib.model.alert import Alert
from mxlib.nic.instance import GanetiUnreachableError, NotAnInstanceError
from mxlib.nic.twin import twin
from mxlib.verify.outside import alerts_check, nic_check
from tests.unit.support.facts import NOW, facts_of
from tests.unit.support.nics import NETWORKING, UDEV
from tests.unit.support.outside import CARD, FILES, HOST, KEPT, PARAMETERS, RENAMED, Alerting, Cluster, named

SECTION = GanetiSection("ops", Path("/nonexistent"), rapi="https://ganeti.lab.test:5080")
GUEST = facts_of({
    nic.DEVICES: f"nic ens5\nmac {CARD.mac}\nat /sys/devices/pci0000:00/0000:00:05.0/virtio2\n{UDEV}end\n",
    nic.FILES: "end\n",
    nic.NETWORKING: f"{NETWORKING}end\n",
})  # fmt: skip


def iron(udev=UDEV):
    return facts_of({
        nic.DEVICES: f"nic ens5\nmac {CARD.mac}\nat /sys/devices/pci0000:00/0000:00:05.0\n{udev}end\n",
        nic.FILES: "end\n",
        nic.NETWORKING: NETWORKING.replace("virt kvm", "virt none") + "end\n",
    })  # fmt: skip


def test_names_that_stay():
    assert named(KEPT).status is Status.OK


def test_a_name_that_changes_is_reported_with_what_to_do():
    found = named(RENAMED)
    assert found.status is Status.FAILED
    assert "cold reboot renames ens5 to ens13" in found.why
    assert f"cookbook sre.mail.repair-nic {HOST} --pin --method stanzas" in found.why


def test_a_host_that_is_prepared_is_well():
    prepared = twin(FILES, {"ens5": "ens13"}, "run r1").after
    found = named(RENAMED, prepared)
    assert (found.status, "both names are configured" in found.why) == (Status.OK, True)


def test_a_guest_reboot_counts_where_it_is_a_cold_start():
    exits = dataclasses.replace(RENAMED, hvparams=dict(RENAMED.hvparams) | {"reboot_behavior": "exit"})
    assert "guest reboot renames" in named(exits).why


def test_a_way_that_is_prepared_hides_no_other():
    prepared = twin(FILES, {"ens5": "ens13"}, "run r1").after
    odd = dataclasses.replace(RENAMED, hvparams=dict(RENAMED.hvparams) | {"reboot_behavior": "odd"})
    assert named(odd, prepared).status is Status.UNKNOWN
    assert named(odd).status is Status.FAILED


def test_what_has_no_forecast_is_unknown():
    odd = dataclasses.replace(KEPT, hvparams=PARAMETERS | {"machine_version": "q35"})
    assert named(odd).status is Status.UNKNOWN
    assert named(KEPT, nics=()).status is Status.UNKNOWN
    full = dataclasses.replace(KEPT, hvparams=PARAMETERS | {"kvm_pci_reservations": 31, "disk_type": "paravirtual"})
    assert (named(full).status, "would not start" in named(full).why) == (Status.FAILED, True)


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (KEPT, Status.OK, "keeps the network names"),
        (RENAMED, Status.FAILED, "ens13"),
        (NotAnInstanceError("none"), Status.UNKNOWN, "virtual machine (kvm)"),
        (GanetiUnreachableError("refused"), Status.UNKNOWN, "could not be asked: refused"),
    ],
)
def test_the_cluster_is_asked(answer, status, why):
    asked = []
    verdict = nic_check(lambda host: asked.append(host) or Cluster(answer)).verdict(HOST, GUEST)
    assert asked == [HOST]
    assert (verdict.status, verdict.check) == (status, "nic")
    assert why in verdict.why


@pytest.mark.parametrize(
    ("facts", "status", "why"),
    [
        (iron(), Status.OK, "keeps the network names"),
        (iron(UDEV.replace("SLOT ens5", "SLOT ens5np0")), Status.FAILED, "ens5 to ens5np0"),
        (iron(""), Status.UNKNOWN, "is not known"),
    ],
)
def test_a_machine_of_iron_is_judged_by_its_udev(facts, status, why):
    verdict = nic_check(lambda host: Cluster(NotAnInstanceError("none"))).verdict(HOST, facts)
    assert (verdict.status, "not a Ganeti machine" in verdict.why, why in verdict.why) == (status, True, True)


def test_a_password_that_cannot_be_read_is_unknown():
    assert nic_check(rapi_opener(None, SECTION)).verdict(HOST, GUEST).status is Status.UNKNOWN


def test_cards_that_cannot_be_read_are_unknown():
    assert nic_check(rapi_opener(None, SECTION)).verdict(HOST, facts_of({})).status is Status.UNKNOWN


def test_a_site_without_a_cluster_says_so():
    verdict = nic_check(None).verdict(HOST, facts_of({}))
    assert (verdict.status, "no Ganeti cluster" in verdict.why) == (Status.OK, True)


def alert(name, instance="", silences=(), **labels):
    since = datetime(2026, 11, 21, tzinfo=UTC)
    return Alert(name, instance, "page", since, "", {"alertname": name, "instance": instance} | labels, silences)


def judged(answer, host=HOST, section=None):
    check = alerts_check(Alerting(answer), section or AlertsSection(), lambda: NOW)
    return check.verdict(host, facts_of({}))


def test_an_alert_about_the_host_or_the_service_is_a_fault():
    assert judged(()).status is Status.OK
    assert judged((alert("Queue", "mx2001:9100"),)).status is Status.FAILED
    assert judged((alert("Queue", "mx1001:9100"),)).status is Status.OK
    assert judged((alert("Queue", "mx2001:9100", source="verify-mx"),)).status is Status.OK
    assert judged((alert("Mail", service="mail"),), section=AlertsSection(service=("service=mail",))).status is (
        Status.FAILED
    )
    assert judged((alert("Queue", HOST, silences=("s1",)),)).status is Status.OK


def test_alerts_that_cannot_be_read_are_unknown_and_none_is_said_so():
    assert judged(SilenceError("refused")).status is Status.UNKNOWN
    assert (judged(None).status, "no Alertmanager" in judged(None).why) == (Status.OK, True)


@pytest.mark.parametrize("answer", [(), SilenceError("refused")])
def test_it_is_asked_once_for_all_hosts(answer):
    source = Alerting(answer)
    check = alerts_check(source, AlertsSection())
    assert len({check.verdict(host, facts_of({})).status for host in ("a.test", "b.test", "c.test")}) == 1
    assert source.asked == 1
