"""docs/install.md is a page that tests/install/run can follow; whether it leads anywhere that one shows."""

import re

from tests.install import walk


def test_every_section_that_is_looked_at_has_commands() -> None:
    assert walk.SEEN.keys() <= {block.section for block in walk.page()}


def test_the_last_block_of_a_section_is_known() -> None:
    text = "## One\n```sh\na\n```\ntext\n```sh\nb\n```\n## Two\n```ini\nx\n```\n### Deeper\n```sh\nc\nd\n```\n"
    found = walk.blocks(text)
    assert [(block.section, block.line, block.text, block.last) for block in found] == [
        ("One", 3, "a\n", False), ("One", 7, "b\n", True), ("Two", 15, "c\nd\n", True)
    ]  # fmt: skip


def test_commands_that_change_something_stand_in_blocks_that_are_run() -> None:
    """What is indented is not run: only what the page says not to do by the way, and the command of this test."""
    text = re.sub(r"```.*?```", "", walk.PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    indented = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert [line for line in indented if not line.startswith(("cookbook --no-locks", "tests/install/run"))] == []


def test_what_fetches_has_the_machines_network() -> None:
    fetching = [block for block in walk.page() if walk.FETCHES.search(block.text)]
    assert [block.section for block in fetching] == ["The code", "Upgrade", "Roll back"]
