"""Verify mail exchangers: every check, real test mails, nothing changed."""

import argparse
from pathlib import Path

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import arguments, json_out, verify
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class VerifyMx(MailCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Verify mail exchangers: every check, real test mails, nothing changed

    Each check is OK, FAILED or UNKNOWN; what could not be read is UNKNOWN and never passes. Test mails leave through
    the host's own MTA to each configured destination, small and large, over IPv4 and IPv6, and sessions are opened from
    here. In a dry run no test mail is sent, so what they would show is UNKNOWN.

    Usage example:
        cookbook sre.mail.verify-mx
        cookbook sre.mail.verify-mx mx2001.example.org --no-probes
        cookbook sre.mail.verify-mx 'A:mx' --json /tmp/mx.json
        cookbook sre.mail.verify-mx --metrics /var/lib/prometheus/node-exporter/mx_verify.prom

    Exit codes:
{exit_codes("verify-mx")}
    """

    argument_reason_required = None
    argument_task_required = None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""
        parser.add_argument(
            "query", nargs="?", default="", help="Which mail exchangers, as a cumin query; all of the site without it."
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help=f"{json_out.HELP} With evidence.")
        parser.add_argument("--html", type=Path, metavar="FILE", help="Write everything there, as a page to look at.")
        parser.add_argument("--metrics", type=Path, metavar="FILE", help="Write metrics for Prometheus there.")
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            type=arguments.check_name,
            metavar="CHECK",
            help="This check; can be repeated.",
        )
        parser.add_argument(
            "--skip",
            action="append",
            default=[],
            type=arguments.check_name,
            metavar="CHECK",
            help="Not this one; can be repeated.",
        )
        parser.add_argument("--no-probes", action="store_true", help="Send no test mail and open no session.")
        parser.add_argument(
            "--over-budget", action="store_true", help="Send test mails also where their budget is used up or unknown."
        )
        parser.add_argument("--verbose", action="store_true", help="Show a line also for each check that is OK.")

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the verification."""
        request = verify.VerifyRequest(
            query=args.query,
            json_file=args.json,
            html_file=args.html,
            metrics_file=args.metrics,
            only=tuple(args.only),
            skip=tuple(args.skip),
            probes=not args.no_probes,
            over_budget=args.over_budget,
            verbose=args.verbose,
        )
        return verify.Verify(self.spicerack, site, request)
