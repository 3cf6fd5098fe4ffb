"""The rules of a temporary hole, and the scripts that put them in and take them out."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mxlib.base.errors import StepError
from mxlib.facts import firewall
from mxlib.remedies import hole_rules
from tests.unit.support.healthy import FERM, NFTABLES, host
from tests.unit.support.remedy_host import PEER, SITE, called, sh


def ruleset(name: str) -> firewall.FirewallFacts:
    return host(name).get(firewall.SOURCE)


def test_it_goes_into_the_ruleset_that_drops() -> None:
    assert hole_rules.places(ruleset(FERM), 6) == (hole_rules.DroppingChain("ip6tables-legacy", "ip6 filter", "INPUT"),)
    assert hole_rules.places(ruleset(FERM), 4) == (hole_rules.DroppingChain("iptables-legacy", "ip filter", "INPUT"),)
    assert hole_rules.places(ruleset(NFTABLES), 6) == (hole_rules.DroppingChain("nft", "inet filter", "input"),)


def test_a_chain_with_a_name_that_is_no_name_is_left_alone() -> None:
    found = ruleset(NFTABLES)
    odd = tuple(replace(chain, name="in; reboot") for chain in found.chains)
    with pytest.raises(StepError):
        hole_rules.places(replace(found, chains=odd), 6)


@pytest.mark.parametrize("name", [FERM, NFTABLES])
def test_what_closes_it_is_armed_before_it_is_opened(name: str, tmp_path: Path) -> None:
    script = hole_rules.open_script(hole_rules.places(ruleset(name), 6), PEER, SITE, 1800, ("op", "it's $stuck"))
    done = sh(f"set -eu\n{script}", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = called(tmp_path)
    timer = next(index for index, line in enumerate(lines) if line.startswith("systemd-run"))
    opened = next(index for index, line in enumerate(lines) if " -I INPUT" in line or "insert rule" in line)
    assert timer < opened
    assert "--on-active=1800" in lines[timer]
    assert re.search(r"datestop|meta time <", lines[opened]), "the rule carries its own end"
    assert "! --syn" in lines[opened] or "!= syn" in lines[opened], "it opens no way in"
    record = (tmp_path / "holes" / "2001-db8-51--10.hole").read_text()
    assert "why=it's $stuck\n" in record


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        (FERM, {"ip6tables_legacy": "exit 1"}),
        (NFTABLES, {"nft": '[ "$1" != insert ]'}),
        # a signal ends the script: dash runs no trap of EXIT for it
        (NFTABLES, {"nft": '[ "$1" != insert ] || kill -TERM "$PPID"'}),
        (NFTABLES, {"nft": '[ "$1" != insert ] || kill -HUP "$PPID"'}),
    ],
)
def test_a_hole_that_cannot_be_opened_leaves_nothing(name: str, tool: dict[str, str], tmp_path: Path) -> None:
    script = hole_rules.open_script(hole_rules.places(ruleset(name), 6), PEER, SITE, 1800, ("op", "x"))
    assert sh(f"set -eu\n{script}", tmp_path, **tool).returncode != 0
    assert list((tmp_path / "holes").iterdir()) == []
    assert any(line.startswith("systemctl stop mx-hole-2001-db8-51--10-") for line in called(tmp_path))


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        (FERM, {"ip6tables_legacy": "exit 1", "ip6tables_legacy_save": "echo -A x mx-hole-2001-db8-51--10 -j ACCEPT"}),
        (FERM, {"ip6tables_legacy": "exit 1", "ip6tables_legacy_save": "exit 4"}),
        (NFTABLES, {"nft": "echo 'accept comment \"mx-hole-2001-db8-51--10\"'"}),
        (NFTABLES, {"nft": '[ "$1" != list ]'}),
    ],
)
def test_closing_is_not_done_before_the_rules_are_seen_to_be_gone(
    name: str, tool: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "holes").mkdir()
    (tmp_path / "holes" / "2001-db8-51--10.hole").touch()
    text = hole_rules.close_text(hole_rules.places(ruleset(name), 6), PEER, SITE)
    assert sh(f"end=1795238400\n{text}", tmp_path, **tool).returncode != 0
    assert (tmp_path / "holes" / "2001-db8-51--10.hole").exists(), "the check goes on telling it"


def test_a_hole_of_a_longer_address_is_not_taken_for_this_one(tmp_path: Path) -> None:
    text = hole_rules.close_text(hole_rules.places(ruleset(FERM), 6), PEER, SITE)
    save = "echo -A x --comment mx-hole-2001-db8-51--105 -j ACCEPT"
    done = sh(f"end=1795238400\n{text}", tmp_path, ip6tables_legacy="exit 1", ip6tables_legacy_save=save)
    assert done.returncode == 0
