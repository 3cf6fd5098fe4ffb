"""From the request of sre.mail.drain-queue to what it does and its outcome; nothing is claimed."""

from spicerack import Spicerack

from mxlib.base.errors import MxlibError, StepError
from mxlib.commands.answers import silence
from mxlib.commands.command import Command, outcome_of
from mxlib.commands.request import RunRequest, check_host
from mxlib.config.sections import Site
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.model.outcome import Outcome
from mxlib.reboot.world import RebootWorld


class Drain(Command):
    """One run of drain-queue."""

    name = "drain-queue"

    def __init__(self, spicerack: Spicerack, site: Site, request: RunRequest) -> None:
        """Check what was asked for; nothing is touched.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX of the site.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host))
        self.reads_only = bool(spicerack.dry_run)
        self._request = request

    def work(self) -> Outcome:
        """Empty it; in a dry run say what would be tried."""
        world = self._world()
        if (found := silence(world)) is not None:
            known = found.outcome is not Outcome.LEFT_OUT
            return self.said(found.outcome if known else Outcome.UNKNOWN, found.why)
        way = drain.rehearse if self.spicerack.dry_run else drain.empty
        return self.said(Outcome.DONE, way(world).note)

    def failed(self, error: MxlibError) -> Outcome:
        """Return how it ends with an error; what is left, and why, was said for each destination."""
        if isinstance(error, StepError):
            return Outcome.QUEUE_LEFT if error.evidence else Outcome.UNKNOWN
        return outcome_of(error)

    def interrupted(self, by: str) -> str:
        """Have our own queue runners begin nothing more, and return what is left."""
        if not self.spicerack.dry_run:
            runners.stop(self._world())
        return f"stopped by {by}; the queue goes on as the MTA's own runners take it"

    def _world(self) -> RebootWorld:
        return self.wiring.world(self._request, self.run_id)
