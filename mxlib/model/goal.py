"""What a run is after: forward or back, which kernel, how it is booted, and what it then calls its end. Pure."""

from mxlib.model.outcome import Outcome
from mxlib.model.record import Kernel, Level, Record
from mxlib.model.state import Goal


def kernel_wanted(goal: Goal, record: Record) -> Kernel:
    """The kernel the host should end up with.

    Arguments:
        goal: what is wanted.
        record: what was done.
    """
    return record.fallback if turned(goal, record) or record.trial_failed else record.target


def turned(goal: Goal, record: Record) -> bool:
    """Whether the run undoes instead of going forward.

    Arguments:
        goal: what is wanted.
        record: what was done.
    """
    return goal.back or bool(record.undoing)


def boot_level(goal: Goal, record: Record) -> Level:
    """How the next reboot is made: a cold start only on the way forward, and only until one has come.

    Arguments:
        goal: what is wanted.
        record: what was done.
    """
    forward = not turned(goal, record) and not record.trial_failed
    return Level.COLD if forward and record.cold_due else Level.GUEST


def entries_for(record: Record, wanted: Kernel) -> tuple[str, str]:
    """GRUB's saved and next entry for a boot: the fallback is saved, a trial is for once.

    Arguments:
        record: what was done.
        wanted: the kernel to boot.
    """
    return record.fallback.entry, "" if wanted == record.fallback else wanted.entry


def outcome_of(goal: Goal, record: Record, boot: str) -> Outcome:
    """How a run ended that gave the host back to its clients.

    Arguments:
        goal: what was wanted.
        record: what was done.
        boot: the boot it serves in.
    """
    if record.trial_failed:
        return Outcome.FELL_BACK
    return Outcome.UNDONE if turned(goal, record) and record.target.release else Outcome.DONE
