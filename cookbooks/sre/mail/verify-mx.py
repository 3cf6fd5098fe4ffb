"""Verify mail exchangers: every check, real test mails, nothing changed."""

import argparse
from pathlib import Path

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.request import load_site
from mxlib.commands.verify import VerifyRequest, VerifySession


class VerifyMx(CookbookBase):
    """Verify mail exchangers: every check, real test mails, nothing changed.

    Each check is OK, FAILED or UNKNOWN; what could not be read is UNKNOWN and never passes. Test mails leave through
    the host's own MTA to each configured destination, small and large, over IPv4 and IPv6, and sessions are opened from
    here. In a dry run no test mail is sent, so what they would tell is UNKNOWN.

    Usage example:
        cookbook sre.mail.verify-mx
        cookbook sre.mail.verify-mx mx2001.example.org --no-probes
        cookbook sre.mail.verify-mx 'A:mx' --json /tmp/mx.json --metrics /var/lib/prometheus/node.d/mx_verify.prom

    Exit codes:
        0   every check of every host is OK
        10  refused: nothing was verified
        14  something has failed
        15  nothing has failed, but something is UNKNOWN
    """

    argument_reason_required = None
    argument_task_required = None

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument(
            "query", nargs="?", default="", help="Which mail exchangers, as a cumin query; all of the site without it."
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="Write everything there, with evidence.")
        parser.add_argument("--metrics", type=Path, metavar="FILE", help="Write metrics for Prometheus there.")
        parser.add_argument("--only", action="append", default=[], metavar="CHECK", help="This check; can be repeated.")
        parser.add_argument(
            "--skip", action="append", default=[], metavar="CHECK", help="Not this one; can be repeated."
        )
        parser.add_argument("--no-probes", action="store_true", help="Send no test mail and open no session.")
        parser.add_argument(
            "--over-budget", action="store_true", help="Send test mails also where their budget is used up or unknown."
        )
        parser.add_argument("--verbose", action="store_true", help="Show a line also for each check that is OK.")
        return parser

    def get_runner(self, args: argparse.Namespace) -> "VerifyMxRunner":
        """Check what was said against the site's configuration."""
        return VerifyMxRunner(args, self.spicerack)


class VerifyMxRunner(CookbookRunnerBase):
    """One verification."""

    skip_start_sal = True

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration and find the hosts; none is touched."""
        request = VerifyRequest(
            query=args.query,
            json_file=args.json,
            metrics_file=args.metrics,
            only=tuple(args.only),
            skip=tuple(args.skip),
            probes=not args.no_probes,
            over_budget=args.over_budget,
            verbose=args.verbose,
        )
        self._session = VerifySession(spicerack, load_site(spicerack), request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {', '.join(self._session.hosts)}"

    @property
    def lock_args(self) -> LockArgs:
        """Any number at a time: a verification must not wait for another one."""
        return LockArgs(suffix="", concurrency=0, ttl=600)

    def run(self) -> int:
        """Verify."""
        return self._session.execute()
