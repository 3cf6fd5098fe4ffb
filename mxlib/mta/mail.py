"""Test mails that a host's own MTA sends, and what its log says about them."""

from dataclasses import dataclass

from mxlib.config.probes import OutboundProbe
from mxlib.mta.event import LogEvent


@dataclass(frozen=True)
class ProbeMail:
    """A test mail to be sent.

    Attributes:
        tag: its UUID, which is in its headers.
        probe: the probe it belongs to.
        size: bytes of body.
        number: number among those to this destination with this size, from 1.
    """

    tag: str
    probe: OutboundProbe
    size: int
    number: int


@dataclass(frozen=True)
class Followed:
    """One test mail, from its submission to what the log says of it.

    Attributes:
        code: exit code of its submission; None where it was not sent, because an earlier one did not get through.
        error: output of its submission.
        message_id: its id in the MTA; empty while the log does not show one.
        events: its events in the log, in order.
        left: why it is still in the queue; empty when it is not.
    """

    code: int | None
    error: str = ""
    message_id: str = ""
    events: tuple[LogEvent, ...] = ()
    left: str = ""
