"""What a run is after: forward or back, which kernel, how it is booted, and what it then calls its end. Pure."""

from dataclasses import dataclass

from mxlib.model.outcome import Outcome
from mxlib.model.record import Kernel, Level, Record


@dataclass(frozen=True)
class Goal:
    """What the operator wants of one run; what it began with is in its record from the claim on.

    Attributes:
        kernel: release to run, as ``uname -r`` says it; empty where only the service is taken out or given back.
        stay: leave the host out of service in the end.
        back: undo instead of going forward.
        adopt: resume the run that left its record, whoever began it.
        serve: return the host to service in the end, also where the resumed run was to leave it out.
        level: how the kernel is to be tried: by a reboot from inside, or by a cold start.
    """

    kernel: str = ""
    stay: bool = False
    back: bool = False
    adopt: bool = False
    serve: bool = False
    level: Level = Level.GUEST

    def turned(self, record: Record) -> bool:
        """Whether the run undoes instead of going forward."""
        return self.back or bool(record.undoing)

    def stays_out(self, record: Record) -> bool:
        """Whether the host is left out of service in the end."""
        return (record.stay or self.stay) and not self.serve and not self.turned(record)

    def kernel_for(self, record: Record) -> Kernel:
        """The kernel the host should end up with."""
        return record.fallback if self.turned(record) or record.trial_failed else record.target

    def level_for(self, record: Record) -> Level:
        """How the next reboot is made: a cold start only on the way forward, and only until one has come."""
        forward = not self.turned(record) and not record.trial_failed
        return Level.COLD if forward and record.cold_due else Level.GUEST

    def entries_for(self, record: Record) -> tuple[str, str]:
        """GRUB's saved and next entry for the next boot: the fallback is saved, a trial is for once."""
        wanted = self.kernel_for(record)
        return record.fallback.entry, "" if wanted == record.fallback else wanted.entry

    def outcome(self, record: Record) -> Outcome:
        """How a run ended that returned the host to its clients."""
        if record.trial_failed:
            return Outcome.FELL_BACK
        return Outcome.UNDONE if self.turned(record) and record.target.release else Outcome.DONE
