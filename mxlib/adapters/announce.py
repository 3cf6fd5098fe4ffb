"""How a run ended, in the server admin log and on the run's task, both through Spicerack."""

import configparser
import logging

from spicerack import Spicerack
from spicerack.exceptions import SpicerackError
from wmflib.exceptions import WmflibError

from mxlib.adapters.error_words import words_of
from mxlib.base.text import one_line
from mxlib.config.sections import AnnounceSection

logger = logging.getLogger(__name__)

_LONGEST = 400
"""Characters: a message of IRC has 512 bytes, and a line's end in it would begin another one."""


def announce(spicerack: Spicerack, section: AnnounceSection, headline: str, task: str, comment: str) -> None:
    """Announce how a run ended; in a dry run nothing is announced. A failure changes nothing in how it ended.

    Arguments:
        headline: the outcome in one line.
        task: id of the task; empty: there is none.
        comment: what is written on the task.
    """
    if spicerack.dry_run:
        return
    if section.sal:
        to_admin_log(spicerack, f"{one_line(headline, 300)}{f' - {task}' if task else ''}")
    if section.phabricator is None or not task:
        return
    try:
        spicerack.phabricator(str(section.phabricator)).task_comment(task, comment)
    except (SpicerackError, WmflibError, OSError, configparser.Error) as error:
        logger.warning("the outcome is not on %s: %s", task, words_of(error))


def to_admin_log(spicerack: Spicerack, text: str) -> None:
    """Write a line to the server admin log alone.

    Spicerack's logger for it shows each line on the terminal, too, where the operator has just read the same.

    Arguments:
        spicerack: in a dry run it has no admin log.
    """
    log = spicerack.sal_logger
    record = log.makeRecord(log.name, logging.INFO, __file__, 0, one_line(text, _LONGEST), (), None)
    for handler in log.handlers:
        handler.handle(record)
