"""Names changed in an interfaces file, and nothing else in it."""

import re

import pytest
from hypothesis import given

from mxlib.nic.interfaces import configured, logical_lines
from mxlib.nic.rename import rename
from tests.unit.support.interfaces import DEBIAN, FILES, RICH, one


def test_the_incident_itself() -> None:
    rewrite = rename(one(DEBIAN), {"ens5": "ens13"})
    assert rewrite.after[0].text == DEBIAN.replace("ens5", "ens13")
    assert rewrite.uncertain == ()
    assert "-allow-hotplug ens5\n-iface ens5 inet static\n+allow-hotplug ens13\n" in rewrite.diff()


def test_every_certain_place_and_no_other() -> None:
    rewrite = rename(one(RICH), {"ens5": "ens13"})
    kept = ("# ens5 stays in a comment \\", "tell-ens5 --log /var/log/ens5.log", "x-note ens5 is the uplink")
    wanted = re.sub(r"\bens5\b(?!0)", "ens13", RICH)
    for text in kept:
        wanted = wanted.replace(text.replace("ens5", "ens13"), text)
    assert rewrite.after[0].text == wanted
    assert [place.line for place in rewrite.uncertain] == [10, 20]
    assert "tell-ens5" in str(rewrite.uncertain[0])


def test_a_chain_and_a_swap_are_renamed_at_once() -> None:
    text = "auto ens13 ens14\niface ens13 inet dhcp\niface ens14 inet dhcp\n"
    chain = rename(one(text), {"ens13": "ens14", "ens14": "ens15"}).after[0].text
    assert chain == "auto ens14 ens15\niface ens14 inet dhcp\niface ens15 inet dhcp\n"
    swap = rename(one(text), {"ens13": "ens14", "ens14": "ens13"}).after[0].text
    assert swap == "auto ens14 ens13\niface ens14 inet dhcp\niface ens13 inet dhcp\n"


@pytest.mark.parametrize("names", [{"ens5": "ens50"}, {"ens5": "x", "ens6": "x"}, {"ens5": "a b"}, {"inet": "ens5"}])
def test_what_would_make_two_of_one_or_is_no_name_is_refused(names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"configured already|not names"):
        rename(one(RICH), names)


def test_mappings_renames_and_logical_names() -> None:
    text = "rename ens5=lan0\nmapping ens5\n  script /x\n  map ens5-home\nallow-hotplug ens5=office\n"
    after = rename(one(text), {"ens5": "ens13"})
    assert (
        after.after[0].text
        == "rename ens13=lan0\nmapping ens13\n  script /x\n  map ens5-home\nallow-hotplug ens13=office\n"
    )
    assert [place.line for place in after.uncertain] == [4]


# What ifquery of ifupdown 0.8.41 listed for these files, with the devices of the names there.
@pytest.mark.parametrize(
    ("line", "after", "told"),
    [
        ("auto /ens*", "auto /ens* enp0s5", False),
        ("allow-hotplug /ens*=lan ens7", "allow-hotplug /ens*=lan enp0s5=lan ens7", False),
        ("auto /en*", "auto /en*", False),
        ("auto mac/aa:00:00:77:00:21", "auto mac/aa:00:00:77:00:21", False),
        ("auto /ens*/1", "auto /ens*/1", True),
        ("rename /ens*=lan", "rename /ens*=lan", True),
        ("mapping ens*", "mapping ens*", True),
        ("iface br0 inet dhcp\n bridge_ports regex ens.*", "iface br0 inet dhcp\n bridge_ports regex ens.*", True),
        ("iface br0 inet dhcp\n bridge_ports regex en.*", "iface br0 inet dhcp\n bridge_ports regex en.*", False),
    ],
)
def test_a_pattern_that_loses_the_card_gets_its_name_or_is_reported(line: str, after: str, told: bool) -> None:
    rewrite = rename(one(f"{line}\n"), {"ens5": "enp0s5"})
    assert rewrite.after[0].text == f"{after}\n"
    assert bool(rewrite.uncertain) is told


def test_a_label_may_be_any_word() -> None:
    text = "auto ens5 ens5:smtp\niface ens5:smtp inet static\n\tup ip addr add 192.0.2.9/32 dev ens5 label ens5:out\n"
    rewrite = rename(one(text), {"ens5": "ens6"})
    assert rewrite.after[0].text == text.replace("ens5", "ens6")
    assert rewrite.uncertain == ()


def test_a_name_that_the_kernel_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 15 characters: enp0s5:smtp-out1"):
        rename(one("iface ens5:smtp-out1 inet dhcp\n"), {"ens5": "enp0s5"})


@given(FILES)
def test_renaming_and_renaming_back_is_nothing(text: str) -> None:
    there = rename(one(text), {"ens5": "zz9", "ens6": "yy8"})
    assert rename(there.after, {"zz9": "ens5", "yy8": "ens6"}).after[0].text == text


@given(FILES)
def test_renaming_keeps_lines_layout_comments_and_other_names(text: str) -> None:
    after = rename(one(text), {"ens5": "zz9"}).after[0].text
    assert after.count("\n") == text.count("\n")
    assert after.replace("zz9", "ens5") == text
    assert [c for c in configured(one(text)) if not re.fullmatch(r"ens5([.:]\d+)*", c)] == [
        c for c in configured(one(after)) if not c.startswith("zz9")
    ]


@given(FILES)
def test_what_is_left_is_told(text: str) -> None:
    rewrite = rename(one(text), {"ens5": "zz9"})
    told = {place.line for place in rewrite.uncertain}
    for line in logical_lines(rewrite.after[0].text):
        if line.words and line.keyword != "source" and re.search(r"(?<![A-Za-z0-9_])ens5(?![A-Za-z0-9_])", line.raw):
            assert line.number in told
