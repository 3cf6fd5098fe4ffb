"""Mail exchangers: reboot them, take them out of service and return them to it, without losing a mail."""

import argparse
from abc import abstractmethod

from spicerack import Spicerack
from spicerack.cookbook import CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands import arguments
from mxlib.commands.command import Command
from mxlib.commands.entry import Formatter, MailArgumentParser, begin, owner_of
from mxlib.commands.reboot import HostRun
from mxlib.commands.request import RunRequest
from mxlib.config.sections import Site
from mxlib.model.goal import Goal


class MailRunner(CookbookRunnerBase):
    """One run of any of the cookbooks: its command does the work."""

    def __init__(self, command: Command) -> None:
        """Keep the command; nothing is done before :meth:`run`."""
        self._command = command

    @property
    def runtime_description(self) -> str:
        """What logs say beside the cookbook's name."""
        return self._command.description

    @property
    def lock_args(self) -> LockArgs:
        """As many at once as there are, as Spicerack's own lock waits for half an hour; one on a console or a queue."""
        return LockArgs(suffix=self._command.subject.split(".")[0], concurrency=int(self._command.alone), ttl=600)

    def run(self) -> int:
        """Do it, and return the exit code."""
        return int(self._command.execute().value)

    def rollback(self) -> None:
        """Close the journal and nothing else: Spicerack calls this for every exit code but 0, also when all is well."""
        self._command.close()


class MailCookbookBase(CookbookBase):
    """What the cookbooks have in common; each adds its options, and makes its command from them."""

    argument_reason_required: bool | None = False
    argument_task_required: bool | None = False

    def __init__(self, spicerack: Spicerack) -> None:
        """Take the team that owns the cookbooks from the site's configuration, where it names one."""
        super().__init__(spicerack)
        self.owner_team = owner_of(spicerack) or self.owner_team

    def argument_parser(self) -> argparse.ArgumentParser:
        """Return the parser of all options."""
        common = super().argument_parser()
        for action in common._actions:  # Spicerack's own type has no name, and so its error says nothing
            if action.dest == "task_id":
                action.type = arguments.task
        parser = MailArgumentParser(
            finish=self._finish,
            description=self.__doc__,
            formatter_class=Formatter,
            parents=[common],
            add_help=False,
        )
        self.add_options(parser)
        return parser

    @abstractmethod
    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""

    @abstractmethod
    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return what is to be done.

        Raises:
            mxlib.base.errors.MxlibError: the site's configuration does not allow what was asked for.
        """

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Return the runner of the command that was made when the arguments were parsed."""
        return MailRunner(args.command)

    def _finish(self, args: argparse.Namespace) -> int | None:
        """Make the command; return the exit code where it was refused, or only reads and is done."""
        args.command, code = begin(self.spicerack, lambda site: self.command(args, site))
        return code


class HostRunCookbookBase(MailCookbookBase):
    """A cookbook that runs on one mail exchanger; each adds its own options and its goal."""

    default_reason = ""
    """The reason where the operator gives none."""
    drains = False
    """Whether it has options for how far and how long the queue is emptied."""
    claims = True
    """Whether it claims the host, or may."""
    soaks = False
    """Whether it watches the host at the end."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the host, and the options of this kind of run."""
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        self.add_own(parser)
        if self.soaks:
            parser.add_argument(
                "--soak",
                type=arguments.seconds(0),
                metavar="TIME",
                help="How long to watch at the end, such as 60 or 5m.",
            )
        if self.drains:
            _add_drain_options(parser)
        if self.claims:
            _add_run_options(parser)

    def add_own(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this cookbook has."""

    def goal(self, args: argparse.Namespace) -> Goal:
        """Return what is wanted."""
        return Goal()

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the run on the host."""
        return HostRun(self.spicerack, site, self.request(args))

    def request(self, args: argparse.Namespace) -> RunRequest:
        """Return what the operator asked for, as the run knows it."""
        said = {key: value for key, value in vars(args).items() if key in _PASSED_ON}
        return RunRequest(
            host=args.host,
            goal=self.goal(args),
            reason=args.reason or self.default_reason,
            task=args.task_id,
            accept=frozenset(getattr(args, "accept", ())),
            run=getattr(args, "run", None) or "",
            **said,
        )


_PASSED_ON = frozenset({"max_residual", "drain_timeout", "soak", "without_slot", "unattended", "prevention"})
"""Options that have the same name in the request."""


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every run."""
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        type=arguments.check_name,
        metavar="CHECK",
        help="A finding, by its name, that does not block; can be repeated.",
    )
    parser.add_argument("--unattended", action="store_true", help="Never ask; take the safe answer.")
    parser.add_argument(
        "--without-slot", action="store_true", help="Do without the slot of the service: etcd is the incident."
    )


def _add_drain_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for how far and how long the queue is emptied."""
    parser.add_argument(
        "--max-residual", type=arguments.count, metavar="N", help="Messages that may stay in the queue."
    )
    parser.add_argument(
        "--drain-timeout",
        type=arguments.seconds(1),
        metavar="TIME",
        help="How long the queue may take, such as 90 or 30m.",
    )
