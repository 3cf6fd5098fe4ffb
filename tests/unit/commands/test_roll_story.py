"""What a roll leaves behind: each form of its summary, also where one of them cannot be made."""

import json
from pathlib import Path

import pytest

from mxlib.base.journal import Journal, read
from mxlib.commands.roll_story import RollStory
from mxlib.config.roll import RollSection
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.journals import rolled


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "roll-kernel.r1.jsonl"
    made = Journal(path, FakeClock())
    for event in rolled():
        made.write(event.name, **event.values)
    made.close()
    return path


def said(journal: Path) -> list[str]:
    tell = Tell()
    RollStory(RollSection(), journal.parent, "why", "", FakeClock(), tell).write(
        journal, tuple(read(journal)), lambda _headline: None
    )
    return list(tell.lines)


def test_markdown_json_and_a_page_lie_beside_the_journal(journal: Path) -> None:
    lines = said(journal)
    assert f"page: {journal.with_suffix('.html')}" in lines
    assert "Hosts over time" in journal.with_suffix(".html").read_text()
    assert json.loads(journal.with_suffix(".json").read_text())["exit_code"] == 12
    assert journal.with_suffix(".md").exists()


def test_a_summary_that_is_not_there_is_not_named(journal: Path) -> None:
    journal.with_suffix(".md").mkdir()
    assert not any(line.startswith("summary: ") for line in said(journal))


def test_a_page_that_cannot_be_made_costs_nothing_else(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxlib.pages.roll.page", lambda *_: 1 / 0)
    lines = said(journal)
    assert any("the page could not be made" in line for line in lines)
    assert not journal.with_suffix(".html").exists()
    assert lines[-1].startswith("roll of 6.1.0-56: stopped, a host: fell back")
