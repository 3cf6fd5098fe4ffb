"""From parsed arguments to a command; and what is over before Spicerack takes its lock.

Spicerack parses the arguments before it takes its lock and announces anything, and takes the code that the parser exits
with for the cookbook's. So what is refused, and what only reads, is over by then: it needs no lock, nothing of it goes
to the server admin log, and its exit code is its own. ``CookbookInitSuccess``, which Spicerack offers for that,
knows the code 0 only.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spicerack import Spicerack
from spicerack.cookbook import ArgparseFormatter
from spicerack.locking import NoLock

from mxlib.adapters.error_words import keep_configuration_out_of_logs, words_of
from mxlib.adapters.etcd_api import keep_requests_off_the_terminal, make_client, reachable
from mxlib.adapters.operator import TerminalOperator
from mxlib.base.clock import SystemClock
from mxlib.base.errors import ConfigError, MxlibError, SlotError
from mxlib.commands.command import Command
from mxlib.commands.request import load_site
from mxlib.config.sections import Site
from mxlib.model.outcome import Outcome


class MailArgumentParser(argparse.ArgumentParser):
    """A parser that hands what it has parsed to the cookbook, which may end here."""

    def __init__(self, *, finish: Callable[[argparse.Namespace], int | None], **options: Any) -> None:
        """Keep what is called with the parsed arguments.

        Arguments:
            finish: called once all arguments are parsed; returns the exit code where all is over, else None.
            options: of :class:`argparse.ArgumentParser`.
        """
        super().__init__(**options)
        self._finish = finish

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Parse, then finish; see :meth:`argparse.ArgumentParser.parse_args`."""
        words = list(sys.argv[1:] if args is None else args)
        for word in words:
            # Python keeps bytes that are no UTF-8 as surrogates, which no host, file or terminal takes later on
            if not word.isascii() and word != word.encode(errors="replace").decode():
                self.error(f"{word!a}: expected UTF-8")
        found = super().parse_args(words, namespace)
        code = self._finish(found)
        if code is not None:
            self.exit(code)
        return found


class Formatter(ArgparseFormatter):
    """Shows a default only where there is one: what is left out is decided by the site's configuration."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, "", [], argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


def begin(spicerack: Spicerack, make: Callable[[Site], Command]) -> tuple[Command | None, int | None]:
    """Make a command, and do it at once where it only reads.

    Returns:
        The command, None where it was refused; and the exit code, None where it is still to be done.
    """
    keep_configuration_out_of_logs()
    keep_requests_off_the_terminal()
    command = None
    try:
        site = load_site(spicerack)
        command = make(site)
        if command.reads_only:
            return command, command.execute().value
        check_lock(spicerack, site)
    except MxlibError as error:
        if command is not None:
            return None, command.said(Outcome.REFUSED, str(error)).value
        _say(f"{Outcome.REFUSED.phrase}: {error}")
        return None, Outcome.REFUSED.value
    except KeyboardInterrupt:
        _say(f"{Outcome.INTERRUPTED.phrase}: stopped at once; nothing was changed")
        return None, Outcome.INTERRUPTED.value
    return command, None


def check_lock(spicerack: Spicerack, site: Site) -> None:
    """Refuse at once what Spicerack's own lock would refuse after two minutes of attempts.

    Raises:
        mxlib.base.errors.ConfigError: etcd does not answer, and Spicerack's own lock needs it.
    """
    if spicerack.dry_run or not _locks(spicerack):
        return
    try:
        reachable(make_client(site.slot.etcdrc), site.slot.key)
    except SlotError as error:
        way = "cookbook --no-locks sre.mail.…, and --without-slot where the slot of the service cannot be read either"
        raise ConfigError(f"{error}; Spicerack's own lock needs etcd: where etcd is the incident, {way}") from None


def _locks(spicerack: Spicerack) -> bool:
    """Whether Spicerack takes a lock of its own; it would end in a traceback that quotes the file it cannot read."""
    try:
        return not isinstance(spicerack.lock(), NoLock)
    except Exception as error:  # whatever python-etcd makes of wrong parameters
        why = words_of(error)
        raise ConfigError(f"Spicerack's own lock cannot be made (--no-locks does without it): {why}") from None


def owner_of(spicerack: Spicerack) -> str:
    """Return the team that owns the cookbooks, as the site's configuration names it; empty where it does not."""
    if not isinstance(spicerack.config_dir, Path):
        return ""
    try:
        return load_site(spicerack).owner_team
    except MxlibError:
        # what is wrong with the configuration is said when a cookbook is run
        return ""


def _say(text: str) -> None:
    TerminalOperator(SystemClock()).line(text)
