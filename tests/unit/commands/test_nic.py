"""From the request of repair-nic to what is done on the host, and how it ends."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from mxlib.base.errors import ConfigError, InterruptedRunError
from mxlib.base.verdict import Status, Verdict
from mxlib.commands import nic
from mxlib.commands.nic import NicRequest, RepairNic
from mxlib.config.sections import GanetiSection
from mxlib.model.outcome import Outcome
from mxlib.model.record import Level
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.forecast import Fate, Forecast, forecast
from mxlib.nic.instance import Instance
from mxlib.nic.report import RepairReport
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.nics import MAC, ifupdown
from tests.unit.support.site import SITE

MX = "mx1001.example.org"
FILE = Path("etc/network/interfaces")


def expected(cold: Fate, guest: Fate = Fate.KEPT) -> Forecast:
    """A forecast that this is what becomes of the one name."""
    hvparams = {"kvm_pci_reservations": 12, "disk_type": "paravirtual", "machine_version": "", "acpi": True}
    machine = Instance(MX, "ganeti01.lab.test", "running", (MAC,), 1, {**hvparams, "reboot_behavior": "reboot"})
    made = forecast(MX, machine, ifupdown(TEXT))
    (card,) = made.nics
    assert made.renames(Level.COLD) == {"ens5": "ens13"}
    names = {Fate.RENAMED: "ens13", Fate.KEPT: "ens5"}
    fates = {level: cold if level is Level.COLD else guest for level in Level}
    by_level = dataclasses.fields(card)[-1].name
    changed = {
        level: dataclasses.replace(one, fate=fates[level], name=names.get(fates[level]))
        for level, one in getattr(card, by_level).items()
    }
    return dataclasses.replace(made, nics=(dataclasses.replace(card, **{by_level: changed}),))


class Machine:
    """A host with real files, whose cluster forecasts what it is given."""

    def __init__(self, monkeypatch, tmp_path, cold: Fate = Fate.RENAMED, guest: Fate = Fate.KEPT):
        self.guest = FakeGuest(tmp_path, {"ens5": MAC})
        self.repairs: list[dict] = []
        monkeypatch.setattr("mxlib.commands.wiring.Wiring.host", lambda *_: self.guest)
        monkeypatch.setattr(nic, "forecast_for", lambda host, means: expected(cold, guest))

    @property
    def file(self) -> str:
        return self.guest.file()


def made(spicerack, way, *, ganeti=True, **request) -> RepairNic:
    section = GanetiSection("ops", Path("/nowhere"), rapi="https://ganeti.lab.test:5080")
    site = dataclasses.replace(SITE, ganeti=section if ganeti else None)
    values = {"method": None, "kernels": (), "known": (), "timeout": 30.0, "host": MX, **request}
    return RepairNic(spicerack, site, NicRequest(way=way, **values))


def test_a_host_that_is_no_mx_is_refused(spicerack):
    with pytest.raises(ConfigError, match="is not one of the MXs"):
        made(spicerack, "repair", host="web1.example.org")


@pytest.mark.parametrize(
    ("way", "dry_run", "reads_only"), [("forecast", False, True), ("pin", False, False), ("pin", True, True)]
)
def test_only_a_forecast_and_a_dry_run_need_no_lock(spicerack, way, dry_run, reads_only):
    spicerack.dry_run = dry_run
    assert made(spicerack, way).reads_only is reads_only
    assert made(spicerack, way).alone, "two would type on the same console"


@pytest.mark.parametrize(
    ("cold", "guest", "outcome"),
    [
        (Fate.RENAMED, Fate.KEPT, Outcome.DONE),
        (Fate.UNKNOWN, Fate.KEPT, Outcome.UNKNOWN),
        (Fate.KEPT, Fate.UNKNOWN, Outcome.UNKNOWN),
    ],
)
def test_a_forecast_that_knows_one_way_alone_is_unknown(monkeypatch, spicerack, lines, tmp_path, cold, guest, outcome):
    machine = Machine(monkeypatch, tmp_path, cold, guest)
    command = made(spicerack, "forecast")
    assert command.execute() is outcome
    assert (machine.guest.acts, command.acted) == ([], False)
    assert any("cold: " in line and "PCI slot 5 becomes 13" in line for line in lines())
    assert lines()[-1] == (
        f"{MX}: {outcome.phrase}: the names at a reboot: guest: {guest.value}, power-cycle: {guest.value}, "
        f"cold: {cold.value}"
    )


def test_a_forecast_that_does_not_know_one_of_two_cards_is_unknown(monkeypatch, spicerack, tmp_path):
    Machine(monkeypatch, tmp_path)
    one, other = expected(Fate.RENAMED), expected(Fate.UNKNOWN)
    both = dataclasses.replace(one, nics=(*one.nics, *other.nics))
    monkeypatch.setattr(nic, "forecast_for", lambda host, means: both)
    assert made(spicerack, "forecast").execute() is Outcome.UNKNOWN


def test_a_pin_shows_its_change_makes_it_and_says_how_to_undo_it(monkeypatch, spicerack, lines, tmp_path):
    machine = Machine(monkeypatch, tmp_path)
    command = made(spicerack, "pin")
    assert command.execute() is Outcome.DONE
    assert machine.guest.file("/var/lib/mx-cookbooks/nic/names") == f"{MAC} ens5\n", "what a repair needs afterwards"
    assert {"allow-hotplug ens5", "allow-hotplug ens13"} <= set(machine.file.splitlines())
    assert any(line.startswith("| +") and "ens13" in line for line in lines())
    assert lines()[-2] == f"to undo, or after the boot: cookbook sre.mail.repair-nic {MX} --settle"
    assert lines()[-1].startswith(f"{MX}: done: pinned by stanzas, old files in /var/lib/mx-cookbooks/nic/")
    assert command.acted


def test_a_settling_leaves_the_name_that_the_host_has(monkeypatch, spicerack, lines, tmp_path):
    machine = Machine(monkeypatch, tmp_path)
    before = machine.file
    made(spicerack, "pin").execute()
    assert made(spicerack, "settle").execute() is Outcome.DONE
    assert machine.file == before
    assert lines()[-1] == f"{MX}: done: one name each"


@pytest.mark.parametrize(
    ("cold", "outcome"),
    [(Fate.KEPT, Outcome.DONE), (Fate.UNKNOWN, Outcome.UNKNOWN), (Fate.NO_START, Outcome.REFUSED)],
)
def test_where_nothing_certainly_renames_nothing_is_pinned(monkeypatch, spicerack, lines, tmp_path, cold, outcome):
    machine = Machine(monkeypatch, tmp_path, cold)
    before = machine.file
    command = made(spicerack, "pin")
    assert command.execute() is outcome
    assert (machine.guest.acts, machine.file, command.acted) == ([], before, False)
    assert "nothing to pin" in lines()[-1]


def test_the_sites_way_is_taken_unless_another_is_asked_for(monkeypatch, spicerack, tmp_path):
    Machine(monkeypatch, tmp_path)
    asked = []
    monkeypatch.setattr(nic, "plan_prevention", lambda facts, expected, method, run: asked.append(method) or "")
    done = SimpleNamespace(backup="")
    monkeypatch.setattr(nic, "prevent", lambda *_, **options: asked.append(options["kernels"]) or done)
    monkeypatch.setattr(nic, "installed_kernels", lambda host: ("6.1.0-56",))
    made(spicerack, "pin").execute()
    made(spicerack, "pin", method="link").execute()
    made(spicerack, "pin", method="link", kernels=("6.1.0-57",)).execute()
    assert asked == ["stanzas", (), "link", ("6.1.0-56",), "link", ("6.1.0-57",)]


@pytest.mark.parametrize("ok", [True, False])
def test_a_repair_hands_over_what_is_known_and_ends_as_its_report(monkeypatch, spicerack, lines, ok):
    asked = {}
    report = RepairReport(MX, diagnosis=Diagnosis(Outage.RENAMED, "by MAC", "look"), ok=ok, answers={4: ok})
    monkeypatch.setattr(nic, "diagnose_and_repair", lambda means, name, **options: asked.update(options) or report)
    command = made(spicerack, "repair", known=((MAC, "ens5"),), timeout=7.0)
    assert command.execute() is (Outcome.DONE if ok else Outcome.FAILED)
    assert asked == {"run": command.run_id, "known": {MAC: "ens5"}, "timeout": 7.0}
    end = "done: answers over SSH" if ok else "something is wrong: does NOT answer over SSH"
    more = "" if ok else "; next: look"
    assert lines() == [*report.details(), f"{MX}: {end} after 0.0 s: {Outage.RENAMED.value}{more}"]
    assert command.acted


@pytest.mark.parametrize(("status", "outcome"), [(Status.OK, Outcome.DONE), (Status.FAILED, Outcome.FAILED)])
def test_a_console_is_proven_or_not(monkeypatch, spicerack, lines, status, outcome):
    monkeypatch.setattr(nic, "prove_console", lambda *_, **__: Verdict("console", status, "so it is"))
    command = made(spicerack, "console")
    assert (command.execute(), command.acted) == (outcome, False)
    assert lines() == [f"{MX}: {outcome.phrase}: so it is"]


@pytest.mark.parametrize("way", ["repair", "console"])
def test_a_site_without_ganeti_has_no_consoles(spicerack, lines, way):
    command = made(spicerack, way, ganeti=False)
    assert (command.execute(), command.acted) == (Outcome.REFUSED, False)
    assert "no ganeti section: its consoles are not known" in lines()[0]


@pytest.mark.parametrize(("way", "left"), [("forecast", "nothing was changed"), ("settle", f"{MX} --settle")])
def test_who_stops_it_reads_what_is_left(monkeypatch, spicerack, lines, tmp_path, way, left):
    Machine(monkeypatch, tmp_path)

    def stopped(*_: object) -> None:
        raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(nic, "forecast_for", stopped)
    monkeypatch.setattr(nic, "settle_names", stopped)
    assert made(spicerack, way).execute() is Outcome.INTERRUPTED
    assert lines()[-1].endswith(left)
