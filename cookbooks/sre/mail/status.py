"""Show the whole mail service in one table, without changing anything."""

import argparse
from pathlib import Path

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import arguments, json_out, service
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class Status(MailCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Show the whole mail service in one table, without changing anything

    One line for each mail exchanger: its kernel and whether that build was proven, boot, pool, ports, MTA, queue and
    how it moves, run, temporary holes, and the last verification by the timer. Below them the slot of the service, a
    roll under way and its window. What cannot be read is unknown, and the reason stands below the table.

    Usage example:
        cookbook sre.mail.status
        cookbook sre.mail.status mx2001.example.org
        cookbook sre.mail.status --json - | jq '.hosts[] | {{host, queue: .queue.value}}'

    Exit codes:
{exit_codes("status")}
    """

    argument_reason_required = None
    argument_task_required = None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add what this cookbook understands."""
        parser.add_argument(
            "hosts", nargs="*", metavar="HOST", help="Fully qualified names of mail exchangers; without them all."
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help=json_out.HELP)
        parser.add_argument(
            "--timeout",
            type=arguments.seconds(1, 60),
            default=service.WITHIN_S,
            metavar="TIME",
            help="How long hosts, etcd and the pool are waited for.",
        )
        parser.add_argument(
            "--verification",
            type=Path,
            default=service.LAST,
            metavar="FILE",
            help="What verify-mx --json wrote last.",
        )

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the look."""
        request = service.StatusRequest(tuple(args.hosts), args.timeout, args.json, args.verification)
        return service.ServiceStatus(self.spicerack, site, request)
