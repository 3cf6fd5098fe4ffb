"""Give a mail exchanger back to its clients."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase

from cookbooks.sre.mail._runner import EXIT_CODES, MailRunner, add_host, add_run_options
from mxlib.session import Request
from mxlib.state import Goal


class PoolMx(CookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Give a mail exchanger back to its clients

    Ends what sre.mail.depool-mx or sre.mail.reboot-mx --stay-depooled began: whoever began it, from any management
    host. A host that has booted since is verified first. What somebody else took out, without these cookbooks, is not
    given back.

    Usage example:
        cookbook sre.mail.pool-mx mx2001.example.org

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
        parser.add_argument("--soak", type=float, metavar="SECONDS", help="How long to watch in the end.")
        add_run_options(parser)
        return parser

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Check what was said against the site's configuration."""
        request = Request(
            host=args.host,
            goal=Goal(adopt=True, serve=True),
            reason=args.reason or "back into service",
            task=args.task_id,
            accept=frozenset(args.accept),
            soak=args.soak,
            without_slot=args.without_slot,
            unattended=args.unattended,
        )
        return MailRunner(self.spicerack, request)
