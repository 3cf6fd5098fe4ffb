"""Forecast, prevent or repair a renamed network interface of a mail exchanger."""

import argparse

from spicerack.cookbook import ArgparseFormatter, CookbookBase, CookbookRunnerBase, LockArgs

from mxlib.commands.nic import NicRequest, NicSession
from mxlib.commands.request import check_host, load_site


class RepairNic(CookbookBase):
    """Forecast, prevent or repair a renamed network interface.

    A cold start of a Ganeti machine plans its PCI slots again and may rename ens5 to ens13: the host then answers on
    nothing but its serial console. --forecast says beforehand which way to reboot does that; --pin prepares the host
    for both names (or pins the name by its MAC address), --settle leaves one name afterwards; --repair logs in on the
    console, works out the rename, rewrites the network configuration, brings the interface up and proves it over SSH.

    Usage example:
        cookbook sre.mail.repair-nic mx2001.example.org --forecast
        cookbook sre.mail.repair-nic mx2001.example.org --pin
        cookbook sre.mail.repair-nic mx2001.example.org --repair

    Exit codes:
        0   done, or nothing to do
        10  refused, nothing changed
        20  the host does not answer; a person has to look, the last line says how
        21  the forecast is UNKNOWN
    """

    argument_reason_required = False
    argument_task_required = False

    def argument_parser(self) -> argparse.ArgumentParser:
        """What the operator can say."""
        parser = super().argument_parser()
        parser.formatter_class = ArgparseFormatter
        parser.add_argument("host", help="Fully qualified name of the mail exchanger.")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--forecast", action="store_true", help="Say what each way to reboot does to the names.")
        what.add_argument("--pin", action="store_true", help="Prepare the host for a cold start that renames.")
        what.add_argument("--settle", action="store_true", help="After the boot, or to undo --pin: one name again.")
        what.add_argument("--repair", action="store_true", help="The host does not answer: repair it over its console.")
        what.add_argument(
            "--console", action="store_true", help="Prove that console and password serve: log in and out."
        )
        parser.add_argument(
            "--method", choices=("stanzas", "link"), help="How to --pin; without it as the site's configuration says."
        )
        parser.add_argument(
            "--kernel",
            action="append",
            default=[],
            metavar="RELEASE",
            help="With link: a kernel that may boot; without it, every installed one.",
        )
        parser.add_argument(
            "--known",
            action="append",
            default=[],
            metavar="MAC=NAME",
            help="A card's name before, where it is not certain.",
        )
        parser.add_argument(
            "--timeout", type=float, default=120.0, metavar="SECONDS", help="How long a prompt may take on the console."
        )
        return parser

    def get_runner(self, args: argparse.Namespace) -> "RepairNicRunner":
        """Check what was said against the site's configuration."""
        return RepairNicRunner(args, self.spicerack)


class RepairNicRunner(CookbookRunnerBase):
    """One run."""

    def __init__(self, args: argparse.Namespace, spicerack):  # type: ignore[no-untyped-def]
        """Read the site's configuration; nothing else is touched."""
        site = load_site(spicerack)
        check_host(site, args.host)
        ways = ("pin", "settle", "repair", "console")
        way = next((way for way in ways if getattr(args, way)), "forecast")
        request = NicRequest(args.host, way, args.method, tuple(args.kernel), tuple(args.known), args.timeout)
        self._host = args.host
        self._session = NicSession(spicerack, site, request)

    @property
    def runtime_description(self) -> str:
        """What stands in the log beside the cookbook's name."""
        return f"for {self._host}"

    @property
    def lock_args(self) -> LockArgs:
        """One at a time on a host: two would type on the same console."""
        return LockArgs(suffix=self._host.split(".")[0], concurrency=1, ttl=600)

    def run(self) -> int:
        """Do it."""
        return self._session.execute()
