"""A second stanza for an interface under its other name, and its removal."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from mxlib.facts.nic import ConfigFile
from mxlib.nic.interfaces import configured
from mxlib.nic.rename import rename
from mxlib.nic.twin import TwinError, settle, strip, twin, twinned
from tests.unit.support.interfaces import DEBIAN, FILES, one


def test_a_twin_is_the_same_interface_under_the_other_name() -> None:
    files = one(DEBIAN)
    rewrite = twin(files, {"ens5": "ens13"}, "run 7\nby me")
    text = rewrite.after[0].text
    assert text.startswith(DEBIAN)
    assert "\nallow-hotplug ens13\niface ens13 inet static\n\taddress 10.77.0.10/24\n\tgateway 10.77.0.1\n#" in text
    assert twinned(rewrite.after)
    assert not twinned(files)
    assert settle(rewrite.after, {}).after == files
    assert settle(rewrite.after, {"ens5": "ens13"}).after == rename(files, {"ens5": "ens13"}).after


def test_auto_becomes_hotplug_while_there_are_two() -> None:
    text = "auto lo ens5\niface lo inet loopback\niface ens5 inet dhcp\niface ens5 inet6 auto\n"
    after = twin(one(text), {"ens5": "ens13"}, "x").after[0].text
    active = [line for line in after.splitlines() if not line.startswith("#")]
    assert active[:2] == ["auto lo", "allow-hotplug ens5"]
    assert active[-3:] == ["allow-hotplug ens13", "iface ens13 inet dhcp", "iface ens13 inet6 auto"]
    assert strip(after) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("iface ens5 inet dhcp\n", "by itself"),
        ("auto lo\n", "no iface stanza"),
        ("auto ens5 ens13\niface ens5 inet dhcp\niface ens13 inet dhcp\n", "configured already"),
        ("auto ens5\niface ens5 inet manual\niface ens5.7 inet dhcp\n", r"builds on ens5: iface ens5.7"),
        (
            "auto ens5\niface ens5 inet manual\niface br0 inet dhcp\n bridge_ports ens5\n",
            r"builds on ens5: bridge_ports",
        ),
        ("auto /ens*\nauto ens5\niface ens5 inet dhcp\n", "pattern"),
        ("auto ens5=x\nauto ens5\niface ens5 inet dhcp\n", "builds on"),
    ],
)
def test_no_twin_where_it_is_not_certain(text: str, why: str) -> None:
    with pytest.raises(TwinError, match=why):
        twin(one(text), {"ens5": "ens13"}, "x")


def test_two_interfaces_of_one_line_and_back() -> None:
    text = "auto lo ens5 ens6\niface ens5 inet dhcp\niface ens6 inet dhcp\n"
    after = twin(one(text), {"ens5": "ens13", "ens6": "ens14"}, "x")
    assert configured(after.after) == ("ens5", "ens6", "ens13", "ens14")
    assert "allow-hotplug ens5 ens6\n" in after.after[0].text
    assert strip(after.after[0].text) == text


def _twin_or_none(files: Sequence[ConfigFile]) -> tuple[ConfigFile, ...] | None:
    try:
        return twin(files, {"ens5": "qq7"}, "n").after
    except TwinError:
        return None


@given(FILES)
def test_a_twin_can_be_taken_away_byte_for_byte(text: str) -> None:
    after = _twin_or_none(one(text))
    if after is not None:
        assert strip(after[0].text) == text
        assert "qq7" in configured(after)
        assert twin(after, {"ens5": "qq7"}, "another run").after == after


@given(head=FILES)
def test_a_twin_of_a_usual_file_after_anything(head: str) -> None:
    text = head.rstrip("\\\n") + "\n" + DEBIAN
    after = _twin_or_none(one(text))
    if after is not None:
        assert strip(after[0].text) == text
