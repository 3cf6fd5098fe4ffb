"""The story of a roll: summary, metrics, mail; its memory in etcd; how long hosts took."""

import json
import smtplib

import pytest

from mxlib.adapters import mail as roll_notify
from mxlib.adapters.etcd_roll import ROLL, EtcdMemory, roll_slot
from mxlib.adapters.etcd_slot import Holder
from mxlib.base.errors import ConfigError, NotifyError, SlotError, SlotTakenError
from mxlib.base.journal import Event
from mxlib.commands.roll import RollRequest, overridden
from mxlib.config.pool import MxSection
from mxlib.config.roll import RollNotify, RollSection, RollSoak
from mxlib.model.outcome import Outcome
from mxlib.roll.report import as_json, build, first_step, markdown, metrics, plan_lines, terminal
from mxlib.roll.state import Failure, Finish, PlanLine, Soak, Take
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.fakes import FakeClock

AT = "2026-11-21T01:00:00+00:00"


def seen(host: str, stand: str, why: str = "") -> dict[str, str]:
    return {"host": host, "stand": stand, "why": why, "unwell": "", "newer": ""}


def events(end: Outcome, *, outcome: str = "FELL_BACK"):
    both = [seen("mx2001.lab.test", "to do"), seen("mx1001.lab.test", "to do")]
    return [
        Event("start", AT, {"run": "r1", "who": "op@cumin1001", "why": "security | update", "kernel": "6.1.0-56"}),
        Event("seen", AT, {"hosts": both}),
        Event("host", AT, {"host": "mx2001.lab.test", "outcome": outcome, "why": "large <mail> stalls",
                           "seconds": 600.0, "report": "/var/log/x/mx2001.lab.test.r2.md"}),
        Event("seen", AT, {"hosts": both}),
        Event("end", AT, {"end": end.name, "why": "mx2001.lab.test: large mail stalls", "code": end.value}),
    ]  # fmt: skip


def test_the_first_line_says_how_it_ended_and_each_host_has_one() -> None:
    summary = build(events(Outcome.FELL_BACK))
    lines = list(terminal(summary))
    assert lines[0].startswith("  mx2001.lab.test  to do, fell back to the earlier kernel")
    assert lines[-1].startswith("roll of 6.1.0-56: stopped, a host: fell back")
    assert "; next: cookbook sre.mail.roll-kernel --kernel 6.1.0-56 --again" in lines[-1]
    assert sum("6.1.0-56: stopped" in line for line in lines) == 1, "the outcome is said once, in the last line"
    page = markdown(summary)
    assert page.startswith("# roll of 6.1.0-56: stopped")
    assert "](mx2001.lab.test.r2.md)" in page
    assert "large &lt;mail> stalls" in page
    assert "security \\| update" in page
    assert json.loads(as_json(summary))["exit_code"] == 12


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (Take("mx1"), "would begin by rebooting mx1"),
        (Take("mx1", resume=True), "would begin by resuming the run on mx1"),
        (Soak(("mx1", "mx2")), "would begin by watching mx1, mx2 under real mail"),
        (Finish(Outcome.BLOCKED, "an alert"), "would end at once: blocked, no further host was begun: an alert"),
    ],
)
def test_a_plan_says_in_words_what_comes_first(first, said) -> None:
    assert first_step(first) == said


def test_metrics_say_whether_a_person_has_to_look() -> None:
    text = metrics(build(events(Outcome.FELL_BACK)), 1000.0)
    assert 'mx_roll_stopped{kernel="6.1.0-56"} 1\n' in text
    assert 'mx_roll_host{kernel="6.1.0-56",host="mx1001.lab.test",stands="to do"} 1\n' in text
    assert 'mx_roll_stopped{kernel="6.1.0-56"} 0\n' in metrics(build(events(Outcome.PAUSED)), 1000.0)


def test_a_journal_without_an_end_is_an_interruption() -> None:
    assert build(events(Outcome.DONE)[:-1]).end is Outcome.INTERRUPTED


