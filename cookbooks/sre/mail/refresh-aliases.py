"""Restart alias generators that hang, and prove that every mail exchanger answers the same."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.aliases import RefreshRequest, RefreshSession
from mxlib.commands.request import load_site


class RefreshAliases(CookbookBase):
    """Restart alias generators that hang, and prove that every mail exchanger answers the same.

    Looks at every MX of the site, from inside and by asking for recipients from outside. Where a generator hangs, has
    failed or wrote another file than its peers', it finds out why, ends what hangs, runs it anew with a time limit, and
    puts the file of before back if the new one is cut short or too small. Then it clears cached callout refusals of the
    addresses concerned, asks again, and lists whose mail was refused meanwhile. Nothing to do is said, and is success.

    Usage example:
        cookbook sre.mail.refresh-aliases mx2001.example.org
        cookbook sre.mail.refresh-aliases 'A:mx' --address newqueue@example.org
        cookbook sre.mail.refresh-aliases 'A:mx' --check
        cookbook sre.mail.refresh-aliases 'A:mx' --pin-timeout

    Exit codes:
        0   every MX answers the same, or did so already
        10  refused: nothing was changed
        14  something is still wrong (with --check: is wrong); the last lines say what
        15  nothing is known to be wrong, but something could not be told
        23  a generator hung again and was ended; the file of before serves
        30  interrupted
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument("query", help="Which mail exchangers may be changed, as a cumin query; all are looked at.")
        parser.add_argument(
            "--address",
            action="append",
            default=[],
            metavar="A",
            help="Ask every MX for this one too; can be repeated.",
        )
        parser.add_argument("--check", action="store_true", help="Look and tell, change nothing.")
        parser.add_argument(
            "--limit", type=float, metavar="SECONDS", help="How long a run may take; the site's bound without it."
        )
        pin = parser.add_mutually_exclusive_group()
        pin.add_argument(
            "--pin-timeout",
            action="store_true",
            help="Afterwards give the units a start timeout, shown as a diff.",
        )
        pin.add_argument("--unpin-timeout", action="store_true", help="Take that away again, and do nothing else.")
        return parser

    def get_runner(self, args: argparse.Namespace) -> "RefreshAliasesRunner":
        """Check what was said against the site's configuration."""
        return RefreshAliasesRunner(args, self.spicerack)


class RefreshAliasesRunner(CookbookRunnerBase):
    """One run."""

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration and find the hosts; none is touched."""
        request = RefreshRequest(
            query=args.query,
            reason=args.reason or "",
            addresses=tuple(args.address),
            limit=args.limit,
            check=args.check,
            pin=args.pin_timeout,
            unpin=args.unpin_timeout,
        )
        self._session = RefreshSession(spicerack, load_site(spicerack), request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {', '.join(self._session.targets)}"

    @property
    def lock_args(self) -> LockArgs:
        """Unlimited: Spicerack's lock would wait for half an hour; each host has a lock of its own for this."""
        return LockArgs(suffix="", concurrency=0, ttl=600)

    def run(self) -> int:
        """Do it."""
        return self._session.execute()

    def rollback(self) -> None:
        """Close the journal and nothing else: Spicerack calls this for every exit code but 0."""
        self._session.close()
