"""What the operator of a roll types comes before what the site says; what ``--plan --json`` says to a program."""

import dataclasses
import json
import logging
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from spicerack.locking import NoLock

from mxlib.base.errors import ConfigError, ReportError, SlotError
from mxlib.base.journal import EventLog
from mxlib.commands import roll
from mxlib.commands.entry import begin
from mxlib.commands.roll import RollKernel, RollRequest, overridden
from mxlib.config.roll import RollNotify, RollSection, RollSoak
from mxlib.model.outcome import Outcome
from mxlib.roll.state import Failure, Finish, PlanLine, Take
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.full_disk import fill_the_disk
from tests.unit.support.site import SITE

MX = "mx1001.example.org"
BY_SENDMAIL = RollNotify(to=("ops@example.org",))


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
    ("first", "at_work", "outcome", "said"),
    [
        (Take(MX), "", Outcome.DONE, f"would begin by rebooting {MX}"),
        (Finish(Outcome.BLOCKED, "an alert"), "", Outcome.BLOCKED, "would end at once: blocked"),
        (Take(MX), "another run", Outcome.DONE, "somebody else is at work: another run"),
    ],
)
def test_a_plan_is_written_for_a_program(monkeypatch, capsys, caplog, first, at_work, outcome, said):
    caplog.set_level(logging.INFO)
    steps = (PlanLine(MX, "reboot", "it has to", 0.0, 300.0),)
    monkeypatch.setattr(RollKernel, "_fleet", lambda *_: MagicMock(at_work=lambda: at_work))
    made = MagicMock(decision=lambda _: first, state=lambda: SimpleNamespace(left_s=60))
    monkeypatch.setattr(RollKernel, "_make", lambda *_: made)
    monkeypatch.setattr(roll, "plan", lambda *_: steps)
    monkeypatch.setattr(roll.roll_report, "plan_lines", lambda *_: ())
    shown = []
    monkeypatch.setattr("mxlib.adapters.operator.TerminalOperator.busy", lambda _self, text: shown.append(text))
    request = RollRequest(kernel="6.1.0-56-amd64", plan=True, json_file=Path("-"))
    assert RollKernel(MagicMock(dry_run=False), SITE, request).execute() is outcome
    assert shown == ["roll of 6.1.0-56-amd64: 2 hosts, etcd and the pool are asked"]
    told = json.loads(capsys.readouterr().out)
    assert told["hosts"] == [
        {"host": MX, "act": "reboot", "why": "it has to", "begins_s": 0.0, "takes_s": 300.0, "fits": True}
    ]
    assert (told["kernel"], told["exit_code"], told["outcome"]) == ("6.1.0-56-amd64", outcome.value, outcome.name)
    assert said in told["first"]
    assert caplog.messages[-1].endswith(told["first"])


def test_a_roll_refuses_metrics_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    site = dataclasses.replace(SITE, roll=RollSection(metrics=tmp_path / "none" / "mx.prom"))
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none: expected .* textfile collector"):
        RollKernel(spicerack, site, RollRequest(kernel="newest"))


def lost_mail(events: EventLog, command: RollKernel) -> Finish:
    """The run on a host ends with mail missing, and the disk has been full since before that."""
    seen = {"host": MX, "stand": "to do", "why": "", "unwell": "", "newer": ""}
    events.write("seen", hosts=[seen])
    fill_the_disk(command)
    events.write("host", host=MX, outcome="MAIL_LOST", why="one message", seconds=60.0, report="")
    events.write("end", end="MAIL_LOST", why=f"{MX}: one message", code=22)
    return Finish(Outcome.MAIL_LOST, f"{MX}: one message")


def test_a_full_disk_hides_no_lost_mail(monkeypatch, spicerack, tmp_path, lines) -> None:
    sent: list[EmailMessage] = []
    monkeypatch.setattr(RollKernel, "_fleet", lambda *_: None)
    monkeypatch.setattr("mxlib.adapters.mail.send", lambda _section, mail: sent.append(mail))
    section = RollSection(metrics=tmp_path / "mx_roll.prom", notify=RollNotify(to=("ops@example.org",)))
    site = dataclasses.replace(SITE, reports=tmp_path, roll=section)
    command = RollKernel(spicerack, site, RollRequest(kernel="6.1.0-56"))
    made = lambda _kernel, _fleet, events: MagicMock(execute=lambda: lost_mail(events, command))  # noqa: E731
    monkeypatch.setattr(command, "_make", made)
    assert command.execute() is Outcome.MAIL_LOST
    end = f"roll of 6.1.0-56: stopped, a host: MAIL IS MISSING, left out of service: {MX}: one message"
    assert lines()[-1] == f"{end}; next: cookbook sre.mail.reboot-mx {MX} --status"
    assert sent[0]["Subject"] == f"[mx] {end}"
    assert 'mx_roll_exit_code{kernel="6.1.0-56"} 22\n' in (tmp_path / "mx_roll.prom").read_text()


