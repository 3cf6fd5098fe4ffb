"""Reboot a mail exchanger into a kernel of choice without losing a mail."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase

from cookbooks.sre.mail._runner import EXIT_CODES, MailRunner, add_drain_options, add_host, add_run_options
from mxlib.session import Request
from mxlib.state import Goal


class RebootMx(CookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Reboot a mail exchanger into a kernel of choice without losing a mail

    Takes the host out of service, drains its queue, boots the kernel once, proves it with real mail, keeps it or falls
    back, and gives the host back to its clients. It can be stopped at any point and gone on with, or undone, from any
    management host.

    Usage example:
        cookbook -d sre.mail.reboot-mx mx2001.example.org --kernel 6.1.0-30-amd64
        cookbook sre.mail.reboot-mx mx2001.example.org --kernel newest -r "security update" -t T123456
        cookbook sre.mail.reboot-mx mx2001.example.org --resume

    Exit codes:
{EXIT_CODES}
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        add_host(parser)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--kernel", metavar="RELEASE", help="Kernel to run, as uname -r says it, or newest: of those installed."
        )
        what.add_argument("--resume", action="store_true", help="Go on with the run that was left on this host.")
        what.add_argument("--abort", action="store_true", help="Undo the run that was left on this host.")
        what.add_argument("--status", action="store_true", help="Say where this host stands and change nothing.")
        parser.add_argument("--stay-depooled", action="store_true", help="Leave the host out of service in the end.")
        parser.add_argument("--soak", type=float, metavar="SECONDS", help="How long to watch in the end.")
        add_drain_options(parser)
        add_run_options(parser)
        return parser

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Check what was said against the site's configuration."""
        goal = Goal(args.kernel or "", stay=args.stay_depooled, back=args.abort, adopt=args.resume or args.abort)
        request = Request(
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
        return MailRunner(self.spicerack, request, "status" if args.status else "execute")
