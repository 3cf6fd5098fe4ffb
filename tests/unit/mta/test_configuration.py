"""The digests of what a proof rests on, made by the real script from tools that say what a host's tools say."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mxlib.facts.section import SectionOutput
from mxlib.facts.source import Facts, FactUnknownError
from mxlib.mta.configuration import UNREAD, difference, found_instead, only_if, source
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.adapter import ADAPTER
from tests.unit.support.facts import NOW

# As nft 1.0.6 prints them without counters.
RULES = """\
table inet mx_depool {
    set knocking4 {
        type ipv4_addr
        flags dynamic,timeout
    }
}
table inet filter {
    set allow {
        type ipv4_addr
        elements = { 192.0.2.1, 192.0.2.2,
            192.0.2.3 }
    }
    set ban {
        type ipv4_addr
        flags timeout
        elements = { 10.0.0.1 timeout 1h, 10.0.0.2 timeout 1h,
            10.0.0.3 timeout 1h }
    }
    chain input {
        type filter hook input priority filter; policy drop;
        tcp dport { 25, 587 } counter accept
    }
}
""".replace("    ", "\t")
TEXTS = {
    "exim4": "# Exim Configuration (4.96)\nmessage_size_limit = 50M\n",
    "nft": RULES,
    "iptables-legacy-save": "# Generated on Sat\n*filter\n:INPUT DROP [12:3456]\n-A INPUT -j ACCEPT\nCOMMIT\n",
    "ip6tables-legacy-save": "",
    "iptables-nft-save": "*filter\n-A INPUT -m recent --set --name x\nCOMMIT\n",
    "ip6tables-nft-save": "",
    "dpkg-query": "linux-image-6.1.0-55-amd64 amd64 6.1.170-3 installed\nexim4-base amd64 4.96-15 installed\n",
}


class Box:
    """A host on which each tool prints a text of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in TEXTS.items():
            self.says(name, text)
        (root / "proc").mkdir()
        (root / "proc/ip_tables_names").write_text("filter\n")
        (root / "exim").mkdir()

    def says(self, name: str, text: str, code: int = 0) -> None:
        (self.root / f"{name}.out").write_text(text)
        (self.root / name).write_text(
            f"#!/bin/sh\necho {name} >>{self.root}/asked\ncat {self.root}/{name}.out\nexit {code}\n"
        )
        (self.root / name).chmod(0o755)

    def asked(self) -> set[str]:
        return set((self.root / "asked").read_text().split())

    def sh(self, script: str) -> str:
        for old, new in ((exim.BINARY, "exim4"), ("/proc/net", "proc"), ("/etc/exim4", "exim")):
            script = script.replace(old, str(self.root / new))
        env = {"PATH": f"{self.root}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True, env=env).stdout

    def digests(self) -> str:
        asked = source(ADAPTER)
        (section,) = asked.sections
        said = SectionOutput(section.name, section.script, 0, self.sh(f"set +e\n{section.script}:"), "", NOW)
        return Facts("mx", NOW, {section.name: said}).get(asked)

    def acts(self, proven: str) -> tuple[bool, str]:
        said = self.sh(f"{only_if(proven, ADAPTER)}echo acted")
        return said.endswith("acted\n"), found_instead(said)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def replaces(tool: str, old: str, new: str) -> Callable[[Box], None]:
    assert old in TEXTS[tool]
    return lambda box: box.says(tool, TEXTS[tool].replace(old, new))


def template(box: Box) -> None:
    (box.root / "exim/conf.d").mkdir()
    (box.root / "exim/conf.d/10_main").write_text("x = y\n")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (replaces("exim4", "50M", "10M"), "configuration of the MTA"),
        (template, "configuration of the MTA"),
        (lambda box: (box.root / "exim/update-exim4.conf.conf").write_text("x='y'\n"), "configuration of the MTA"),
        (replaces("nft", "587 }", "465 }"), "loaded rules of the firewall"),
        (replaces("nft", "192.0.2.3", "192.0.2.4"), "loaded rules of the firewall"),
        (replaces("nft", "policy drop", "policy accept"), "loaded rules of the firewall"),
        (replaces("iptables-legacy-save", "-j ACCEPT", "-j DROP"), "loaded rules of the firewall"),
        (replaces("dpkg-query", "4.96-15", "4.96-16"), "packages"),
        (replaces("dpkg-query", "3 installed", "3 half-configured"), "packages"),
    ],
)
def test_what_somebody_changes_ends_a_proof_and_is_named(box: Box, change: Callable[[Box], object], what: str) -> None:
    proven = box.digests()
    assert box.acts(proven) == (True, "")
    change(box)
    acted, now = box.acts(proven)
    assert not acted
    assert difference(proven, now) == f"changed since the host was proven: {what}"
    assert now == box.digests()


