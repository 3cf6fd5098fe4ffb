"""From the request of sre.mail.drain-queue to what it does and its outcome; it claims nothing, and heeds a claim."""

from spicerack import Spicerack

from mxlib.base.errors import FencedError, MxlibError, StepError
from mxlib.base.text import with_remark
from mxlib.commands.answers import silence
from mxlib.commands.command import Command, outcome_of
from mxlib.commands.request import RunRequest, check_host
from mxlib.config.sections import Site
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.mta.standing import read_standing
from mxlib.reboot.world import RebootWorld
from mxlib.remedies.guard import claim_of


class Drain(Command):
    """One run of drain-queue."""

    name = "drain-queue"
    alone = True  # each would stop the other's queue runners

    def __init__(self, spicerack: Spicerack, site: Site, request: RunRequest) -> None:
        """Check what was asked for; nothing is touched.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX of the site.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host))
        self.reads_only = bool(spicerack.dry_run)
        self._request = request
        self._mine: Record | None = None

    def work(self) -> Outcome:
        """Empty it; in a dry run say what would be tried."""
        world = self._world()
        if (found := silence(world)) is not None:
            return self.said(Outcome.UNKNOWN if found.run else found.outcome, found.why)
        self._mine, objection = self._claim(world)
        if self.spicerack.dry_run:
            if objection:
                self.operator.line(f"without -d this is refused: {objection}")
            return self.said(Outcome.DONE, drain.rehearse(world).note)
        if objection:
            return self.said(Outcome.REFUSED, objection)
        try:
            done = drain.empty(world, mine=self._mine, acting=self._acting)
        except FencedError as error:
            raise FencedError(self._claim(world)[1] or str(error)) from None
        return self.said(Outcome.DONE, done.note)

    def failed(self, error: MxlibError) -> Outcome:
        """Return how it ends with an error; what is left, and why, was said for each destination."""
        if isinstance(error, StepError):
            return Outcome.QUEUE_LEFT if error.evidence else Outcome.UNKNOWN
        outcome = outcome_of(error)
        # what an act could not do says nothing of the queue; after one it is not true that nothing was changed
        return Outcome.UNKNOWN if self.acted or outcome is Outcome.FAILED else outcome

    def interrupted(self, by: str) -> str:
        """Have our own queue runners begin nothing more, and return what is left."""
        if self.acted:
            runners.stop(runners.guarded(self._world(), self._mine))
        return f"stopped by {by}; the queue goes on as the MTA's own runners take it"

    def _acting(self) -> None:
        self.acted = True

    def _claim(self, world: RebootWorld) -> tuple[Record | None, str]:
        """Return the record of the run that is this operator's own, and what speaks against a drain; empty: nothing.

        Where a run holds the MTA, no mail may go out before the boot is proven, nor be cut by the reboot.
        """
        standing = read_standing(world.target, self.wiring.mta)
        record, host = standing.depool.record, self._request.host
        if record is not None and record.run != self._request.run:
            mine = f"cookbook sre.mail.drain-queue {host} --run {record.run}"
            remark = "if that run is yours and is not at work now; else wait for its end"
            return None, f"{claim_of(record)}; next: {with_remark(mine, remark)}"
        if standing.depool.held:
            look = f"cookbook sre.mail.reboot-mx {host} --status"
            return None, f"the MTA is held, and its queue waits until the boot is proven; next: {look}"
        return record, ""

    def _world(self) -> RebootWorld:
        return self.wiring.world(self._request, self.run_id)
