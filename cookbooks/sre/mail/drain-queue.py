"""Empty the queue of a mail exchanger as far as the remote ends allow."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase

from cookbooks.sre.mail._runner import MailRunner, add_drain_options, add_host
from mxlib.session import Request
from mxlib.state import Goal


class DrainQueue(CookbookBase):
    """Empty the queue of a mail exchanger as far as the remote ends allow.

    Starts ordinary queue runners side by side and watches: rate, what is left, how long it takes. It forces nothing,
    thaws nothing and deletes nothing, so no message is tried that Exim itself would not try now.

    Usage example:
        cookbook sre.mail.drain-queue mx2001.example.org --max-residual 0

    Exit codes:
        0   what is left is within the bound
        20  more is left than the bound allows
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        add_host(parser)
        add_drain_options(parser)
        return parser

    def get_runner(self, args: argparse.Namespace) -> MailRunner:
        """Check what was said against the site's configuration."""
        request = Request(
            host=args.host,
            goal=Goal(),
            reason=args.reason or "draining the queue",
            task=args.task_id,
            max_residual=args.max_residual,
            drain_timeout=args.drain_timeout,
        )
        return MailRunner(self.spicerack, request, "drain")
