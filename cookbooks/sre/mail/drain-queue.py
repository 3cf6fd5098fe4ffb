"""Empty the queue of a mail exchanger as far as the remote ends allow."""

import argparse

from cookbooks.sre.mail._runner import MailCookbook
from mxlib.state import Goal


class DrainQueue(MailCookbook):
    """Empty the queue of a mail exchanger as far as the remote ends allow.

    Starts ordinary queue runners side by side and watches: rate, what is left, how long it takes. It forces nothing,
    thaws nothing and deletes nothing, so no message is tried that Exim itself would not try now.

    Usage example:
        cookbook sre.mail.drain-queue mx2001.example.org --max-residual 0

    Exit codes:
        0   what is left is within the bound
        20  more is left than the bound allows
    """

    default_reason = "draining the queue"
    drains = True
    claims = False

    def goal(self, args: argparse.Namespace) -> Goal:
        """Nothing is claimed."""
        return Goal()

    def way(self, args: argparse.Namespace) -> str:
        """Only the queue."""
        return "drain"
