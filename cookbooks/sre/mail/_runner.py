"""What the cookbooks that take a mail exchanger out of service and give it back have in common."""

import argparse

from spicerack import Spicerack
from spicerack.cookbook import CookbookRunnerBase, LockArgs

from mxlib.outcome import Outcome
from mxlib.session import Request, Session, check_host, load_site

EXIT_CODES = "\n".join(f"        {one.value:<3} {one.phrase}" for one in Outcome)


class MailRunner(CookbookRunnerBase):
    """One run on one mail exchanger."""

    def __init__(self, spicerack: Spicerack, request: Request, way: str = "execute"):
        """Read the site's configuration; nothing else is touched.

        Arguments:
            spicerack: the door to the world.
            request: what the operator asked for.
            way: which of the session's ways to go: execute, status or drain.
        """
        site = load_site(spicerack)
        check_host(site, request.host)
        self._host = request.host
        self._way = way
        self._session = Session(spicerack, site, request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {self._host}"

    @property
    def skip_start_sal(self) -> bool:
        """Looking is nothing to announce."""
        return self._way == "status"

    @property
    def lock_args(self) -> LockArgs:
        """Spicerack's own lock is unlimited: it would make --resume wait for half an hour. The slot is ours."""
        return LockArgs(suffix=self._host.split(".")[0], concurrency=0, ttl=60)

    def run(self) -> int:
        """Do it."""
        ways = {"execute": self._session.execute, "status": self._session.status, "drain": self._session.drain}
        return ways[self._way]()

    def rollback(self) -> None:
        """Close the journal and nothing else: Spicerack calls this for every exit code but 0, also when all is well."""
        self._session.close()


def add_host(parser: argparse.ArgumentParser) -> None:
    """The host.

    Arguments:
        parser: the cookbook's.
    """
    parser.add_argument("host", help="Fully qualified name of the mail exchanger.")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What every run understands.

    Arguments:
        parser: the cookbook's.
    """
    parser.add_argument(
        "--accept", action="append", default=[], metavar="CHECK", help="A finding, by its name, that does not block."
    )
    parser.add_argument("--unattended", action="store_true", help="Never ask; take the safe answer.")
    parser.add_argument(
        "--without-slot", action="store_true", help="etcd is the incident: go on without the slot of the service."
    )


def add_drain_options(parser: argparse.ArgumentParser) -> None:
    """How far and how long the queue is emptied.

    Arguments:
        parser: the cookbook's.
    """
    parser.add_argument("--max-residual", type=int, metavar="N", help="Messages that may stay in the queue.")
    parser.add_argument("--drain-timeout", type=float, metavar="SECONDS", help="How long the queue may take.")
