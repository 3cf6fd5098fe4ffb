"""Fix on a mail exchanger what is safe to fix, and judge it again."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.remedy import RemedyRequest, RemedySession, list_remedies
from mxlib.commands.request import check_host, load_site


class RemedyMx(CookbookBase):  # noqa: D101 its docstring is made below, with the remedies in it
    __doc__ = f"""Fix on a mail exchanger what is safe to fix, and judge it again

    Each remedy is bounded, is told in the host's log before it acts, and is judged again by the checks it is for. None
    takes the host out of service. While a run has claimed the host they are refused, but for close-hole.

    Usage example:
        cookbook sre.mail.remedy-mx mx2001.example.org --suggest
        cookbook sre.mail.remedy-mx mx2001.example.org restart-unit spamd.service
        cookbook sre.mail.remedy-mx mx2001.example.org allow --from 2001:db8:51::10 --for 30m

    Remedies:
{list_remedies()}

    Exit codes:
        0   what the remedy is for is OK now; with --suggest: nothing fails
        10  refused, nothing changed
        14  it could not be done, or what it is for still fails; with --suggest: something fails
        15  done, but whether it helped cannot be told; with --suggest: something could not be told
        30  stopped by a signal
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        parser.add_argument("remedy", nargs="?", default="", help="One of the remedies above.")
        parser.add_argument("arguments", nargs="*", help="What it is for: units, KEY=VALUE, destinations, addresses.")
        parser.add_argument("--suggest", action="store_true", help="Verify, and say which remedy fits what fails.")
        parser.add_argument(
            "--from", dest="sources", action="append", default=[], metavar="ADDRESS", help="With allow: who answers."
        )
        parser.add_argument(
            "--for", dest="how_long", default="", metavar="TIME", help="With allow: until it closes, such as 30m."
        )
        parser.add_argument(
            "--prove", default="", metavar="DESTINATION", help="Afterwards, send test mails to this destination."
        )
        parser.add_argument(
            "--run", default="", metavar="ID", help="The run that has claimed the host, if it is yours."
        )
        parser.add_argument("--no-probes", action="store_true", help="With --suggest: send no test mail.")
        return parser

    def get_runner(self, args: argparse.Namespace) -> "RemedyMxRunner":
        """Check what was said against the site's configuration."""
        return RemedyMxRunner(args, self.spicerack)


class RemedyMxRunner(CookbookRunnerBase):
    """One run."""

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration; nothing else is touched."""
        site = load_site(spicerack)
        check_host(site, args.host)
        request = RemedyRequest(
            host=args.host,
            remedy="" if args.suggest else args.remedy,
            arguments=tuple(args.arguments),
            sources=tuple(args.sources),
            how_long=args.how_long,
            reason=args.reason or "remedy",
            task=args.task_id,
            run=args.run,
            prove=args.prove,
            probes=not args.no_probes,
        )
        self._host = args.host
        self._what = "what would help" if args.suggest or not args.remedy else args.remedy
        self._session = RemedySession(spicerack, site, request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {self._host}: {self._what}"

    @property
    def skip_start_sal(self) -> bool:
        """Looking is nothing to announce."""
        return self._what == "what would help"

    @property
    def lock_args(self) -> LockArgs:
        """Any number at a time: the host's own lock lets one act."""
        return LockArgs(suffix=self._host.split(".")[0], concurrency=0, ttl=600)

    def run(self) -> int:
        """Do it."""
        return self._session.execute()
