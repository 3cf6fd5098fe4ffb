"""Reboot a mail exchanger into a kernel of choice without losing a mail."""

import argparse
from pathlib import Path

from cookbooks.sre.mail import HostRunCookbookBase
from mxlib.commands import arguments, json_out
from mxlib.commands.command import Command
from mxlib.commands.status import HostStatus
from mxlib.config.sections import Site
from mxlib.model.goal import Goal
from mxlib.model.outcome import exit_codes
from mxlib.model.record import Level

_OF_A_RUN = ("level", "prevention", "stay_depooled", "soak", "max_residual", "drain_timeout", "accept")
"""Options of a run that say nothing to a look."""


class RebootMx(HostRunCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Reboot a mail exchanger into a kernel of choice without losing a mail

    Takes the host out of service, drains its queue, boots the kernel once, proves it with real mail, keeps it or falls
    back, and returns the host to service. It can be stopped at any point and resumed, or undone, from any management
    host.

    Usage example:
        cookbook -d sre.mail.reboot-mx mx2001.example.org --kernel 6.1.0-30-amd64
        cookbook sre.mail.reboot-mx mx2001.example.org --kernel newest -r "security update" -t T123456
        cookbook sre.mail.reboot-mx mx2001.example.org --kernel newest --level cold --prevention stanzas
        cookbook sre.mail.reboot-mx mx2001.example.org --resume

    Exit codes:
{exit_codes("reboot-mx")}
    """

    default_reason = "reboot of a mail exchanger"
    drains = soaks = True

    def add_own(self, parser: argparse.ArgumentParser) -> None:
        """Add which kernel, or what becomes of a run that was left."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--kernel",
            type=arguments.kernel("newest", "proven"),
            metavar="RELEASE",
            help="Kernel to run, as uname -r says it; newest: of those installed; proven: the newest of those that a "
            "run has kept on any of the mail exchangers.",
        )
        what.add_argument("--resume", action="store_true", help="Resume the run that was left on this host.")
        what.add_argument("--abort", action="store_true", help="Undo the run that was left on this host.")
        what.add_argument("--status", action="store_true", help="Say where this host stands and change nothing.")
        parser.add_argument(
            "--level",
            choices=(Level.GUEST.value, Level.COLD.value),
            help="How to reboot: from inside, or shut down and rebuilt by Ganeti (for changed machine settings) "
            "(default: guest).",
        )
        parser.add_argument(
            "--prevention",
            choices=("none", "stanzas", "link"),
            help="Before a cold start that renames a network interface: two stanzas, or its name pinned by its MAC.",
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help=f"With --status: {json_out.HELP}")
        parser.add_argument("--stay-depooled", action="store_true", help="Leave the host out of service at the end.")

    def goal(self, args: argparse.Namespace) -> Goal:
        """Return the kernel, or the end of a run that was left."""
        return Goal(
            args.kernel or "",
            stay=args.stay_depooled,
            back=args.abort,
            adopt=args.resume or args.abort,
            level=Level(args.level or Level.GUEST.value),
        )

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the look, or the run."""
        if args.status:
            arguments.refuse_given(args, _OF_A_RUN, "--status, which only looks")
            return HostStatus(self.spicerack, site, self.request(args), args.json)
        json_out.belongs_to(args.json, "--status")
        return super().command(args, site)
