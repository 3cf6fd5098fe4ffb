"""Take a mail exchanger out of service, so that it stays out."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase

from cookbooks.sre.mail._runner import EXIT_CODES, MailRunner, add_host, add_run_options
from mxlib.session import Request
from mxlib.state import Goal


class DepoolMx(CookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Take a mail exchanger out of service, so that it stays out

    The pool state goes to "no", and new connections to the mail ports are answered with a reset: over reboots, and over
    restarts and reloads of the firewall. Sessions under way finish, and the queue goes on being delivered. The slot of
    the service stays with this host until it is given back.

    Usage example:
        cookbook sre.mail.depool-mx mx2001.example.org -r "disk is failing" -t T123456
        cookbook sre.mail.pool-mx mx2001.example.org

    Exit codes:
{EXIT_CODES}
    """

    argument_reason_required = True
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        add_host(parser)
        add_run_options(parser)
        return parser

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Check what was said against the site's configuration."""
        request = Request(
            host=args.host,
            goal=Goal(stay=True),
            reason=args.reason,
            task=args.task_id,
            accept=frozenset(args.accept),
            without_slot=args.without_slot,
            unattended=args.unattended,
        )
        return MailRunner(self.spicerack, request)
