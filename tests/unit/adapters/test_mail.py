"""The mail when a roll stops: who gets one, by which way, and what stands in it."""

import smtplib

import pytest

from mxlib.adapters import mail as roll_notify
from mxlib.base.errors import NotifyError
from mxlib.config.roll import RollNotify
from mxlib.model.outcome import Outcome
from mxlib.roll.report import build
from tests.unit.support.roll_events import events

TO = RollNotify(("ops@example.org",), "roll@example.org", "mail.example.org:2525")


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (Outcome.FELL_BACK, True),
        (Outcome.BLOCKED, True),
        (Outcome.DONE, False),
        (Outcome.PAUSED, False),
        (Outcome.TAKEN, False),
    ],
)
def test_the_operators_are_told_when_it_stops(end: Outcome, told: bool) -> None:
    assert roll_notify.wanted(TO, build(events(end))) is told
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


def test_mail_by_sendmail_has_no_text_of_others_in_its_arguments(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(roll_notify.subprocess, "run", lambda argv, **values: calls.append((argv, values)))
    section = RollNotify(("ops@example.org",), "roll@example.org")
    roll_notify.send(section, roll_notify.message(section, build(events(Outcome.FELL_BACK))))
    assert calls[0][0] == ["/usr/sbin/sendmail", "-i", "-f", "roll@example.org", "--", "ops@example.org"]
    assert b"large &lt;mail> stalls" in calls[0][1]["input"]


def test_mail_that_nobody_takes_is_an_error_of_its_own(monkeypatch) -> None:
    def refused(*_args, **_values):
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(smtplib, "SMTP", refused)
    with pytest.raises(NotifyError, match="no mail could be sent to the operators"):
        roll_notify.send(TO, roll_notify.message(TO, build(events(Outcome.FELL_BACK))))
