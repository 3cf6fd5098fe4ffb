"""A card keeps its name, or answers to both, before a cold start could change it."""

from pathlib import Path

import pytest

from mxlib.base.errors import CommandFailedError, HostUnreachableError
from mxlib.facts.nic import GuestNic, NicFacts
from mxlib.nic.forecast import Forecast, forecast
from mxlib.nic.instance import Instance
from mxlib.nic.prevent import (
    PreventionError,
    installed_kernels,
    note_names,
    plan_settling,
    plan_stanzas,
    prevent,
    settle_names,
)
from mxlib.nic.twin import twin
from mxlib.protocols.host import CommandResult
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.nics import DEFAULT_LINK as LINK
from tests.unit.support.nics import HOST, MAC, ifupdown
from tests.unit.support.renamed_guest import files


def told() -> Forecast:
    hvparams = {
        "kvm_pci_reservations": 12,
        "disk_type": "paravirtual",
        "reboot_behavior": "reboot",
        "machine_version": "",
        "acpi": True,
    }
    instance = Instance("mx2001.lab.test", "ganeti01.lab.test", "running", (MAC,), 1, hvparams)
    return forecast("mx2001.lab.test", instance, ifupdown(TEXT))


def test_prevention_and_settling(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC})
    note_names(guest, told().known())
    assert guest.file("/var/lib/mx-cookbooks/nic/names") == f"{MAC} ens5\n"
    done = prevent(guest, told(), method="stanzas", run="run1")
    assert "+iface ens13 inet static" in done.diff
    assert prevent(guest, told(), method="stanzas", run="run2").diff == ""
    assert prevent(guest, told(), method="none", run="run2").diff == ""
    assert settle_names(guest, "run3").diff
    assert guest.file() == TEXT
    assert settle_names(guest, "run4").diff == ""


def test_settling_needs_one_of_the_two_names() -> None:
    two = twin(files(), {"ens5": "ens13"}, "x").after
    card = GuestNic("ens13", MAC, 13, LINK)
    assert plan_settling(NicFacts((card,), two, (), HOST)).after[0].text == TEXT.replace("ens5", "ens13")
    for cards in ((), (card, GuestNic("ens5", "aa:00:00:77:00:22", 5, LINK))):
        with pytest.raises(PreventionError, match="left as it is"):
            plan_settling(NicFacts(cards, two, (), HOST))


def test_a_second_name_that_ifupdown_refuses_is_removed(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"ifquery --list": (1, "unknown interface")})
    with pytest.raises(PreventionError, match="removed"):
        prevent(guest, told(), method="stanzas", run="run1")
    assert guest.file() == TEXT


def test_stanzas_are_refused_where_they_are_not_certain() -> None:
    with pytest.raises(PreventionError, match="not certain"):
        plan_stanzas(ifupdown(TEXT + "iface ens5.7 inet manual\n"), told(), "run1")


def test_a_pin_by_link_is_proven_in_the_initramfs(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"update-initramfs -u": (0, "")})
    done = prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64", "6.1.0-55-amd64"))
    assert f"+MACAddress={MAC}" in done.diff
    assert guest.acts[0].count("lsinitramfs") == 2
    for kernels in ((), ("6.1; reboot",)):
        with pytest.raises(PreventionError, match="kernel releases"):
            prevent(guest, told(), method="link", run="run1", kernels=kernels)


def test_a_pin_that_is_not_in_the_initramfs_is_removed(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"lsinitramfs /boot": (1, ""), "rm -f": (0, "")})
    with pytest.raises(PreventionError, match="removed"):
        prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64",))
    assert "rm -f /etc/systemd/network/10-mx-cookbooks-ens5.link" in guest.acts[-1]


def test_a_host_that_falls_silent_while_it_is_pinned_is_told_what_may_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(script: str, **_: object) -> CommandResult:
        raise HostUnreachableError("no word from ssh")

    guest = FakeGuest(tmp_path, {"ens5": MAC})
    monkeypatch.setattr(guest, "act", silent)
    with pytest.raises(PreventionError, match=r"10-mx-cookbooks-ens5\.link may be left"):
        prevent(guest, told(), method="link", run="run1", kernels=("6.1.0-56-amd64",))


def test_a_pin_goes_into_the_initramfs_of_every_kernel_there_is(tmp_path: Path) -> None:
    listed = "config-6.1.0-56-amd64\ninitrd.img-6.1.0-56-amd64\ninitrd.img-6.1.0-55-amd64\ngrub\n"
    guest = FakeGuest(tmp_path, {"ens5": MAC}, {"ls /boot": (0, listed)})
    assert installed_kernels(guest) == ("6.1.0-56-amd64", "6.1.0-55-amd64")
    guest.answers["ls /boot"] = (2, "ls: cannot open directory '/boot': Input/output error")
    with pytest.raises(CommandFailedError, match="Input/output error"):
        installed_kernels(guest)
