"""What asks a cluster, where Netbox knows which: forecast, guard, console and repair."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from spicerack.remote import RemoteError

from mxlib.adapters.console_repair import Means, diagnose_and_repair, forecast_for
from mxlib.adapters.ganeti import Rapi
from mxlib.adapters.ganeti_rescue import GanetiRescue
from mxlib.adapters.machine import means_of, rapi_opener
from mxlib.adapters.secret import Secret
from mxlib.base.clock import SystemClock
from mxlib.base.errors import MxlibError
from mxlib.base.verdict import Status
from mxlib.config.sections import ConsoleSection, GanetiSection
from mxlib.facts import nic
from mxlib.model.record import Level
from mxlib.nic.cause import Outage
from mxlib.nic.forecast import Fate
from mxlib.nic.instance import GanetiError, NotAnInstanceError
from mxlib.protocols.host import CommandResult
from mxlib.verify.outside import nic_check
from tests.unit.support.facts import NOW, facts_of
from tests.unit.support.netbox import IRON, MASTER, VM, FakeSpicerack, dead, failing
from tests.unit.support.nics import NETWORKING, UDEV

MAC = "aa:00:00:77:00:21"
IRON_SAYS = NETWORKING.replace("virt kvm", "virt none")
DEVICES = f"nic ens5\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:05.0/virtio2\n{UDEV}end"


@pytest.fixture
def world() -> FakeSpicerack:
    return FakeSpicerack()


@pytest.fixture
def section(tmp_path: Path) -> GanetiSection:
    password = tmp_path / "rapi-password"
    password.write_text("pw-of-the-site\n")
    password.chmod(0o600)
    return GanetiSection("ops", password, netbox=True)


PARAMETERS = {
    "kvm_pci_reservations": 12,
    "disk_type": "paravirtual",
    "machine_version": "",
    "reboot_behavior": "reboot",
}
INSTANCE = {
    "name": VM,
    "pnode": "node1.lab.test",
    "status": "running",
    "nic.macs": [MAC],
    "disk.sizes": [10],
    "hvparams": PARAMETERS,
}


class Answers:
    """The remote API of every cluster, and which addresses were asked with whose password."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[tuple[str, object]] = []

    def get(self, session: requests.Session, url: str, **_: object) -> SimpleNamespace:
        self.asked.append((url, session.auth))
        return SimpleNamespace(status_code=self.status, reason="", json=lambda: INSTANCE)


@pytest.fixture
def remote_api(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers(200)
    monkeypatch.setattr(requests.Session, "get", lambda session, url, **more: answers.get(session, url, **more))
    return answers


class Guest:
    def __init__(self, name: str, networking: str = NETWORKING) -> None:
        self.name = name
        self.networking = networking

    def read(self, script: str, *, timeout: float) -> CommandResult:
        del timeout
        mark = script.partition("\n")[0].removeprefix("mark=")
        sections = (("nic-devices", DEVICES), ("nic-files", "end"), ("nic-networking", f"{self.networking}end"))
        parts = (f"{mark} begin {n}\n{text}\n\n{mark} errors {n}\n\n{mark} end {n} 0\n" for n, text in sections)
        return CommandResult(script, 0, "".join(parts), NOW, 0.0)


class Master:
    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, script: str, *, timeout: float) -> CommandResult:
        return CommandResult(script, 0, f"{VM}\n", NOW, 0.0)


def means(
    world: FakeSpicerack,
    section: GanetiSection,
    name: str,
    tmp_path: Path,
    host_of: Callable[[str], Any] = Master,
) -> Means:
    console_password = tmp_path / "console-password"
    console_password.write_text("pw-of-console\n")
    console_password.chmod(0o600)
    site = SimpleNamespace(
        ganeti=section, console=ConsoleSection(password_file=console_password, transcripts=tmp_path / "transcripts")
    )
    made = means_of(world, site, name, host_of, SystemClock(), lambda line: None)
    assert made is not None
    return made


def test_nothing_is_asked_before_it_is_needed(world: FakeSpicerack, section: GanetiSection, tmp_path: Path) -> None:
    means(world, section, VM, tmp_path)
    assert world.lookups == 0


def test_the_forecast_asks_the_cluster_of_netbox_with_the_sites_password(
    world: FakeSpicerack, section: GanetiSection, tmp_path: Path, remote_api: Answers
) -> None:
    found = forecast_for(Guest(VM), means(world, section, VM, tmp_path))
    assert found.renames(Level.COLD) == {"ens5": "ens13"}
    assert remote_api.asked == [(f"https://{MASTER}:5080/2/instances/{VM}", ("ops", "pw-of-the-site"))]


