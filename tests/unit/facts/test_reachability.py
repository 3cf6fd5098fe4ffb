"""Whether SSH can get in: the unit, the port and the packet filter."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mxlib.facts import reachability
from mxlib.facts.reachability import AccessFacts
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import facts_of


@pytest.mark.parametrize("odd", ["what is this", "listens no more", "route default via 192.0.2.1"])
def test_a_line_of_an_unknown_form_makes_the_access_unknown(odd: str) -> None:
    with pytest.raises(FactUnknownError, match="not understood"):
        facts_of({reachability.SECTION: f"unit active\nlistens\n{odd}\nend\n"}).get(reachability.SOURCE)
    with pytest.raises(FactUnknownError, match="cut short"):
        facts_of({reachability.SECTION: "unit active\nlistens\n"}).get(reachability.SOURCE)
    found = facts_of({reachability.SECTION: "unit failed\nrule policy drop;\nend\n"}).get(reachability.SOURCE)
    assert found == AccessFacts("failed", False, ("policy drop;",))


def test_a_unit_that_was_not_read_is_unknown() -> None:
    found = facts_of({reachability.SECTION: "listens\nend\n"}).get(reachability.SOURCE)
    assert found == AccessFacts("unknown", True, ())


def asked(folder: Path, **programs: str) -> AccessFacts:
    """What the section finds on a host with these programs; a kernel with legacy tables has a grep that finds them."""
    for name in ("grep", "head", "sed", "tail"):
        (folder / name).symlink_to(shutil.which(name) or "")
    for name, body in {"systemctl": "echo active", "ss": "echo LISTEN", **programs}.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    script = reachability.SECTION.script.replace("/proc/net/", f"{folder}/")
    argv = ["/bin/sh", "-c", script]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": str(folder)}).stdout
    found: AccessFacts = facts_of({reachability.SECTION: text}).get(reachability.SOURCE)
    return found


@pytest.mark.parametrize(
    ("ss", "listening"), [("echo LISTEN 0 128 0.0.0.0:22", True), ("exit 0", False), ("exit 1", None)]
)
def test_an_ss_that_fails_does_not_say_that_nothing_listens(tmp_path: Path, ss: str, listening: bool | None) -> None:
    assert asked(tmp_path, ss=ss, nft="exit 0").listening is listening


NFT = "printf '\\ttype filter hook input priority 0; policy drop;\\n\\tct state invalid drop\\n\\tcounter\\n'"
NFT_RULES = ("type filter hook input priority 0; policy drop;", "ct state invalid drop")


def test_rules_that_may_matter_are_shown(tmp_path: Path) -> None:
    (tmp_path / "ip_tables_names").write_text("filter\n")
    legacy = {"iptables_legacy_save": "echo ':INPUT DROP [0:0]'", "ip6tables_legacy_save": "echo INPUT"}
    found = asked(tmp_path, nft=NFT, **legacy)
    assert found == AccessFacts("active", True, (*NFT_RULES, ":INPUT DROP [0:0]"))


def test_without_nft_the_tool_that_loads_through_it_is_asked(tmp_path: Path) -> None:
    found = asked(tmp_path, iptables_nft_save="echo '-A INPUT -j REJECT'", ip6tables_nft_save="echo '-A INPUT six'")
    assert (found.rules, found.unread) == (("-A INPUT -j REJECT", "-A INPUT six"), ())


@pytest.mark.parametrize(
    ("programs", "unread"),
    [
        ({}, ("there is no nft",)),
        ({"nft": "echo first; echo Operation not permitted >&2; exit 1"}, ("nft failed: Operation not permitted",)),
        ({"nft": "exit 127"}, ("nft failed:",)),
        ({"iptables_nft_save": "exit 1"}, ("iptables-nft-save failed:", "there is no ip6tables-nft-save")),
    ],
)
def test_a_tool_that_is_missing_or_fails_is_not_one_without_rules(
    tmp_path: Path, programs: dict[str, str], unread: tuple[str, ...]
) -> None:
    assert asked(tmp_path, **programs).unread == unread


def test_tables_of_the_kernel_that_no_tool_can_show_are_unread(tmp_path: Path) -> None:
    (tmp_path / "ip6_tables_names").write_text("filter\n")
    found = asked(tmp_path, nft=NFT)
    assert (found.rules, found.unread) == (NFT_RULES, ("there is no ip6tables-legacy-save",))
