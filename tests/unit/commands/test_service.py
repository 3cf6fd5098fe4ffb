"""The look at the whole service: everything at the same time, nothing waited for that does not come."""

import json
import logging
import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from mxlib.base.errors import HostUnreachableError, PoolError
from mxlib.commands import service
from mxlib.commands.service import LAST, ServiceStatus, StatusRequest
from mxlib.config.load import parse
from mxlib.model.outcome import Outcome
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.service import ONE, TWO, answer
from tests.unit.support.site import TEN_LINES, changed

ROOT = Path(__file__).resolve().parents[3]
KEY = "/mx-cookbooks/mail"
HOLDER = {"host": TWO, "run": "run-1", "who": "op@cumin1001", "since": "now"}


@pytest.fixture
def etcd(monkeypatch):
    made = FakeEtcd()
    monkeypatch.setattr(service, "make_client", lambda _: made)
    return made


@pytest.fixture
def answers(monkeypatch, etcd):
    """What the hosts answer; the pool says yes for all."""
    found = {ONE: answer(), TWO: answer()}
    monkeypatch.setattr(service, "read_facts", lambda host, _: _given(found[host.name]))
    monkeypatch.setattr(service.ConftoolPool, "read", lambda _: {"smtp": "yes"})
    return found


def _given(found):
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.fixture
def look(answers, tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def run(*hosts, raw=TEN_LINES, spicerack=None, **asked):
        last = tmp_path / "last.json"
        checks = {"status": "OK", "checks": []}
        when = datetime.now(UTC).isoformat()
        verified = [{"host": host, "when": when, **checks} for host in (ONE, TWO)]
        last.write_text(json.dumps({"hosts": verified, "left_out": []}))
        request = StatusRequest(hosts, **{"last": last, **asked})
        caplog.clear()
        return ServiceStatus(spicerack or MagicMock(dry_run=False), parse(raw, "x.yaml"), request).execute()

    return run


def test_all_is_well(look, caplog):
    assert look() is Outcome.DONE
    lines = [line[9:] for line in caplog.messages]
    assert [line.split()[1] for line in lines[1:3]] == [ONE, TWO]
    assert lines[3:] == [
        "slot of the service: free",
        "roll: none",
        "window of a roll: always open",
        "status: done: 2 hosts in service, nothing unknown",
    ]


def test_some_hosts_are_asked_each_once_in_the_order_of_the_arguments(look, answers):
    answers[ONE] = AssertionError("it was asked")
    assert look(TWO, TWO) is Outcome.DONE


def test_hosts_etcd_and_pool_are_asked_at_the_same_time(look, monkeypatch, answers, etcd):
    together = threading.Barrier(4)

    def meets(found):
        together.wait(timeout=10)
        return found

    monkeypatch.setattr(service, "read_facts", lambda host, _: meets(answers[host.name]))
    monkeypatch.setattr(service, "make_client", lambda _: meets(etcd))
    monkeypatch.setattr(service.ConftoolPool, "read", _first(lambda: meets({"smtp": "yes"})))
    assert look() is Outcome.DONE


def _first(ask):
    """Ask at the first call only: the pool of one host after the other."""
    known = []

    def read(_):
        if not known:
            known.append(ask())
        return known[0]

    return read


@pytest.mark.parametrize("who", ["etcd", "pool"])
def test_what_does_not_answer_is_unknown_and_not_waited_for(look, monkeypatch, caplog, who):
    never = threading.Event()
    if who == "etcd":
        monkeypatch.setattr(service, "make_client", lambda _: never.wait(30))
    else:
        monkeypatch.setattr(service.ConftoolPool, "read", lambda _: never.wait(30))
    begin = time.monotonic()
    assert look(within=1.0) is Outcome.UNKNOWN
    assert time.monotonic() - begin < 10
    never.set()
    assert "has not answered in time" in caplog.text


@pytest.mark.parametrize("when", ["hosts", "etcd"])
def test_who_stops_it_gets_no_table(look, monkeypatch, caplog, capsys, etcd, when):
    def stopped(found):
        os.kill(os.getpid(), signal.SIGINT)
        return found

    if when == "hosts":
        monkeypatch.setattr(service, "read_facts", lambda *_: stopped(answer()))
        monkeypatch.setattr(service, "within", lambda *_: pytest.fail("the rest was waited for"))
    else:
        monkeypatch.setattr(service, "within", lambda *_: stopped(PoolError("no answer")))
    assert look(ONE, json_file=Path("-")) is Outcome.INTERRUPTED
    assert [line[9:] for line in caplog.messages] == ["status: interrupted: stopped by SIGINT; nothing was changed"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [PoolError("conftool: refused"), SystemExit(3), ValueError("odd")])
def test_a_pool_that_cannot_be_read_is_unknown_whatever_the_library_does(look, monkeypatch, caplog, error):
    monkeypatch.setattr(service.ConftoolPool, "read", lambda _: _given(error))
    assert look() is Outcome.UNKNOWN
    assert str(error) in caplog.text or repr(error) in caplog.text


def test_a_silent_host_does_not_hide_the_other(look, answers, caplog):
    answers[TWO] = HostUnreachableError(f"{TWO}: no session: refused")
    assert look() is Outcome.UNKNOWN
    assert f"{TWO}: UNKNOWN: it does not answer: no session: refused" in caplog.text
    answers[ONE] = HostUnreachableError(f"{ONE}: no session: refused")
    assert look() is Outcome.NO_ANSWER


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "slot of the service: free"),
        ({"holder": HOLDER}, f"held for {TWO} by op@cumin1001 since now (run run-1; its run no longer lives)"),
        ({"holder": HOLDER, "lease": "me"}, "its run is alive"),
        ({"lease": "me"}, "being taken in this very moment"),
        ({"holder": ["no holder"]}, "slot of the service: unknown: "),
    ],
)
def test_it_says_who_has_the_slot(look, etcd, caplog, keys, said):
    for key, value in keys.items():
        etcd.write(f"{KEY}/{key}", value if isinstance(value, str) else json.dumps(value))
    assert look() is (Outcome.UNKNOWN if "unknown" in said else Outcome.DONE)
    assert said in caplog.text


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"holder": HOLDER, "lease": "me"}, "roll: a roll is under way: run run-1 by op@cumin1001"),
        ({"holder": HOLDER}, "roll: left by run run-1 of op@cumin1001, which no longer lives"),
        ({"lease": "me"}, "roll: another roll is beginning"),
    ],
)
def test_it_says_who_rolls(look, etcd, caplog, keys, said):
    for key, value in keys.items():
        etcd.write(f"{KEY}-roll/{key}", value if isinstance(value, str) else json.dumps(value))
    look()
    assert said in caplog.text


