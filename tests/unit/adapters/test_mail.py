"""The mail when a roll stops: who gets one, by which way, and what stands in it."""

import smtplib
import time
from pathlib import Path

import pytest

from mxlib.adapters import mail as roll_notify
from mxlib.base.errors import NotifyError
from mxlib.config.roll import RollNotify
from mxlib.model.outcome import Outcome
from mxlib.roll.report import build
from tests.unit.support.roll_events import events

TO = RollNotify(("ops@example.org",), "roll@example.org", "mail.example.org:2525")


@pytest.mark.parametrize(
    ("end", "sent"),
    [
        (Outcome.FELL_BACK, True),
        (Outcome.BLOCKED, True),
        (Outcome.DONE, False),
        (Outcome.PAUSED, False),
        (Outcome.TAKEN, False),
    ],
)
def test_the_operators_get_a_mail_when_it_stops(end: Outcome, sent: bool) -> None:
    assert roll_notify.wanted(TO, build(events(end))) is sent
    assert not roll_notify.wanted(RollNotify(), build(events(end)))
    assert roll_notify.wanted(RollNotify(TO.to, success=True), build(events(Outcome.DONE)))


class Server:
    sent: list = []  # noqa: RUF012

    def __init__(self, host, port, timeout):
        self.where = (host, port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def send_message(self, mail, sender, to):
        Server.sent.append((self.where, sender, to, mail))


def test_mail_by_a_server(monkeypatch) -> None:
    monkeypatch.setattr(smtplib, "SMTP", Server)
    roll_notify.send(TO, roll_notify.message(TO, build(events(Outcome.FELL_BACK))))
    where, sender, to, mail = Server.sent[-1]
    assert (where, sender, to) == (("mail.example.org", 2525), "roll@example.org", ["ops@example.org"])
    assert mail["Subject"].startswith("[mx] roll of 6.1.0-56: stopped, a host: fell back")
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.fixture
def sendmail(tmp_path, monkeypatch):
    """Installs a sendmail that notes its arguments and its mail, and then does what it is given."""

    def install(then: str = "") -> tuple[Path, Path]:
        program = tmp_path / "sendmail"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\ncat >{tmp_path}/mail\n{then}\n')
        program.chmod(0o755)
        monkeypatch.setattr(roll_notify, "SENDMAIL", (str(program), *roll_notify.SENDMAIL[1:]))
        return tmp_path / "words", tmp_path / "mail"

    return install


BY_SENDMAIL = RollNotify(("ops@example.org",), "roll@example.org")


def by_sendmail() -> None:
    roll_notify.send(BY_SENDMAIL, roll_notify.message(BY_SENDMAIL, build(events(Outcome.FELL_BACK))))


def test_mail_by_sendmail_has_no_text_of_others_in_its_arguments(sendmail) -> None:
    words, mail = sendmail()
    by_sendmail()
    assert words.read_text().split() == ["-i", "-f", "roll@example.org", "--", "ops@example.org"]
    assert "large &lt;mail> stalls" in mail.read_text()


def test_the_program_is_the_management_hosts_own() -> None:
    assert roll_notify.SENDMAIL == ("/usr/sbin/sendmail", "-i", "-f")


def test_a_sendmail_that_refuses_is_an_error_with_its_words(sendmail) -> None:
    sendmail("echo 'no such relay' >&2; exit 75")
    with pytest.raises(NotifyError, match=r"operators: .*/sendmail ended with exit code 75: no such relay"):
        by_sendmail()


def test_a_delivery_that_sendmail_leaves_behind_is_not_waited_for(sendmail, monkeypatch) -> None:
    monkeypatch.setattr(roll_notify, "_TIMEOUT_S", 3)
    sendmail("sleep 20 &")
    begin = time.monotonic()
    by_sendmail()
    assert time.monotonic() - begin < 2


def test_a_sendmail_that_hangs_is_ended_in_time(sendmail, monkeypatch) -> None:
    monkeypatch.setattr(roll_notify, "_TIMEOUT_S", 0.3)
    sendmail("exec sleep 20")
    with pytest.raises(NotifyError, match="timed out after"):
        by_sendmail()


def test_mail_that_nobody_takes_is_an_error_of_its_own(monkeypatch) -> None:
    def refused(*_args, **_values):
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(smtplib, "SMTP", refused)
    with pytest.raises(NotifyError, match="no mail could be sent to the operators"):
        roll_notify.send(TO, roll_notify.message(TO, build(events(Outcome.FELL_BACK))))
