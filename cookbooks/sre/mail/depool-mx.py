"""Take a mail exchanger out of service, so that it stays out."""

import argparse

from cookbooks.sre.mail import HostRunCookbookBase
from mxlib.model.goal import Goal
from mxlib.model.outcome import exit_codes


class DepoolMx(HostRunCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Take a mail exchanger out of service, so that it stays out

    The pool state goes to "no", and new connections to the mail ports are answered with a reset: over reboots, and over
    restarts and reloads of the firewall. Sessions under way finish, and the queue goes on being delivered. The slot of
    the service stays with this host until it returns to service.

    Usage example:
        cookbook sre.mail.depool-mx mx2001.example.org -r "disk is failing" -t T123456
        cookbook sre.mail.pool-mx mx2001.example.org

    Exit codes:
{exit_codes("depool-mx")}
    """

    argument_reason_required = True

    def goal(self, args: argparse.Namespace) -> Goal:
        """Out of service."""
        return Goal(stay=True)