def test_the_console_goes_to_the_master_of_netbox(world: FakeSpicerack, section: GanetiSection, tmp_path: Path) -> None:
    made: list[str] = []
    host_of = lambda host: (made.append(host), Master(host))[1]  # noqa: E731
    cluster = means(world, section, VM, tmp_path, host_of=host_of).cluster
    assert [cluster.console_argv(VM)[-2] for _ in range(2)] == [f"root@{MASTER}"] * 2
    assert made == [MASTER]


def test_a_master_that_is_no_host_is_named(world: FakeSpicerack, section: GanetiSection, tmp_path: Path) -> None:
    cluster = means(world, section, VM, tmp_path, host_of=failing(RemoteError("No hosts provided"))).cluster
    with pytest.raises(GanetiError, match=f"master {MASTER} of the cluster of {VM} is no host: No hosts provided"):
        cluster.console_argv(VM)


def test_a_cluster_that_contradicts_netbox_is_unknown_and_not_physical(
    world: FakeSpicerack, section: GanetiSection, tmp_path: Path, remote_api: Answers
) -> None:
    remote_api.status = 404
    found = forecast_for(Guest(VM), means(world, section, VM, tmp_path))
    assert (found.fate(Level.COLD), found.virtual) == (Fate.UNKNOWN, None)
    assert f"knows no instance {VM}, yet Netbox has {VM} in the cluster 'ganeti02'" in found.note
    plain = Rapi("https://x:5080", "ops", Secret("pw"), ca_file=None, timeout=1)
    with pytest.raises(NotAnInstanceError):
        plain.instance(VM)


def test_a_physical_machine_is_reported_and_no_obstacle(
    world: FakeSpicerack, section: GanetiSection, tmp_path: Path, remote_api: Answers
) -> None:
    found = forecast_for(Guest(IRON, IRON_SAYS), means(world, section, IRON, tmp_path))
    assert (found.fate(Level.COLD), found.virtual) == (Fate.KEPT, False)
    assert found.note == f"{IRON} is not a Ganeti machine: {IRON} is a physical machine in Netbox"
    rescue = GanetiRescue(means(world, section, IRON, tmp_path), Guest(IRON, IRON_SAYS), "r1")
    (guest,) = rescue.ready(Guest(IRON, IRON_SAYS), Level.GUEST, "none")
    (cold,) = rescue.ready(Guest(IRON, IRON_SAYS), Level.COLD, "none")
    assert (guest.status, cold.status) == (Status.OK, Status.FAILED)
    assert "physical machine in Netbox" in guest.why
    check = nic_check(rapi_opener(world, section))
    verdict = check.verdict(
        IRON, facts_of({nic.DEVICES: f"{DEVICES}\n", nic.FILES: "end\n", nic.NETWORKING: f"{IRON_SAYS}end\n"})
    )
    assert (verdict.status, "physical machine in Netbox" in verdict.why) == (Status.OK, True)
    assert remote_api.asked == []


def test_a_dead_netbox_is_unknown_everywhere_and_no_crash(
    world: FakeSpicerack, section: GanetiSection, tmp_path: Path, remote_api: Answers
) -> None:
    dead(world)
    made = means(world, section, VM, tmp_path)
    assert forecast_for(Guest(VM), made).virtual is None
    rescue = GanetiRescue(made, Guest(VM), "r1")
    said = {one.check: one for one in rescue.ready(Guest(VM), Level.COLD, "none")}
    assert {name: one.status for name, one in said.items()} == {
        "console": Status.FAILED,
        "machine": Status.UNKNOWN,
        "nic-forecast": Status.UNKNOWN,
    }
    assert all(f"{VM}: its Ganeti cluster cannot be read from Netbox" in one.why for one in said.values())
    assert not rescue.off()
    with pytest.raises(MxlibError):
        rescue.power_on()
    check = nic_check(rapi_opener(world, section))
    facts = facts_of({nic.DEVICES: f"{DEVICES}\n", nic.FILES: "end\n", nic.NETWORKING: f"{IRON_SAYS}end\n"})
    assert check.verdict(VM, facts).status is Status.UNKNOWN
    assert remote_api.asked == []


def test_a_repair_ends_with_a_diagnosis_where_netbox_is_dead(
    world: FakeSpicerack, section: GanetiSection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(world)
    monkeypatch.setattr("mxlib.probes.ssh.families", lambda name: (4,))
    monkeypatch.setattr("mxlib.probes.ssh.answers", lambda name, family, options: False)
    report = diagnose_and_repair(means(world, section, VM, tmp_path), VM, run="r1")
    assert (report.ok, report.diagnosis.cause) == (False, Outage.NO_ACCESS)
    assert f"{VM}: its Ganeti cluster cannot be read from Netbox" in report.diagnosis.why
