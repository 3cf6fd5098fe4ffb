"""Empty the queue of a mail exchanger as far as the remote ends allow."""

import argparse

from cookbooks.sre.mail import HostRunCookbookBase
from mxlib.commands import arguments
from mxlib.commands.command import Command
from mxlib.commands.drain import Drain
from mxlib.config.sections import Site
from mxlib.model.outcome import exit_codes


class DrainQueue(HostRunCookbookBase):  # noqa: D101 its docstring is made below, with the exit codes in it
    __doc__ = f"""Empty the queue of a mail exchanger as far as the remote ends allow

    Judges each destination of the queue, lets queue runners of its own at what is proven to take mail and a few
    messages at what nothing is known of, and says what is left and why. It forces nothing, thaws nothing and deletes
    nothing, and tries no message whose failure would be final. A host that a run has claimed is left to that run.

    Usage example:
        cookbook sre.mail.drain-queue mx2001.example.org --max-residual 0

    Exit codes:
{exit_codes("drain-queue")}
    """

    default_reason = "draining the queue"
    drains = True
    claims = False

    def add_own(self, parser: argparse.ArgumentParser) -> None:
        """Add whose run may have claimed the host."""
        parser.add_argument(
            "--run",
            type=arguments.run_id,
            metavar="ID",
            help="The run that has claimed the host, if it is yours and not at work.",
        )

    def command(self, args: argparse.Namespace, site: Site) -> Command:
        """Only the queue; nothing is claimed."""
        return Drain(self.spicerack, site, self.request(args))
