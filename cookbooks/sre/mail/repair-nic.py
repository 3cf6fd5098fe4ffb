"""Forecast, prevent or repair a renamed network interface of a mail exchanger."""

import argparse

from cookbooks.sre.mail import MailCookbookBase
from mxlib.commands import arguments, nic
from mxlib.commands.command import Command
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class RepairNic(MailCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Forecast, prevent or repair a renamed network interface

    A cold start of a Ganeti machine plans its PCI slots again and may rename ens5 to ens13: the host then answers on
    nothing but its serial console. --forecast says beforehand which way to reboot does that; --pin prepares the host
    for both names (or pins the name by its MAC address), --settle leaves one name afterwards; --repair logs in on the
    console, works out the rename, rewrites the network configuration, brings the interface up and proves it over SSH.

    Usage example:
        cookbook sre.mail.repair-nic mx2001.example.org --forecast
        cookbook sre.mail.repair-nic mx2001.example.org --pin
        cookbook sre.mail.repair-nic mx2001.example.org --repair

    Exit codes:
{exit_codes("repair-nic")}
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of this cookbook."""
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
            "--method", choices=("stanzas", "link"), help="How to --pin; without it, as the site's configuration says."
        )
        parser.add_argument(
            "--kernel",
            action="append",
            default=[],
            type=arguments.kernel(),
            metavar="RELEASE",
            help="With link: a kernel that may boot; without it, every installed one.",
        )
        parser.add_argument(
            "--known",
            action="append",
            default=[],
            type=arguments.mac_and_name,
            metavar="MAC=NAME",
            help="A card's name before, where it is not certain.",
        )
        parser.add_argument(
            "--timeout",
            type=arguments.seconds(1, 3600),
            default=120.0,
            metavar="TIME",
            help="How long a prompt may take on the console.",
        )

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Return what is to be done about the names."""
        ways = ("pin", "settle", "repair", "console")
        way = next((way for way in ways if getattr(args, way)), "forecast")
        request = nic.NicRequest(args.host, way, args.method, tuple(args.kernel), tuple(args.known), args.timeout)
        return nic.RepairNic(self.spicerack, site, request)