def test_an_etcd_that_is_down_is_said_once(look, etcd, caplog):
    etcd.down = True
    assert look() is Outcome.UNKNOWN
    assert caplog.messages[-1].count("unknown: ") == 1


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        (["daily 00:00-00:00"], "window of a roll: open until "),
        (["always"], "window of a roll: always open"),
        (["5sun 00:00-00:01"], "window of a roll: opens Sun "),
    ],
)
def test_it_says_when_the_window_opens_or_closes(look, caplog, windows, said):
    look(raw=changed("roll.windows", windows))
    assert said in caplog.text


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b"\xff", "it is no text"), (b"{}", "it is not what verify-mx")],
)
def test_a_verification_that_is_not_there_is_unknown(look, tmp_path, caplog, content, why):
    other = tmp_path / "other.json"
    if content is not None:
        other.write_bytes(content)
    assert look(last=other) is Outcome.UNKNOWN
    assert f"the last verification is not known here: {other}: {why}" in caplog.text


def test_for_a_program_all_of_it_goes_to_the_standard_output_alone(look, capsys):
    look(json_file=Path("-"))
    told = json.loads(capsys.readouterr().out)
    assert [one["host"] for one in told["hosts"]] == [ONE, TWO]
    assert (told["slot"], told["roll"], told["exit_code"]) == ("free", "none", 0)


def test_the_timers_unit_writes_what_is_read():
    unit = (ROOT / "systemd" / "mx-verify.service").read_text(encoding="utf-8")
    assert f"--json {LAST} " in unit


def test_it_reads_only():
    assert ServiceStatus(MagicMock(), parse(TEN_LINES, "x"), StatusRequest()).reads_only
