"""The one error tree of the library."""

from collections.abc import Mapping


class MxlibError(Exception):
    """Base of every error that this library raises on purpose."""


class ConfigError(MxlibError):
    """The site's configuration is wrong: names the file, the key, the value and what was expected."""


class HostError(MxlibError):
    """A host could not be reached, or did not answer as it must."""


class HostUnreachableError(HostError):
    """No SSH session could be opened; the state of the host is unknown."""


class CommandTimeoutError(HostError):
    """The command was started and did not end in time; whether it acted is unknown."""


class CommandFailedError(HostError):
    """The command ended with an unexpected exit code."""


class ParseError(MxlibError):
    """An output does not have the known form of its command: the fact is UNKNOWN."""


class MovedError(HostError):
    """The host has changed since an act was decided on: nothing was done, and the host has to be read again."""


class LockedError(MovedError):
    """Another command holds the host's lock, perhaps one of this run whose answer was lost: nothing was done."""


class FencedError(HostError):
    """A newer run has taken the host over: this one must no longer write."""


class StepError(MxlibError):
    """A step could not do its work; the operator reads its message.

    Attributes:
        evidence: values for the report.
    """

    def __init__(self, message: str, evidence: Mapping[str, object] | None = None):
        """Keep message and evidence."""
        super().__init__(message)
        self.evidence = dict(evidence or {})


class SlotError(MxlibError):
    """The slot could not be read or written."""


class SlotTakenError(SlotError):
    """Another run holds the slot."""


class PoolError(MxlibError):
    """The pool state could not be read, or is not what was set."""


class SilenceError(MxlibError):
    """Alerts could not be read or silenced."""


class ReportError(MxlibError):
    """A report could not be written."""


class NotifyError(MxlibError):
    """A notification could not be sent."""


class JournalError(MxlibError):
    """The journal of a run cannot be written or read."""


class InterruptedRunError(Exception):
    """The operator or the system asked the run to stop.

    It is no :class:`MxlibError`: nothing has failed. Code that turns a failure into "could not be read" must not do so
    with a request to stop.
    """