@pytest.mark.parametrize(
    "change",
    [
        replaces("nft", "10.0.0.2 timeout 1h,\n\t\t\t10.0.0.3", "10.9.9.9"),
        replaces("nft", RULES[: RULES.index("table inet filter")], ""),
        replaces("iptables-legacy-save", "[12:3456]", "[13:4567]"),
        replaces("iptables-legacy-save", "on Sat", "on Sun"),
        lambda box: (box.root / "exim/aliases").write_text("new: entry\n"),
    ],
    ids=["who is banned", "our own table", "counters", "date", "aliases"],
)
def test_what_changes_by_itself_ends_no_proof(box: Box, change: Callable[[Box], object]) -> None:
    proven = box.digests()
    change(box)
    assert box.digests() == proven


def test_our_own_table_is_left_out_where_nothing_else_is_loaded_by_nft(box: Box) -> None:
    """As where ferm loads its rules by iptables-legacy: a run that turns back has to find them as before."""
    box.says("nft", "")
    proven = box.digests()
    box.says("nft", RULES[: RULES.index("table inet filter")])
    assert box.digests() == proven
    assert box.acts(proven) == (True, "")


def test_the_legacy_tools_are_asked_only_where_their_tables_are(box: Box) -> None:
    proven = box.digests()
    assert "iptables-legacy-save" in box.asked()
    (box.root / "asked").unlink()
    (box.root / "proc/ip_tables_names").unlink()
    assert box.digests() != proven
    assert not {one for one in box.asked() if "tables" in one}


def test_what_nft_cannot_show_of_a_rule_is_asked_of_iptables(box: Box) -> None:
    box.says("nft", RULES.replace("tcp dport { 25, 587 } counter", 'xt match "recent"'))
    proven = box.digests()
    replaces("iptables-nft-save", "name x", "name y")(box)
    assert box.digests() != proven


@pytest.mark.parametrize("tool", ["exim4", "nft", "iptables-legacy-save"])
def test_a_part_that_cannot_be_read_is_unknown_and_lets_nothing_through(box: Box, tool: str) -> None:
    proven = box.digests()
    box.says(tool, TEXTS[tool], code=2)
    with pytest.raises(FactUnknownError):
        box.digests()
    assert box.acts(proven) == (False, UNREAD)
    assert difference(proven, UNREAD) == "the configuration of the host cannot be read any more"


@pytest.mark.parametrize(("code", "text"), [(2, TEXTS["dpkg-query"]), (1, "")])
def test_packages_that_cannot_be_read_are_unknown(box: Box, code: int, text: str) -> None:
    proven = box.digests()
    box.says("dpkg-query", text, code)
    assert box.acts(proven) == (False, UNREAD)


def test_a_pattern_without_a_package_is_no_error(box: Box) -> None:
    proven = box.digests()
    box.says("dpkg-query", TEXTS["dpkg-query"], code=1)
    assert box.digests() == proven


def test_a_proof_of_an_older_version_lets_nothing_through(box: Box) -> None:
    acted, now = box.acts("")
    assert not acted
    assert difference("", now) == "nothing was noted of the configuration that the host was proven with"


def test_who_has_accepted_that_it_cannot_be_read_is_asked_no_more(box: Box) -> None:
    box.says("nft", "", code=1)
    assert box.acts(UNREAD) == (True, "")
