"""The goal of a run: forward or back, which kernel, how it is booted, and how its end is called. Pure."""

from dataclasses import dataclass

from mxlib.model.outcome import Outcome
from mxlib.model.record import Kernel, Level, Record


@dataclass(frozen=True)
class Goal:
    """What the operator wants of one run; from the claim on, what it began with is in its record.

    Attributes:
        kernel: release to run, as ``uname -r`` prints it; empty where the host is only depooled or repooled.
        stay: leave the host out of service at the end.
        back: undo instead of going forward.
        adopt: resume the run that left its record, whoever began it.
        serve: return the host to service at the end, even where the resumed run was to leave it out.
        level: how the kernel is tried: by a reboot from inside, or by a cold start.
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
        """Whether the host is left out of service at the end."""
        return (record.stay or self.stay) and not self.serve and not self.turned(record)

    def kernel_for(self, record: Record) -> Kernel:
        """Return the kernel that the host should end up with."""
        return record.fallback if self.turned(record) or record.trial_failed else record.target

    def level_for(self, record: Record) -> Level:
        """Return how the next reboot is made: a cold start only on the way forward, and only until one has happened."""
        forward = not self.turned(record) and not record.trial_failed
        return Level.COLD if forward and record.cold_due else Level.GUEST

    def reboots_into(self, record: Record, boot: str, kernel: str) -> str:
        """Return the kernel into which a host is to be rebooted; empty: none, or no reboot is left, and it may serve.

        Arguments:
            boot: boot id of the host now.
            kernel: the kernel that it runs.
        """
        wanted = self.kernel_for(record).release
        elsewhere = kernel != wanted or self.level_for(record) is Level.COLD or record.restart_due
        undone = boot == record.boot_before and self.turned(record)
        return wanted if elsewhere and not undone and not (record.spent and self.serve) else ""

    def entries_for(self, record: Record) -> tuple[str, str]:
        """Return GRUB's saved and next entry for the next boot: the fallback is saved, a trial boots once."""
        wanted = self.kernel_for(record)
        return record.fallback.entry, "" if wanted == record.fallback else wanted.entry

    def outcome(self, record: Record) -> Outcome:
        """Return the outcome of a run that returned the host to service; a depool that pool-mx ends is not undone."""
        if record.trial_failed:
            return Outcome.FELL_BACK
        wanted = self.serve and not record.target.release
        return Outcome.UNDONE if self.turned(record) and not wanted else Outcome.DONE
