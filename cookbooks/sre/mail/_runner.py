"""What the cookbooks that take a mail exchanger out of service and give it back have in common."""

import argparse
from abc import abstractmethod

from spicerack import Spicerack
from spicerack.cookbook import CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.reboot import Session
from mxlib.commands.request import Request, check_host, load_site
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome

EXIT_CODES = "\n".join(f"        {one.value:<3} {one.phrase}" for one in Outcome)


class MailRunner(CookbookRunnerBase):
    """One run on one mail exchanger."""

    def __init__(self, spicerack: Spicerack, request: Request, way: str = "execute"):
        """Read the site's configuration; nothing else is touched.

        Arguments:
            spicerack: the door to the world.
            request: what the operator asked for.
            way: which of the session's ways to go: execute, status or drain.
        """
        site = load_site(spicerack)
        check_host(site, request.host)
        self._host = request.host
        self._way = way
        self._session = Session(spicerack, site, request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {self._host}"

    @property
    def skip_start_sal(self) -> bool:
        """Looking is nothing to announce."""
        return self._way == "status"

    @property
    def lock_args(self) -> LockArgs:
        """Spicerack's own lock is unlimited: it would make --resume wait for half an hour. The slot is ours."""
        return LockArgs(suffix=self._host.split(".")[0], concurrency=0, ttl=60)

    def run(self) -> int:
        """Do it."""
        ways = {"execute": self._session.execute, "status": self._session.status, "drain": self._session.drain}
        return ways[self._way]()

    def rollback(self) -> None:
        """Close the journal and nothing else: Spicerack calls this for every exit code but 0, also when all is well."""
        self._session.close()


class MailCookbook(CookbookBase):
    """A cookbook that runs on one mail exchanger; what the others add is their options, their goal and their words."""

    argument_reason_required: bool | None = False
    argument_task_required: bool | None = False
    default_reason = ""
    """What stands for the reason where it may be left out."""
    drains = False
    """Whether it understands how far and how long the queue is emptied."""
    claims = True
    """Whether it takes the host into its hands, or may."""
    soaks = False
    """Whether it watches the host in the end."""

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        self.add_own(parser)
        if self.soaks:
            parser.add_argument("--soak", type=float, metavar="SECONDS", help="How long to watch in the end.")
        if self.drains:
            _add_drain_options(parser)
        if self.claims:
            _add_run_options(parser)
        return parser

    def add_own(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this cookbook understands.

        Arguments:
            parser: the cookbook's.
        """

    @abstractmethod
    def goal(self, args: argparse.Namespace) -> Goal:
        """What is wanted.

        Arguments:
            args: what the operator said.
        """

    def way(self, args: argparse.Namespace) -> str:
        """Which of the session's ways to go: execute, status or drain.

        Arguments:
            args: what the operator said.
        """
        return "execute"

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Check what was said against the site's configuration."""
        said = {key: value for key, value in vars(args).items() if key in _PASSED_ON}
        request = Request(
            host=args.host,
            goal=self.goal(args),
            reason=args.reason or self.default_reason,
            task=args.task_id,
            accept=frozenset(getattr(args, "accept", ())),
            **said,
        )
        return MailRunner(self.spicerack, request, self.way(args))


_PASSED_ON = frozenset({"max_residual", "drain_timeout", "soak", "without_slot", "unattended", "prevention"})
"""Options that are called like what they become in the request."""


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """What every run understands."""
    parser.add_argument(
        "--accept", action="append", default=[], metavar="CHECK", help="A finding, by its name, that does not block."
    )
    parser.add_argument("--unattended", action="store_true", help="Never ask; take the safe answer.")
    parser.add_argument(
        "--without-slot", action="store_true", help="etcd is the incident: go on without the slot of the service."
    )


def _add_drain_options(parser: argparse.ArgumentParser) -> None:
    """How far and how long the queue is emptied."""
    parser.add_argument("--max-residual", type=int, metavar="N", help="Messages that may stay in the queue.")
    parser.add_argument("--drain-timeout", type=float, metavar="SECONDS", help="How long the queue may take.")
