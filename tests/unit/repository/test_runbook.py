"""The runbook: each alert has its anchor, each exit code its row, and every command on every page parses."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from mxlib.model.outcome import ENDS
from tests.unit.support.typed import parsed

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
ARGPARSE = 2
GLOBAL = {"-d", "--dry-run", "--no-locks"}
SHORT = {"cookbook -d", "cookbook -l", "cookbook NAME --help", "cookbook sre.mail"}
"""Words about the program, which are no command to type."""


def commands(page: Path) -> list[str]:
    """What a page says to type, in a block or in a sentence."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^(?: {4}|ExecStart=\S*/)?(cookbook [^\n]*)$", text, re.MULTILINE)
    spans = re.findall(r"`(cookbook [^`]*)`", text)
    return [" ".join(one.split()) for one in (*blocks, *spans)]


FOUND = [(page.name, command) for page in PAGES for command in commands(page) if command not in SHORT]


@pytest.mark.parametrize(("page", "command"), FOUND)
def test_a_command_of_a_page_parses(page: str, command: str) -> None:
    del page
    filled = command.replace("RELEASE", "6.1.0-56-amd64").replace("ADDRESS", "user@example.org")
    typed = shlex.split(filled.partition(" && ")[0], comments=True)[1:]
    while typed[0] in GLOBAL:
        typed.pop(0)
    if re.search(r" \[.*\|", command):
        # a synopsis: each of its choices
        head = command.partition(" [")[0].split()[1:]
        for choice in re.findall(r"--[a-z-]+", command):
            assert parsed(head[0], [*head[1:], choice])
        return
    assert parsed(typed[0], typed[1:])


def test_commands_are_found_where_they_stand() -> None:
    pages = {page for page, _ in FOUND}
    assert {"README.md", "runbook.md", "install.md", "reboot-mx.md", "verify-mx.md", "roll-kernel.md"} <= pages
    assert len(FOUND) > 60


def test_every_alert_has_its_anchor_and_every_anchor_its_alert() -> None:
    rules = yaml.safe_load((ROOT / "alerts" / "mx.yaml").read_text(encoding="utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert re.findall(r"^### (\S+)$", RUNBOOK, re.MULTILINE) == alerts


def test_the_first_command_of_an_alert_is_the_one_that_it_names() -> None:
    """But for the labels, and for what the reader needs beside the one check."""
    rules = yaml.safe_load((ROOT / "alerts" / "mx.yaml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        section = RUNBOOK.partition(f"### {rule['alert']}\n\n")[2]
        first = section.splitlines()[0].strip()
        said = rule["annotations"]["next"].replace("{{ $labels.instance }}", "mx2001.example.org")
        said = said.replace("{{ $labels.kernel }}", "6.1.0-56-amd64").partition(" --only {{")[0]
        assert first.startswith(said), rule["alert"]


def test_every_exit_code_of_every_cookbook_has_one_row() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| [^|]*\|$", RUNBOOK, re.MULTILINE)
    told: list[tuple[int, str]] = []
    for code, names, now, typed in rows:
        assert now
        assert typed
        told += [(int(code), name) for name in (ENDS if names == "all" else names.split(", "))]
    wanted = [(one.value, name) for name, ends in ENDS.items() for one in ends]
    assert sorted(told) == sorted([*wanted, *((ARGPARSE, name) for name in ENDS)])


def test_the_pages_lead_to_it() -> None:
    assert "(docs/runbook.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for page in ("index.md", "exit-codes.md", "monitoring.md"):
        assert "(runbook.md" in (ROOT / "docs" / page).read_text(encoding="utf-8")