# --- --again while the window is closed


def closed_window() -> str:
    """A window that opens in six hours."""
    opens = datetime.now(UTC) + timedelta(hours=6)
    return f"daily {opens:%H}:00-{opens:%H}:30"


@pytest.fixture
def again(monkeypatch, spicerack) -> RollKernel:
    """A roll with --again outside the window, and etcd in memory; no host may be asked."""
    etcd = FakeEtcd()
    monkeypatch.setattr(roll, "make_client", lambda _: etcd)
    monkeypatch.setattr(RollKernel, "_fleet", lambda *_: pytest.fail("a host was about to be begun"))
    made = RollKernel(spicerack, SITE, RollRequest(kernel="6.1.0-56", windows=(closed_window(),), again=True))
    made._memory().remember("6.1.0-56", {MX: Failure(Outcome.FELL_BACK, "large mail", "2026-11-21T01:00:00", "r1")})
    return made


def test_who_has_looked_by_day_has_it_forgotten_and_no_host_rebooted(again, lines) -> None:
    assert not again.reads_only, "it writes: it is announced, and takes Spicerack's lock"
    assert again.execute() is Outcome.OUTSIDE
    assert again._memory().failed("6.1.0-56") == {}
    said = f"outside the window, no host was begun: forgotten: 6.1.0-56 has failed on {MX}; the next one opens "
    assert lines()[-1].startswith(f"roll-kernel: {said}")
    again._roll_slot().take()  # the right to roll is free
    assert again.execute() is Outcome.TAKEN, "nothing is forgotten behind the back of a roll"


def metrics_of(code: int, kernel: str = "6.1.0-56", stopped: int = 1) -> str:
    of = f'{{kernel="{kernel}"'
    ended = f"mx_roll_exit_code{of}}} {code}\nmx_roll_stopped{of}}} {stopped}\n"
    host = f'mx_roll_host{of},host="{MX}",stands="unknown"}} 1\n'
    return f"{ended}mx_roll_last_run_timestamp_seconds{of}}} 1700000000\n{host}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (metrics_of(22), metrics_of(41, stopped=0)),
        (metrics_of(22, "6.1.0-57"), metrics_of(22, "6.1.0-57")),
        (metrics_of(22, "6.1.0-56-rt"), metrics_of(22, "6.1.0-56-rt")),
        (metrics_of(44), metrics_of(44)),
    ],
    ids=["its failure", "of another kernel", "of another flavour", "stopped by something else"],
)
def test_what_is_forgotten_ends_its_alerts_and_no_others(monkeypatch, again, tmp_path, before, after) -> None:
    """The next window may be weeks away. Another management host may have forgotten it first."""
    monkeypatch.setattr("mxlib.adapters.mail.send", lambda *_: pytest.fail("there is nothing to tell"))
    metrics = tmp_path / "mx_roll.prom"
    notify = RollNotify(to=("ops@example.org",), success=True)
    again.site = dataclasses.replace(SITE, roll=RollSection(metrics=metrics, notify=notify))
    assert again.execute() is Outcome.OUTSIDE
    assert not metrics.exists()
    metrics.write_text(before)
    assert again.execute() is Outcome.OUTSIDE
    assert metrics.read_text() == after


def test_metrics_of_what_is_forgotten_need_their_folder(spicerack, tmp_path) -> None:
    site = dataclasses.replace(SITE, roll=RollSection(metrics=tmp_path / "none" / "mx.prom"))
    with pytest.raises(ReportError, match="there is no folder"):
        RollKernel(spicerack, site, RollRequest(kernel="6.1.0-56", windows=(closed_window(),), again=True))


def test_nothing_is_forgotten_unless_that_is_known(again, lines, monkeypatch) -> None:
    def broken(*_):
        raise SlotError("etcd does not answer")

    monkeypatch.setattr(roll.EtcdMemory, "remember", broken)
    assert again.execute() is Outcome.BLOCKED
    assert "etcd does not answer" in lines()[-1]
    monkeypatch.setattr(roll.EtcdMemory, "failed", broken)
    assert again.execute() is Outcome.BLOCKED


# --- a night that cannot begin