def test_a_host_that_is_out_gets_the_next_command() -> None:
    summary = build(events(Outcome.LEFT_OUT, outcome="LEFT_OUT"))
    assert summary.next_command == "cookbook sre.mail.reboot-mx mx2001.lab.test --status"
    assert build(events(Outcome.PAUSED)).next_command == ""
    assert build(events(Outcome.BLOCKED, outcome="REFUSED")).next_command.endswith("--plan")


def test_a_plan_names_what_does_not_fit() -> None:
    lines = list(
        plan_lines([PlanLine("mx1", "reboot", "runs 55", 60.0, 600.0, False), PlanLine("mx2", "there", "")], 0.0)
    )
    assert "DOES NOT FIT THE WINDOW" in lines[0]
    assert lines[-1] == "no window is open now"


# --- mail

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


# --- etcd


def right(client, session: str, clock=None):
    return roll_slot(
        (client, client), "/mx", 60, Holder(ROLL, session, "op@cumin1001", AT), session, clock or FakeClock(), print,
        lambda: True,
    )  # fmt: skip


def test_one_roll_at_a_time() -> None:
    client = FakeEtcd()
    one = right(client, "one")
    one.take()
    assert one.mine()
    clock = FakeClock()
    other = right(client, "two", clock)
    clock.sleep = lambda seconds: client.write("/mx-roll/lease", "one", ttl=60)
    with pytest.raises(SlotTakenError, match="a roll is under way: run one by op@cumin1001"):
        other.take()
    one.release()
    right(client, "two").take()


def test_a_roll_that_died_is_taken_over() -> None:
    client = FakeEtcd()
    right(client, "one").take()
    client.expire()
    two = right(client, "two")
    two.take()
    assert two.mine()


def test_the_memory_is_by_kernel_and_is_forgotten_by_an_empty_one() -> None:
    memory = EtcdMemory(FakeEtcd(), "/mx")
    failure = Failure(Outcome.FELL_BACK, "large mail stalls", AT, "r1")
    assert memory.failed("6.1.0-56") == {}
    memory.remember("6.1.0-56", {"mx2001.lab.test": failure})
    assert memory.failed("6.1.0-56") == {"mx2001.lab.test": failure}
    assert memory.failed("6.1.0-57") == {}
    memory.remember("6.1.0-56", {})
    assert memory.failed("6.1.0-56") == {}


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"6.1.0-56": {"mx": {"outcome": "FINE"}}}', '{"6.1.0-56": 3}'])
def test_a_memory_that_cannot_be_read_is_an_error(text: str) -> None:
    client = FakeEtcd()
    client.write("/mx-roll/failed", text)
    with pytest.raises(SlotError):
        EtcdMemory(client, "/mx").failed("6.1.0-56")


def test_a_memory_without_etcd_is_an_error() -> None:
    client = FakeEtcd()
    client.down = True
    with pytest.raises(SlotError):
        EtcdMemory(client, "/mx").failed("6.1.0-56")


# --- what was said


def test_the_operator_overrides_the_site() -> None:
    section = RollSection(windows=("mon 20:00-22:00",), canary="a", max_failed=2, soak=RollSoak(60, 120))
    assert overridden(section, RollRequest("x")) == section
    said = overridden(section, RollRequest("x", canary="b", windows=("always",), soak_s=600.0, max_failed=0))
    assert (said.canary, said.windows, said.max_failed, said.soak.seconds, said.soak.limit) == (
        "b",
        ("always",),
        0,
        600,
        600,
    )
    with pytest.raises(ConfigError, match="windows: expected"):
        overridden(section, RollRequest("x", windows=("at night",)))


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: RollSection(windows=("nights",)), "windows"),
        (lambda: RollSection(max_failed=-1), "max_failed"),
        (lambda: RollSection(max_out=0), "max_out"),
        (lambda: RollSection(slack=0.5), "slack"),
        (lambda: RollSection(task_url="http://x"), "task_url"),
        (lambda: RollSoak(seconds=10, limit=5), "limit"),
        (lambda: RollSoak(seconds=0), "seconds"),
        (lambda: RollNotify(to=("nobody",)), "to"),
        (lambda: RollNotify(smtp="a b"), "smtp"),
        (lambda: MxSection(dc="a b"), "dc"),
        (lambda: MxSection(preference=-1), "preference"),
    ],
)
def test_wrong_values_are_refused(make, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        make()
