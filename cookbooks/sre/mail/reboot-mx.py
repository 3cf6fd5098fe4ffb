"""Reboot a mail exchanger into a kernel of choice without losing a mail."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.outcome import Outcome
from mxlib.session import Request, Session, check_host, load_site
from mxlib.state import Goal

_CODES = "\n".join(f"    {one.value:3}  {one.phrase}" for one in Outcome)


class RebootMx(CookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Reboot a mail exchanger into a kernel of choice without losing a mail

    Takes the host out of service, drains its queue, boots the kernel once, proves it with real mail, keeps it or falls
    back, and gives the host back to its clients. It can be stopped at any point and gone on with, or undone, from any
    management host.

    Usage example:
        cookbook -d sre.mail.reboot-mx mx2001.example.org --kernel 6.1.0-30-amd64
        cookbook sre.mail.reboot-mx mx2001.example.org --kernel 6.1.0-30-amd64 -r "security update" -t T123456
        cookbook sre.mail.reboot-mx mx2001.example.org --resume

    Exit codes:
{_CODES}
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--kernel", metavar="RELEASE", help="Kernel to run, as uname -r says it.")
        what.add_argument("--resume", action="store_true", help="Go on with the run that was left on this host.")
        what.add_argument("--abort", action="store_true", help="Undo the run that was left on this host.")
        what.add_argument("--status", action="store_true", help="Say where this host stands and change nothing.")
        parser.add_argument("--stay-depooled", action="store_true", help="Leave the host out of service in the end.")
        parser.add_argument("--max-residual", type=int, metavar="N", help="Messages that may stay in the queue.")
        parser.add_argument("--drain-timeout", type=float, metavar="SECONDS", help="How long the queue may take.")
        parser.add_argument("--soak", type=float, metavar="SECONDS", help="How long to watch in the end.")
        parser.add_argument(
            "--accept", action="append", default=[], metavar="CHECK", help="A finding of the guard that does not block."
        )
        parser.add_argument("--unattended", action="store_true", help="Never ask; take the safe answer.")
        parser.add_argument(
            "--without-slot", action="store_true", help="etcd is the incident: go on without the slot of the service."
        )
        return parser

    def get_runner(self, args: argparse.Namespace) -> "RebootMxRunner":
        """Check what was said against the site's configuration."""
        return RebootMxRunner(args, self.spicerack)


class RebootMxRunner(CookbookRunnerBase):
    """One run."""

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration; nothing else is touched."""
        site = load_site(spicerack)
        check_host(site, args.host)
        self._args = args
        self._session = Session(spicerack, site, _request(args))

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {self._args.host}"

    @property
    def lock_args(self) -> LockArgs:
        """Spicerack's own lock is unlimited: it would make --resume wait for half an hour. The slot is ours."""
        return LockArgs(suffix=self._args.host.split(".")[0], concurrency=0, ttl=60)

    def run(self) -> int:
        """Do it."""
        return self._session.status() if self._args.status else self._session.execute()

    def rollback(self) -> None:
        """Close the journal and nothing else: Spicerack calls this for every exit code but 0, also when all is well."""
        self._session.close()


def _request(args: argparse.Namespace) -> Request:
    goal = Goal(args.kernel or "", stay=args.stay_depooled, back=args.abort, adopt=args.resume or args.abort)
    return Request(
        host=args.host,
        goal=goal,
        reason=args.reason or "reboot of a mail exchanger",
        task=args.task_id,
        max_residual=args.max_residual,
        drain_timeout=args.drain_timeout,
        accept=frozenset(args.accept),
        soak=args.soak,
        without_slot=args.without_slot,
        unattended=args.unattended,
    )