class Night:
    """A site whose operators are told by metrics and mail, and who asks for a roll on it."""

    def __init__(self, monkeypatch, spicerack, folder: Path) -> None:
        self.sent: list[EmailMessage] = []
        monkeypatch.setattr("mxlib.adapters.mail.send", lambda _section, mail: self.sent.append(mail))
        monkeypatch.setattr("mxlib.commands.entry.load_site", lambda _: self.site)
        self.metrics = folder / "mx_roll.prom"
        self.metrics.write_text('mx_roll_stopped{kernel="6.1.0-55"} 0\n')
        section = RollSection(metrics=self.metrics, notify=RollNotify(to=("ops@example.org",), smtp="localhost"))
        self.site = dataclasses.replace(SITE, reports=folder, roll=section)
        self.spicerack = spicerack
        self.spicerack.lock, self.spicerack.remote = NoLock, MagicMock()

    def ends(self, **asked) -> int:
        """How `cookbook sre.mail.roll-kernel` ends."""
        request = RollRequest(**{"kernel": "newest", "unattended": True, **asked})
        command, code = begin(self.spicerack, lambda site: roll.make(self.spicerack, site, request))
        return command.execute().value if code is None and command is not None else code

    def told(self) -> str:
        """What the operators are told; empty: nothing."""
        if not self.sent:
            assert self.metrics.read_text() == 'mx_roll_stopped{kernel="6.1.0-55"} 0\n'
            return ""
        (mail,) = self.sent
        metrics = self.metrics.read_text()
        assert "mx_roll_stopped{kernel=\"newest\"} 1\n" in metrics
        assert "mx_roll_exit_code{kernel=\"newest\"} 10\n" in metrics
        assert "6.1.0-55" not in metrics
        assert "Next: `cookbook sre.mail.roll-kernel --kernel newest --plan`" in mail.get_content()
        return mail["Subject"]


@pytest.fixture
def night(monkeypatch, spicerack, tmp_path) -> Night:
    return Night(monkeypatch, spicerack, tmp_path)


def nothing_readable(*_) -> str:
    raise ConfigError("no host can be read")


def no_locks() -> None:
    raise TypeError("unexpected keyword argument 'hots'")


def test_no_host_can_be_read(night, monkeypatch, lines) -> None:
    monkeypatch.setattr(roll, "newest_of", nothing_readable)
    assert night.ends() == Outcome.REFUSED.value
    assert night.told() == "[mx] roll of newest: refused, nothing changed: no host can be read"
    assert lines()[-1] == "roll-kernel: refused, nothing changed: no host can be read"


def test_spicerack_cannot_take_its_lock(night, lines) -> None:
    night.spicerack.lock = no_locks
    assert night.ends() == Outcome.REFUSED.value
    assert "refused, nothing changed: Spicerack's own lock cannot be made" in night.told()
    assert lines()[-1].startswith("roll-kernel: refused, nothing changed: Spicerack's own lock")


def test_the_journal_cannot_be_opened(night, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(RollKernel, "_fleet", lambda *_: None)
    monkeypatch.setattr(roll, "newest_of", lambda _: "6.1.0-56")
    (tmp_path / "full").write_text("")
    night.site = dataclasses.replace(night.site, reports=tmp_path / "full")
    assert night.ends() == Outcome.REFUSED.value
    assert f"refused, nothing changed: {tmp_path}/full" in night.told()


def test_what_was_asked_for_is_refused_at_once(night) -> None:
    assert night.ends(canary="mx9") == Outcome.REFUSED.value
    assert "--canary: 'mx9' is none of the hosts" in night.told()


@pytest.mark.parametrize("asked", [{}, {"windows": (closed_window(),)}], ids=["open", "closed"])
def test_no_mail_is_left_to_a_program_that_the_unit_forbids(night, asked) -> None:
    """Sendmail needs its group or its user, and a spool to write; the unit allows neither."""
    night.site = dataclasses.replace(night.site, roll=dataclasses.replace(night.site.roll, notify=BY_SENDMAIL))
    assert night.ends(**asked) == Outcome.REFUSED.value
    assert "roll.notify.smtp: expected a mail server, such as localhost:25: " in night.told()


@pytest.mark.parametrize("notify", [BY_SENDMAIL, RollNotify()], ids=["attended", "no mail"])
def test_who_is_there_may_use_sendmail_and_no_mail_needs_no_server(spicerack, notify) -> None:
    site = dataclasses.replace(SITE, roll=RollSection(notify=notify))
    assert RollKernel(spicerack, site, RollRequest(kernel="newest", unattended=not notify.to))


@pytest.mark.parametrize(
    "asked",
    [{"unattended": False}, {"plan": True}, {"windows": (closed_window(),)}],
    ids=["attended", "plan", "closed"],
)
def test_who_reads_the_terminal_is_told_there_alone(night, monkeypatch, asked) -> None:
    monkeypatch.setattr(roll, "newest_of", nothing_readable)
    assert night.ends(**asked) in {Outcome.REFUSED.value, Outcome.OUTSIDE.value}
    assert night.told() == ""
