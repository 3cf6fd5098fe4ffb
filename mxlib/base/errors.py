"""The one error tree of the library."""

from collections.abc import Mapping


class MxlibError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigError(MxlibError):
    """The site's configuration is wrong: names the file, the key, the value and what was expected."""


class HostError(MxlibError):
    """A host could not be asked, or did not answer as it must."""


class HostUnreachableError(HostError):
    """No SSH session could be had: says nothing about the state of the host."""


class CommandTimeoutError(HostError):
    """The command was started and did not end in its time; whether it acted is not known."""


class CommandFailedError(HostError):
    """The command ended with an exit code that was not expected."""


class ParseError(MxlibError):
    """An output does not have the form its command is known to print: the fact is UNKNOWN."""


class MovedError(HostError):
    """The host is not as it was when an act was decided on: nothing was done, and it has to be looked at again."""


class LockedError(MovedError):
    """Another command still holds the host's lock, perhaps one of this run whose answer was lost: nothing was done."""


class FencedError(HostError):
    """A newer run has taken the host over: this one must not write any more."""


class StepError(MxlibError):
    """A step could not do its work; its message is what the operator reads.

    Attributes:
        evidence: values for the report.
    """

    def __init__(self, message: str, evidence: Mapping[str, object] | None = None):
        """Say it.

        Arguments:
            message: what the operator reads.
            evidence: values for the report.
        """
        super().__init__(message)
        self.evidence = dict(evidence or {})


class SlotError(MxlibError):
    """The slot of the service could not be read or written."""


class SlotTakenError(SlotError):
    """Somebody else holds the slot of the service."""


class PoolError(MxlibError):
    """The pool state in front of the MXs could not be read, or is not what was set."""


class SilenceError(MxlibError):
    """Alerts could not be silenced or read."""


class ReportError(MxlibError):
    """What a run has to tell could not be written."""


class NotifyError(MxlibError):
    """The operators could not be told."""


class JournalError(MxlibError):
    """The journal of a run cannot be written or read."""


class InterruptedRunError(Exception):
    """The operator or the system asked the run to stop.

    It is no :class:`MxlibError`: nothing has failed, and whoever turns a failure into "could not be read" must not turn
    a request to stop into that, too.
    """
