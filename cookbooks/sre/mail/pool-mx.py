"""Return a mail exchanger to its clients."""

import argparse

from cookbooks.sre.mail import HostRunCookbookBase
from mxlib.model.goal import Goal
from mxlib.model.outcome import exit_codes


class PoolMx(HostRunCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Return a mail exchanger to its clients

    Ends what sre.mail.depool-mx or sre.mail.reboot-mx --stay-depooled began, whoever began it and from whichever
    management host. A host that has booted since is verified first. What somebody else took out, without these
    cookbooks, stays out. A host that its run was still to reboot is left as it is: sre.mail.reboot-mx --resume or
    --abort.

    Usage example:
        cookbook sre.mail.pool-mx mx2001.example.org

    Exit codes:
{exit_codes("pool-mx")}
    """

    default_reason = "back into service"
    soaks = True

    def goal(self, args: argparse.Namespace) -> Goal:
        """In service, whoever took it out."""
        return Goal(adopt=True, serve=True)
