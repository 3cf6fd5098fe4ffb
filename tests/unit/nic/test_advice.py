"""On every kind of host: what is advised is not refused when it is followed, and what is refused is not advised."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mxlib.adapters.ganeti_rescue import judge_names
from mxlib.base.verdict import Status
from mxlib.facts.nic import NicFacts
from mxlib.model.record import Level
from mxlib.nic import advice
from mxlib.nic.cause import Outage
from mxlib.nic.forecast import PIN as PIN_PATH
from mxlib.nic.forecast import Forecast, forecast
from mxlib.nic.instance import Instance
from mxlib.nic.prevent import PreventionError, plan_prevention, prevent
from mxlib.nic.repair import repair_inside
from mxlib.verify.outside import judge_names as verify_names
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.nics import EN_ALL, MAC, MAC2, TOOLS, card, ifupdown, networkd

HVPARAMS = {"kvm_pci_reservations": 12, "disk_type": "paravirtual", "reboot_behavior": "reboot"}
BY_NAME = "[Match]\nName=ens5\n[Network]\nDHCP=yes\n"
LINK = "[Match]\nOriginalName=*\n[Link]\nNamePolicy=slot\n"
STANZAS, PIN, REPAIR = "stanzas", "link", "repair"
# What can be done on each kind of host, as tried below with what really does it.
HOSTS: dict[str, tuple[NicFacts, set[str]]] = {
    "ifupdown": (ifupdown(TEXT), {STANZAS, PIN, REPAIR}),
    "a bridge": (ifupdown("auto br0\niface br0 inet dhcp\n\tbridge_ports ens5\n"), {PIN, REPAIR}),
    "a VLAN": (ifupdown("auto ens5.7\niface ens5.7 inet dhcp\n"), {PIN, REPAIR}),
    "a pattern": (ifupdown("auto /ens*\niface ens5 inet dhcp\n"), {PIN, REPAIR}),
    "nothing brings it up": (ifupdown("iface br0 inet dhcp\n\tbridge_ports ens5\n"), {PIN}),
    "a long label": (
        ifupdown("auto ens5 ens5:smtp-relay\niface ens5 inet dhcp\niface ens5:smtp-relay inet dhcp\n"),
        {PIN},
    ),
    "an unread include": (ifupdown(TEXT + "source $HOME/x\n"), {PIN}),
    "networkd": (networkd({"20.network": BY_NAME}), {PIN, REPAIR}),
    "networkd and a leftover": (
        networkd({"20.network": BY_NAME}, interfaces="iface lo inet loopback\n"),
        {PIN, REPAIR},
    ),
    "networkd and ifupdown": (networkd({"20.network": BY_NAME}, interfaces=TEXT), {PIN}),
    "networkd from /run": (networkd({"/run/systemd/network/70.network": BY_NAME}), {PIN}),
    "netplan": (networkd({"/run/systemd/network/10-netplan-ens5.network": BY_NAME}), {PIN}),
    "no initramfs": (networkd({"20.network": BY_NAME}, tools=TOOLS - {"update-initramfs"}), {REPAIR}),
    "another link file": (networkd({"20.network": BY_NAME, "05.link": LINK}), {REPAIR}),
    "nothing at all": (networkd({}), {PIN}),
}
EVERY = pytest.mark.parametrize("kind", HOSTS)


def told(facts: NicFacts) -> Forecast:
    """Return the forecast from before LINK was written, which makes it UNKNOWN."""
    files = tuple(file for file in facts.networking.files if file.text != LINK)
    before = replace(facts, networking=replace(facts.networking, files=files))
    return forecast("mx2001.lab.test", Instance("mx2001", "node1", "running", (MAC,), 1, HVPARAMS), before)


def guest_of(facts: NicFacts, root: Path, name: str = "ens5") -> FakeGuest:
    """The same host with real files, its card under this name."""
    enabled = next((u for u in ("systemd-networkd",) if facts.networking.runs(u)), "networking")
    answers = {"wait-online": (0, ""), "update-initramfs -u": (0, "")}
    guest = FakeGuest(root, {name: MAC}, answers, enabled=enabled, without=TOOLS - facts.networking.tools)
    (root / "etc/network/interfaces").unlink()
    for file in (*facts.files, *facts.networking.files):
        place = root / file.path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text)
    return guest


def seen(facts: NicFacts) -> NicFacts:
    """As the reader finds it: a line that cannot be followed is reported by it."""
    unread = tuple(f"{f.path}: {line}" for f in facts.files for line in f.text.splitlines() if "source $" in line)
    return NicFacts(facts.nics, facts.files, unread, facts.networking)


@EVERY
def test_a_prevention_is_refused_exactly_where_it_is_not_advised(kind: str, tmp_path: Path) -> None:
    facts, possible = HOSTS[kind]
    facts, expected = seen(facts), told(facts)
    for method, refuses in advice.PREVENTIONS.items():
        refused = refuses(facts, expected.renames(Level.COLD))
        assert (method in possible) is not bool(refused), refused
        if method in possible:
            assert plan_prevention(facts, expected, method, "run1")
            root = tmp_path / method
            root.mkdir()
            assert prevent(guest_of(facts, root), expected, method=method, run="run1", kernels=("6.1.0-1",)).diff
        else:
            with pytest.raises(PreventionError, match=re.escape(refused)):
                plan_prevention(facts, expected, method, "run1")
            root = tmp_path / method
            root.mkdir()
            guest = guest_of(facts, root)
            with pytest.raises(PreventionError):
                prevent(guest, expected, method=method, run="run1", kernels=("6.1.0-1",))
            assert guest.acts == []


@EVERY
def test_a_repair_is_done_exactly_where_it_is_promised(kind: str, tmp_path: Path) -> None:
    facts, possible = HOSTS[kind]
    refused = advice.repair(seen(facts), {"ens5": "ens13"})
    assert (REPAIR in possible) is not bool(refused), refused
    guest = guest_of(facts, tmp_path, "ens13")
    for made in ("br0", "ens13.7"):  # by ifup
        (tmp_path / "sys/class/net" / made).mkdir()
    done = repair_inside(guest, macs=(MAC,), known={MAC: "ens5"}, run="run1", say=lambda _: None)
    assert bool(done.diff) is (REPAIR in possible), done.diagnosis
    if REPAIR in possible:
        assert done.diagnosis.cause is Outage.RENAMED
    else:
        assert done.diagnosis.advice.startswith("Nothing was changed")
        assert guest.acts == []


@EVERY
def test_the_command_that_verify_advises_is_not_refused(kind: str) -> None:
    facts, possible = HOSTS[kind]
    facts, expected = seen(facts), told(facts)
    why = verify_names(expected, facts).why
    method = re.search(r"cookbook sre\.mail\.repair-nic mx2001\.lab\.test --pin --method (\w+)", why)
    assert (method is not None) is bool(possible & {STANZAS, PIN}), why
    if method is not None:
        assert plan_prevention(facts, expected, method[1], "run1")
    else:
        assert "nothing here prepares it: stanzas: " in why


@EVERY
@pytest.mark.parametrize("console", [True, False])
def test_what_the_guard_offers_passes_the_guard(kind: str, console: bool) -> None:
    facts, possible = HOSTS[kind]
    facts, expected = seen(facts), told(facts)
    status, said = judge_names(expected, facts, Level.COLD, "none", console=console)
    assert status is Status.FAILED
    offered = set(re.findall(r"stanzas|link", (re.findall(r"--prevention ([\w ]+)", said) or [""])[0]))
    assert offered == possible & {STANZAS, PIN}
    assert ("--accept nic-forecast" in said) is (console and REPAIR in possible)
    assert ("nothing here helps" in said) is not bool(offered or "--accept" in said)
    for method in advice.PREVENTIONS:
        verdict, why = judge_names(expected, facts, Level.COLD, method, console=console)
        assert verdict is (Status.OK if method in offered else Status.UNKNOWN), why


def test_a_host_that_is_prepared_is_advised_nothing() -> None:
    path, link = PIN_PATH.format(name="ens5"), f"[Match]\nMACAddress={MAC}\n[Link]\nName=ens5\n"
    pinned = networkd({path: link, "20.network": BY_NAME})
    served = networkd({"20.network": EN_ALL})
    for facts, why in ((pinned, path), (served, "20.network is about it under either name")):
        found = verify_names(told(facts), facts)
        assert (found.status, why in found.why) == (Status.OK, True)
        assert judge_names(told(facts), facts, Level.COLD, "none", console=False)[0] is Status.OK


def test_both_names_serve_one_next_name_and_a_pin_serves_any() -> None:
    newer = ifupdown(TEXT, replace(card(), chosen="ens5", next_name="enp0s5"))
    expected = told(newer)
    assert expected.renames(Level.GUEST) == {"ens5": "enp0s5"}
    assert expected.renames(Level.COLD) == {"ens5": "enp0s13"}
    assert advice.pin_advice(newer, expected, Level.GUEST).endswith("--pin --method link")
    assert advice.pin_advice(newer, expected, Level.COLD).endswith("--pin --method stanzas")


LAN1 = card("lan1", MAC2, 6, "/etc/systemd/network/10-lan1.link")
BOTH = f"{TEXT}\nallow-hotplug lan1\niface lan1 inet dhcp\n"
PINS = {PIN_PATH.format(name="ens5"): f"[Match]\nMACAddress={MAC}\n[Link]\nName=ens5\n"}
SERVED = networkd({"20.network": EN_ALL}, card(), LAN1)


def both(facts: NicFacts) -> Forecast:
    machine = Instance("mx2001", "node1", "running", (MAC, MAC2), 1, HVPARAMS)
    return forecast("mx2001.lab.test", machine, facts)


@pytest.mark.parametrize("prevention", ["none", "stanzas", "link"])
@pytest.mark.parametrize("facts", [ifupdown(BOTH, card(), LAN1), networkd(PINS, card(), LAN1), SERVED])
def test_a_card_of_no_known_name_is_not_covered_by_what_prepares_another(facts: NicFacts, prevention: str) -> None:
    expected = both(facts)
    assert (expected.renames(Level.COLD), expected.unknown(Level.COLD)) == ({"ens5": "ens13"}, ("lan1",))
    status, said = judge_names(expected, facts, Level.COLD, prevention, console=True)
    assert (status, "lan1.link has named it, and is gone" in said) == (Status.UNKNOWN, True)
    assert "lan1 is UNKNOWN" in advice.nothing_to_pin(expected)
    assert verify_names(expected, facts).status is (Status.FAILED if facts.files else Status.UNKNOWN)


def test_a_card_that_a_file_names_by_its_mac_needs_no_forecast() -> None:
    files = PINS | {"10-lan1.link": f"[Match]\nMACAddress={MAC2}\n[Link]\nName=lan1\n"}
    facts = networkd(files, card(), replace(LAN1, link_file="/etc/systemd/network/05-gone.link"))
    expected = both(facts)
    assert expected.unknown(Level.COLD) == ("lan1",)
    assert judge_names(expected, facts, Level.COLD, "none", console=False)[0] is Status.OK
    assert verify_names(expected, facts).status is Status.OK


def test_how_to_undo_is_what_undoes_it() -> None:
    expected = told(ifupdown(TEXT))
    assert advice.undo_lines("mx", expected, "stanzas", ())[0].endswith("cookbook sre.mail.repair-nic mx --settle")
    (line,) = advice.undo_lines("mx", expected, "link", ("6.1.0-1", "6.1.0-2"))
    assert f"rm {PIN_PATH.format(name='ens5')}; update-initramfs -u -k 6.1.0-1; update-initramfs -u -k 6.1.0-2" in line


def test_whoever_is_asked_for_a_name_can_settle_the_doubt(tmp_path: Path) -> None:
    two = FakeGuest(tmp_path / "two", {"ens13": MAC, "ens14": MAC2})
    doubt = repair_inside(two, macs=None, known=None, run="run1", say=lambda _: None)
    assert "--known" in doubt.diagnosis.advice
    assert repair_inside(two, macs=None, known={MAC: "ens5"}, run="run1", say=lambda _: None).diff
    nothing = FakeGuest(tmp_path / "nothing", {"ens13": MAC})
    (nothing.root / "etc/network/interfaces").write_text("auto lo\n")
    asked = repair_inside(nothing, macs=None, known={MAC: "ens5"}, run="run1", say=lambda _: None)
    assert "--known" not in asked.diagnosis.advice
