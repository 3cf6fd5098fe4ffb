"""Fix on a mail exchanger what is safe to fix, and judge it again."""

import argparse

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import arguments, remedy
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class RemedyMx(MailCookbookBase):  # noqa: D101 its docstring is made below, with the remedies in it
    __doc__ = f"""Fix on a mail exchanger what is safe to fix, and judge it again

    Each remedy is bounded, is written to the host's log before it acts, and is judged again by the checks it is for.
    None takes the host out of service. While a run has claimed the host they are refused, but for close-hole.

    Usage example:
        cookbook sre.mail.remedy-mx mx2001.example.org --suggest
        cookbook sre.mail.remedy-mx mx2001.example.org restart-unit spamd.service
        cookbook sre.mail.remedy-mx mx2001.example.org allow --from 2001:db8:51::10 --for 30m

    Remedies:
{remedy.list_remedies()}

    Exit codes:
{exit_codes("remedy-mx")}
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        parser.add_argument(
            "remedy",
            nargs="?",
            type=arguments.one_of(*remedy.REMEDIES),
            metavar="remedy",
            help="One of the remedies above.",
        )
        parser.add_argument("arguments", nargs="*", help="What it is for: units, KEY=VALUE, destinations, addresses.")
        parser.add_argument("--suggest", action="store_true", help="Verify, and say which remedy fits what fails.")
        parser.add_argument(
            "--from",
            dest="sources",
            action="append",
            default=[],
            type=arguments.network,
            metavar="ADDRESS",
            help="With allow: who answers; can be repeated.",
        )
        parser.add_argument(
            "--for",
            dest="how_long",
            default=0.0,
            type=arguments.seconds(1),
            metavar="TIME",
            help="With allow: until it closes, such as 30m.",
        )
        parser.add_argument(
            "--prove", default="", metavar="DESTINATION", help="Afterwards, send test mails to this destination."
        )
        parser.add_argument(
            "--run",
            type=arguments.run_id,
            metavar="ID",
            help="The run that has claimed the host, if it is yours.",
        )
        parser.add_argument("--no-probes", action="store_true", help="With --suggest: send no test mail.")

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the remedy, or the search for one."""
        request = remedy.RemedyRequest(
            host=args.host,
            remedy="" if args.suggest else args.remedy or "",
            arguments=tuple(args.arguments),
            sources=tuple(args.sources),
            how_long=args.how_long,
            reason=args.reason or "remedy",
            task=args.task_id,
            run=args.run or "",
            prove=args.prove,
            probes=not args.no_probes,
        )
        return remedy.RemedyMx(self.spicerack, site, request)
