"""Empty the queue of a mail exchanger as far as the remote ends allow."""

import argparse

from cookbooks.sre.mail._runner import MailCookbook
from mxlib.model.goal import Goal
from mxlib.model.outcome import DrainOutcome

_EXIT_CODES = "\n".join(f"        {one.value:<3} {one.phrase}" for one in DrainOutcome)


class DrainQueue(MailCookbook):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Empty the queue of a mail exchanger as far as the remote ends allow

    Judges each destination of the queue, lets queue runners of its own at what is proven to take mail and a few
    messages at what nothing is known of, and says what is left and why. It forces nothing, thaws nothing and deletes
    nothing, and tries no message whose failure would be final.

    Usage example:
        cookbook sre.mail.drain-queue mx2001.example.org --max-residual 0

    Exit codes:
{_EXIT_CODES}
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
