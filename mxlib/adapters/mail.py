"""Mail to the operators when a roll stops: through a mail server, or the management host's own sendmail."""

import smtplib
import subprocess
import tempfile
from collections.abc import Sequence
from email.message import EmailMessage

from mxlib.base.errors import NotifyError
from mxlib.base.text import one_line
from mxlib.config.roll import RollNotify
from mxlib.model.outcome import DELIBERATE, Outcome
from mxlib.roll.report import Summary, markdown

SENDMAIL = ("/usr/sbin/sendmail", "-i", "-f")
_TIMEOUT_S = 30


def wanted(section: RollNotify, summary: Summary) -> bool:
    """Whether a mail is sent: the roll stopped, or it is done and the site wants to know."""
    return bool(section.to) and (summary.end not in DELIBERATE or (section.success and summary.end is Outcome.DONE))


def message(section: RollNotify, summary: Summary) -> EmailMessage:
    """Return the mail: the outcome in its subject, the summary in its body."""
    mail = EmailMessage()
    mail["From"], mail["To"] = section.sender, ", ".join(section.to)
    mail["Subject"] = one_line(f"[mx] {summary.headline}", 180)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(markdown(summary))
    return mail


def send(section: RollNotify, mail: EmailMessage) -> None:
    """Hand the mail to the site's mail server, or to sendmail.

    Raises:
        mxlib.base.errors.NotifyError: neither took it.
    """
    try:
        if section.smtp:
            _by_server(section.smtp, section.sender, section.to, mail)
        else:
            _by_sendmail([*SENDMAIL, section.sender, "--", *section.to], mail.as_bytes())
    except (OSError, smtplib.SMTPException, subprocess.SubprocessError, NotifyError) as error:
        raise NotifyError(f"no mail could be sent to the operators: {one_line(str(error))}") from None


def _by_sendmail(command: Sequence[str], mail: bytes) -> None:
    """Run sendmail; what it says goes to a file: a delivery that it leaves behind may hold a pipe open for long."""
    with tempfile.TemporaryFile() as said:
        ended = subprocess.run(command, input=mail, stdout=said, stderr=said, timeout=_TIMEOUT_S, check=False)
        said.seek(0)
        if ended.returncode:
            words = said.read(4096).decode(errors="replace")
            raise NotifyError(f"{command[0]} ended with exit code {ended.returncode}: {one_line(words)}")


def _by_server(server: str, sender: str, to: Sequence[str], mail: EmailMessage) -> None:
    host, _, port = server.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=_TIMEOUT_S) as session:
        session.send_message(mail, sender, list(to))
