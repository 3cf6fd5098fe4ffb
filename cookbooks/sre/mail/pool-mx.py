"""Give a mail exchanger back to its clients."""

import argparse

from cookbooks.sre.mail._runner import EXIT_CODES, MailCookbook
from mxlib.model.goal import Goal


class PoolMx(MailCookbook):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Give a mail exchanger back to its clients

    Ends what sre.mail.depool-mx or sre.mail.reboot-mx --stay-depooled began: whoever began it, from any management
    host. A host that has booted since is verified first. What somebody else took out, without these cookbooks, is not
    given back.

    Usage example:
        cookbook sre.mail.pool-mx mx2001.example.org

    Exit codes:
{EXIT_CODES}
    """

    default_reason = "back into service"
    soaks = True

    def goal(self, args: argparse.Namespace) -> Goal:
        """In service, whoever took it out."""
        return Goal(adopt=True, serve=True)
