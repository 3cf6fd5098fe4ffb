"""How a run ended, announced through Spicerack."""

import logging
from pathlib import Path
from unittest import mock

import pytest
from spicerack import Spicerack
from wmflib.phabricator import PhabricatorError, create_phabricator

from mxlib.adapters.announce import announce, to_admin_log
from mxlib.config.sections import AnnounceSection


@pytest.fixture
def spicerack():
    made = mock.create_autospec(Spicerack, instance=True, spec_set=False)
    made.dry_run = False
    made.sal_logger = logging.getLogger("test-admin-log")
    made.sal_logger.handlers = [Kept()]
    return made


class Kept(logging.Handler):
    """What reached the server admin log."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def kept(spicerack):
    return spicerack.sal_logger.handlers[0].lines


def test_the_outcome_goes_to_the_log_and_to_the_task(spicerack):
    section = AnnounceSection(phabricator=Path("/etc/bot.conf"))
    announce(spicerack, section, "mx2001: done\nnext", "T123", "comment")
    assert kept(spicerack) == ["mx2001: done next - T123"]
    spicerack.phabricator.assert_called_once_with("/etc/bot.conf")
    spicerack.phabricator.return_value.task_comment.assert_called_once_with("T123", "comment")


@pytest.mark.parametrize(
    ("section", "task"), [(AnnounceSection(), "T1"), (AnnounceSection(phabricator=Path("/x")), "")]
)
def test_without_a_task_or_a_bot_nobody_comments(spicerack, section, task):
    announce(spicerack, section, "done", task, "comment")
    spicerack.phabricator.assert_not_called()


def test_a_dry_run_announces_nothing(spicerack):
    spicerack.dry_run = True
    announce(spicerack, AnnounceSection(phabricator=Path("/x")), "done", "T1", "comment")
    spicerack.phabricator.assert_not_called()
    assert kept(spicerack) == []


def test_an_announcement_that_fails_ends_nothing(spicerack):
    spicerack.phabricator.side_effect = PhabricatorError("no such file")
    announce(spicerack, AnnounceSection(sal=False, phabricator=Path("/x")), "done", "T1", "comment")
    assert kept(spicerack) == []


def test_a_configuration_of_the_bot_that_cannot_be_read_ends_nothing_and_shows_no_token(spicerack, tmp_path, caplog):
    path = tmp_path / "bot.conf"
    path.write_text("[phabricator_bot]\nhost = x\nusername = bot\ntoken = api-%hunter2\n")
    spicerack.phabricator.side_effect = lambda file: create_phabricator(file, dry_run=False)
    announce(spicerack, AnnounceSection(sal=False, phabricator=path), "done", "T1", "comment")
    assert "the outcome is not on T1: option token in section phabricator_bot" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_terminal_does_not_show_it_a_second_time(spicerack, caplog):
    caplog.set_level(logging.INFO)
    announce(spicerack, AnnounceSection(), "mx2001: 100% done", "", "comment")
    assert kept(spicerack) == ["mx2001: 100% done"]
    assert caplog.records == []


def test_whatever_is_announced_is_one_message_of_irc(spicerack):
    to_admin_log(spicerack, "roll of 6.1: blocked: mx\r\n!log owned\x02 " + 600 * "x")
    (line,) = spicerack.sal_logger.handlers[0].lines
    assert line.startswith("roll of 6.1: blocked: mx !log owned xxx")
    assert len(line) == 400
