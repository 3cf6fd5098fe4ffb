"""The answers of an MX in an SMTP session from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class InboundStage(Enum):
    """The questions of a session, in order."""

    RESOLVE = "name lookup"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    MAIL = "MAIL FROM"
    ACCEPTED = "RCPT of a known recipient"
    REFUSED = "RCPT of an unknown recipient"
    COMPARED = "RCPT"
    RELAY = "RCPT of a foreign recipient"


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        stage: the question.
        subject: the recipient asked for; empty at other stages.
        code: code of the SMTP reply; None where there was none.
        text: text of the reply, or why there is none.
        right: whether a healthy MX gives this answer; None where that is unknown.
    """

    stage: InboundStage
    subject: str
    code: int | None
    text: str
    right: bool | None


@dataclass(frozen=True)
class InboundResult:
    """One session with an MX.

    Attributes:
        host: its name.
        address: the address that was connected to; empty where there is none.
        family: 4 or 6.
        answers: in order; if the session ended early, the last one is wrong or unknown.
        certificate_until: when the certificate expires; None where none was seen.
        when: when the session began (UTC).
    """

    host: str
    address: str
    family: int
    answers: tuple[Answer, ...]
    certificate_until: datetime | None
    when: datetime

    @property
    def wrong(self) -> tuple[Answer, ...]:
        """The wrong answers."""
        return tuple(answer for answer in self.answers if answer.right is False)

    @property
    def unknown(self) -> tuple[Answer, ...]:
        """The answers that are neither right nor wrong."""
        return tuple(answer for answer in self.answers if answer.right is None)


def differences(results: Sequence[InboundResult]) -> dict[str, dict[str, int | None]]:
    """Return the recipients about which MXs disagree: such a recipient is known to some of them only.

    Arguments:
        results: sessions with different MXs.

    Returns:
        By recipient, the class of the reply (2, 4 or 5) by host.
    """
    by_recipient: dict[str, dict[str, int | None]] = {}
    for result in results:
        for answer in result.answers:
            if answer.subject and answer.code:
                by_recipient.setdefault(answer.subject, {})[result.host] = answer.code // 100
    return {subject: codes for subject, codes in by_recipient.items() if len(set(codes.values())) > 1}
