"""Roll a kernel over the mail exchangers, one after the other, and stop at the first doubt."""

import argparse
import re

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.request import load_site
from mxlib.commands.roll import RollRequest, RollSession
from mxlib.roll.state import RollEnd

EXIT_CODES = "\n".join(f"        {one.value:<3} {one.phrase}" for one in RollEnd)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class RollKernel(CookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Roll a kernel over the mail exchangers, one at a time, and stop at the first doubt

    Each host goes all the way by sre.mail.reboot-mx: the canary first, then one data centre after the other. Between
    two hosts the new kernel has to prove itself under real mail. Whatever turns out wrong, or cannot be told, ends the
    roll; the next run goes on from where the hosts stand. Made for a timer: outside the window it does nothing and that
    is no failure.

    Usage example:
        cookbook sre.mail.roll-kernel --kernel newest --plan
        cookbook sre.mail.roll-kernel --kernel 6.1.0-30-amd64 --canary mx2001.example.org --soak 30m
        cookbook sre.mail.roll-kernel --kernel newest --window 'mon-thu 22:00-05:00 Europe/Berlin' --unattended

    Exit codes:
{EXIT_CODES}
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument(
            "--kernel",
            required=True,
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
            metavar="SPEC",
            help="When hosts may be begun: DAYS HH:MM-HH:MM [ZONE], or always; can be repeated.",
        )
        parser.add_argument(
            "--soak", type=_seconds, metavar="TIME", help="The least a watch between two hosts takes, such as 30m."
        )
        parser.add_argument("--max-failed", type=int, metavar="N", help="Failures after which the roll may go on.")
        parser.add_argument("--plan", action="store_true", help="Say what would be done and change nothing.")
        parser.add_argument(
            "--again", action="store_true", help="Forget which hosts have failed with this kernel: somebody has looked."
        )
        parser.add_argument("--unattended", action="store_true", help="Never ask; a roll never does anyway.")
        return parser

    def get_runner(self, args: argparse.Namespace) -> "RollKernelRunner":
        """Check what was said against the site's configuration."""
        return RollKernelRunner(args, self.spicerack)


def _seconds(text: str) -> float:
    """A time such as 30m, 90s, 2h."""
    found = re.fullmatch(r"(\d{1,6})([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 30m, 90s or 2h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]


class RollKernelRunner(CookbookRunnerBase):
    """One run of a roll."""

    skip_start_sal = True

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration and find the hosts; none is touched."""
        request = RollRequest(
            kernel=args.kernel,
            query=f"A:{args.alias}" if args.alias else args.query or "",
            reason=args.reason or "",
            task=args.task_id or "",
            canary=args.canary,
            windows=tuple(args.window) if args.window else None,
            soak_s=args.soak,
            max_failed=args.max_failed,
            plan=args.plan,
            again=args.again,
        )
        self._kernel = args.kernel
        self._session = RollSession(spicerack, load_site(spicerack), request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"of {self._kernel} over {len(self._session.hosts)} hosts"

    @property
    def lock_args(self) -> LockArgs:
        """Spicerack's own lock is unlimited: it would make the second roll wait for half an hour. The slot is ours."""
        return LockArgs(suffix="", concurrency=0, ttl=60)

    def run(self) -> int:
        """Roll."""
        return self._session.execute()
