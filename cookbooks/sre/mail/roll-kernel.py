"""Roll a kernel over the mail exchangers, one after the other, and stop at the first doubt."""

import argparse
from pathlib import Path

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import arguments, json_out, roll
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class RollKernel(MailCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Roll a kernel over the mail exchangers, one at a time, and stop at the first doubt

    Each host goes all the way by sre.mail.reboot-mx: the canary first, then one data centre after the other. Between
    two hosts the new kernel has to prove itself under real mail. Whatever turns out wrong or unknown ends the roll; the
    next run continues from where the hosts stand. Made for a timer: outside the window it does nothing, and that is no
    failure.

    Usage example:
        cookbook sre.mail.roll-kernel --kernel newest --plan
        cookbook sre.mail.roll-kernel --kernel 6.1.0-30-amd64 --canary mx2001.example.org --soak 30m
        cookbook sre.mail.roll-kernel --kernel newest --window 'mon-thu 22:00-05:00 Europe/Berlin' --unattended

    Exit codes:
{exit_codes("roll-kernel")}
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""
        parser.add_argument(
            "--kernel",
            required=True,
            type=arguments.kernel("newest"),
            metavar="RELEASE",
            help="Kernel to run, as uname -r says it, also an older one; or newest: of those installed.",
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--alias", metavar="NAME", help="Which mail exchangers, as a cumin alias.")
        which.add_argument("--query", metavar="QUERY", help="Which, as a cumin query; without both: all of the site.")
        parser.add_argument("--canary", metavar="HOST", help="The host that goes first.")
        parser.add_argument(
            "--window",
            action="append",
            type=arguments.window,
            metavar="SPEC",
            help="When the reboot of a host may begin: DAYS HH:MM-HH:MM [ZONE], or always; can be repeated.",
        )
        parser.add_argument(
            "--soak",
            type=arguments.seconds(0),
            metavar="TIME",
            help="How long a watch between two hosts takes at least, such as 30m.",
        )
        parser.add_argument(
            "--max-failed", type=arguments.count, metavar="N", help="Failures that do not end the roll."
        )
        parser.add_argument("--plan", action="store_true", help="Say what would be done and change nothing.")
        parser.add_argument("--json", type=Path, metavar="FILE", help=f"With --plan or -d: {json_out.HELP}")
        parser.add_argument(
            "--again",
            action="store_true",
            help="Forget what has failed with this kernel: somebody has looked. Outside the window, only that.",
        )
        parser.add_argument(
            "--unattended", action="store_true", help="Nobody reads this: mail and metrics tell also what is refused."
        )

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return the roll."""
        if not (args.plan or self.spicerack.dry_run):
            json_out.belongs_to(args.json, "--plan or -d")
        request = roll.RollRequest(
            kernel=args.kernel,
            query=f"A:{args.alias}" if args.alias else args.query or "",
            reason=args.reason or "",
            task=args.task_id or "",
            canary=args.canary,
            windows=tuple(args.window) if args.window else None,
            soak_s=args.soak,
            max_failed=args.max_failed,
            plan=args.plan,
            json_file=args.json,
            again=args.again,
            unattended=args.unattended,
        )
        return roll.make(self.spicerack, site, request)
