"""Which configured name belongs to which card now, and where else a name stands."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.facts import nic as nic_facts
from mxlib.facts.nic import ConfigFile, GuestNic, NicFacts
from mxlib.facts.section import Section
from mxlib.facts.source import FactUnknownError
from mxlib.nic.names import is_sysctl, parse_places, places_script, rename_sysctl, work_out
from mxlib.nic.rename import Mention
from mxlib.nic.twin import twin
from tests.unit.support.facts import facts_of
from tests.unit.support.guests import INTERFACES, facts, nic
from tests.unit.support.networkd import BY_MAC, BY_NAME, ENS5, LEFTOVER
from tests.unit.support.nics import (
    DEFAULT_LINK,
    HOST,
    MAC,
    MAC2,
    NETWORKING,
    card,
    file_line,
    ifupdown,
    networkd,
)  # fmt: skip


def test_one_missing_and_one_new_is_certain() -> None:
    for macs, known in (((MAC,), None), (None, None), (None, {MAC: "ens5"}), ((MAC, MAC2), {MAC2: "zz"})):
        renames = work_out(facts(nic("ens13", slot=13)), macs, known)
        assert renames.names == {"ens5": "ens13"}
        assert not renames.doubt


def test_cards_that_moved_by_one_are_a_doubt_though_only_one_name_is_missing_and_one_new() -> None:
    """A new disk: what was ens5 is ens6, and what was ens6 is ens7."""
    both = "auto ens5 ens6\niface ens5 inet dhcp\niface ens6 inet dhcp\n"
    found = work_out(facts(nic("ens6", MAC, 6), nic("ens7", MAC2, 7), text=both), (MAC, MAC2), None)
    assert (found.names, found.askable) == ({}, True)
    assert "not certain" in found.doubt


def test_nothing_missing_is_nothing_to_do() -> None:
    renames = work_out(facts(nic()), (MAC,), None)
    assert (renames.names, renames.doubt) == ({}, "")


@pytest.mark.parametrize(
    ("nics", "macs"),
    [
        ((nic("ens13"), nic("ens14", MAC2)), None),
        ((nic("ens13"), nic("ens14", MAC2)), (MAC, MAC2)),
        ((), (MAC,)),
        ((nic("ens13", "52:54:00:00:00:01"),), (MAC,)),
    ],
)
def test_two_candidates_or_none_is_a_doubt(nics: tuple[GuestNic, ...], macs: tuple[str, ...] | None) -> None:
    renames = work_out(facts(*nics), macs, None)
    assert renames.names == {}
    assert "not certain" in renames.doubt


def test_two_cards_need_the_note_from_before() -> None:
    text = "auto ens13 ens14\niface ens13 inet dhcp\niface ens14 inet dhcp\n"
    after = facts(nic("ens14", MAC, 14), nic("ens15", MAC2, 15), text=text)
    assert work_out(after, (MAC, MAC2), {MAC: "ens13", MAC2: "ens14"}).names == {"ens13": "ens14", "ens14": "ens15"}
    assert work_out(facts(nic("ens15", MAC, 15), nic("ens16", MAC2, 16), text=text), (MAC, MAC2), None).doubt


@pytest.mark.parametrize(("name", "names"), [("ens5", {}), ("ens13", {}), ("ens14", {"ens5": "ens14"})])
def test_a_second_name_is_no_interface_of_its_own(name: str, names: dict[str, str]) -> None:
    text = twin((ConfigFile("x", INTERFACES),), {"ens5": "ens13"}, "x").after[0].text
    renames = work_out(facts(nic(name), text=text), (MAC,), None)
    assert (renames.names, renames.doubt) == (names, "")


def test_a_host_without_ifupdown_is_a_doubt() -> None:
    assert "not configured by ifupdown" in work_out(NicFacts((nic(),), (), (), HOST), None, None).doubt


def test_other_places() -> None:
    assert "-e ens5" in places_script(["ens5"])
    with pytest.raises(ValueError, match="not names"):
        places_script(["ens5; reboot"])
    found = parse_places("/etc/ferm/ferm.conf:12:  interface ens5 ACCEPT;\n/etc/sysctl.d/x.conf:1:# ens5\nnoise\n")
    assert found == (Mention("/etc/ferm/ferm.conf", 12, "interface ens5 ACCEPT;"),)
    names = {"ens5": "ens13"}
    assert is_sysctl(Mention("/etc/sysctl.d/a.conf", 1, "net.ipv6.conf.ens5.accept_ra = 0"), names)
    assert not is_sysctl(Mention("/etc/sysctl.d/a.conf", 1, "net.ipv6.conf.ens50.accept_ra = 0"), names)
    assert not is_sysctl(Mention("/etc/ferm/a.conf", 1, "net.ipv6.conf.ens5.accept_ra = 0"), names)


def test_sysctl_lines_are_renamed_and_nothing_else() -> None:
    text = "# ens5\nnet.ipv6.conf.ens5.accept_ra=0\n-net/ipv4/conf/ens5/rp_filter=1\nk.x=ens5\nnet.ipv4.conf.ens5x=1\n"
    wanted = text.replace("conf.ens5.", "conf.ens13.").replace("conf/ens5/", "conf/ens13/")
    assert rename_sysctl(text, {"ens5": "ens13"}) == wanted



@pytest.mark.parametrize("facts", [ifupdown(LEFTOVER, card("ens6")), networkd({}, card("ens6"), interfaces=LEFTOVER)])
def test_no_configured_card_is_not_every_card(facts: NicFacts) -> None:
    found = work_out(facts, (MAC,), None)
    assert (found.names, found.why) == ({}, "")
    assert "not configured by ifupdown" in found.doubt


def test_a_renamed_card_of_networkd_is_found_as_one_of_ifupdown_is() -> None:
    assert work_out(networkd({"20.network": BY_NAME}, card("ens6")), (MAC,), None).names == {"ens5": "ens6"}
    assert work_out(networkd({"20.network": BY_MAC}, card("ens6")), (MAC,), None).names == {}
    assert "by /etc/systemd/network/20.network" in work_out(networkd({"20.network": BY_MAC}), (MAC,), None).why
    other = networkd({"20.network": BY_MAC}, card("ens6", MAC2))
    assert work_out(other, (MAC2,), None).doubt
    odd = networkd({"20.network": "[Match]\nDriver=virtio_net\n"}, card("ens6"))
    assert "certainly" in work_out(odd, (MAC,), None).doubt


def test_a_card_that_is_configured_by_its_alternative_name_is_there() -> None:
    files = {"10-lan.network": "[Match]\nName=enp0s5\n[Network]\nAddress=192.0.2.21/24\n"}
    here, moved = (replace(card(f"ens{n}", slot=n), altnames=(f"enp0s{n}",)) for n in (5, 13))
    assert work_out(networkd(files, here), [MAC], {MAC: "ens5"}).names == {}
    assert work_out(networkd(files, here), [MAC], {MAC: "ens5"}).doubt == ""
    assert work_out(networkd(files, moved), [MAC], {MAC: "ens5"}).names == {"enp0s5": "ens13"}
    # ifupdown does not know alternative names
    text = "allow-hotplug enp0s5\niface enp0s5 inet static\n\taddress 192.0.2.21/24\n"
    assert work_out(ifupdown(text, here), [MAC], None).names == {"enp0s5": "ens5"}


def test_a_guest_that_is_not_the_instance_is_left_alone() -> None:
    found = work_out(ifupdown(ENS5, card("ens6", MAC2)), (MAC,), {MAC2: "ens5"})
    assert (found.names, MAC in found.doubt) == ({}, True)


RENAMED = {
    nic_facts.DEVICES: f"nic ens6\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:06.0/virtio2\nlink {DEFAULT_LINK}\n",
    nic_facts.FILES: file_line("/etc/network/interfaces", ENS5),
    nic_facts.NETWORKING: NETWORKING,
}
ODD = st.one_of(
    st.text(st.characters(codec="ascii"), min_size=1, max_size=40),
    st.sampled_from(
        ["unread Zm9v", "nic ens5", "tool x", "virt none", "unit a b c", "unit a b", "end", "file x", "next PATH"]
    ),
)


@given(section=st.sampled_from(list(RENAMED)), at=st.integers(0, 12), line=ODD)
def test_an_unknown_line_anywhere_never_makes_a_missing_card_be_there(section: Section, at: int, line: str) -> None:
    lines = RENAMED[section].splitlines(keepends=True)
    place = min(at, len(lines))
    spoilt = {**RENAMED, section: "".join([*lines[:place], f"{line}\n", *lines[place:]])}
    found = facts_of({one: f"{text}end\n" for one, text in spoilt.items()})
    try:
        renames = work_out(found.get(nic_facts.SOURCE), (MAC,), None)
    except FactUnknownError:
        return
    assert renames.doubt or renames.names == {"ens5": "ens6"}
