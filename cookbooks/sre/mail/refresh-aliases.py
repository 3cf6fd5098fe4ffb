"""Restart alias generators that hang, and prove that every mail exchanger answers the same."""

import argparse

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import aliases, arguments
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class RefreshAliases(MailCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Restart alias generators that hang, and prove that every mail exchanger answers the same

    Looks at every MX of the site, from inside and by asking for recipients from outside. Where a generator hangs, has
    failed or wrote another file than its peers', it finds out why, ends what hangs, runs it again within a time limit,
    and puts the previous file back if the new one is cut short or too small. Then it clears cached callout refusals of
    the addresses concerned, asks again, and lists whose mail was refused meanwhile. Nothing to do is said, and is
    success.

    Usage example:
        cookbook sre.mail.refresh-aliases mx2001.example.org
        cookbook sre.mail.refresh-aliases 'A:mx' --address newqueue@example.org
        cookbook sre.mail.refresh-aliases 'A:mx' --check
        cookbook sre.mail.refresh-aliases 'A:mx' --pin-timeout

    Exit codes:
{exit_codes("refresh-aliases")}
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""
        parser.add_argument("query", help="Which mail exchangers may be changed, as a cumin query; all are looked at.")
        parser.add_argument(
            "--address",
            action="append",
            default=[],
            type=arguments.mail_address,
            metavar="ADDRESS",
            help="Ask every MX for this one too; can be repeated.",
        )
        parser.add_argument("--check", action="store_true", help="Look and report, change nothing.")
        parser.add_argument(
            "--limit",
            type=arguments.seconds(1),
            metavar="TIME",
            help="How long a run may take, such as 90 or 30m; the site's bound without it.",
        )
        pin = parser.add_mutually_exclusive_group()
        pin.add_argument(
            "--pin-timeout",
            action="store_true",
            help="Afterwards give the units a start timeout, shown as a diff.",
        )
        pin.add_argument("--unpin-timeout", action="store_true", help="Take that away again, and do nothing else.")

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the run over the alias generators."""
        request = aliases.RefreshRequest(
            query=args.query,
            reason=args.reason or "",
            addresses=tuple(args.address),
            limit=args.limit,
            check=args.check,
            pin=args.pin_timeout,
            unpin=args.unpin_timeout,
        )
        return aliases.RefreshAliases(self.spicerack, site, request)
