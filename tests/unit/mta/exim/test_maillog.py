import gzip
from datetime import datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.source import FactUnknownError, read_facts
from mxlib.mta import growth as growing
from mxlib.mta.event import Cause, EventKind
from mxlib.mta.exim import maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.adapter import ADAPTER
from mxlib.mta.exim.maillog import LogMark
from tests.unit.support.facts import ShellHost, fact, fixture, output

ID = "1xUaVg-00006e-2b"


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "mainlog"
    monkeypatch.setattr(exim, "MAINLOG", str(path))
    return path


@pytest.fixture
def host(log):
    class Local(ShellHost):
        def read(self, script, *, timeout):
            return super().read(script.replace("/var/log/exim4/mainlog", str(log)), timeout=timeout)

    return Local()


def read_mark(host):
    return read_facts(host, (ADAPTER.mark,)).get(ADAPTER.mark)


def read_growth(host, mark):
    return growing.read_growth(ADAPTER, host, mark)


def lines(*rests):
    return "".join(f"2026-11-21 02:08:30 {ID} {rest}\n" for rest in rests)


def test_growth_since_a_mark(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    assert read_growth(host, mark).events == ()
    with log.open("a") as file:
        file.write(lines('=> b@ok.test R=r T=t H=h [192.0.2.3] C="250 OK"', "Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.DELIVERED, EventKind.COMPLETED]
    assert (growth.completed, growth.arrived, growth.lost) == ({ID}, frozenset(), False)
    assert len(growth.of(ID)) == 2
    assert read_growth(host, growth.mark).events == ()


def test_growth_over_a_rotation(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    with log.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.DELIVERED, EventKind.COMPLETED]
    assert not growth.lost
    assert growth.mark == str(LogMark(log.stat().st_ino, log.stat().st_size))


def test_growth_over_a_rotation_right_at_the_mark(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.COMPLETED]
    assert not growth.lost


def test_a_log_that_was_compressed_or_cut_is_said_to_be_lost(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1", "Completed"))
    mark = read_mark(host)
    (log.with_name("mainlog.2.gz")).write_bytes(gzip.compress(log.read_bytes()))
    log.rename(log.with_name("elsewhere"))
    log.write_text(lines("Completed"))
    assert read_growth(host, mark).lost
    here = read_mark(host)
    log.write_text("")
    assert read_growth(host, here).lost


def test_much_growth_comes_in_pieces(host, log, monkeypatch):
    monkeypatch.setattr(maillog, "MAX_GROWTH", 100)
    log.write_text("")
    mark = read_mark(host)
    log.write_text(lines(*["=> b@ok.test R=r T=t"] * 20))
    growth = read_growth(host, mark)
    assert [event.address for event in growth.events] == ["b@ok.test"] * 20


def test_without_a_log_nothing_is_known(host):
    with pytest.raises(ParseError):
        read_mark(host)
    with pytest.raises(ParseError):
        read_growth(host, "1:0")


def recent(host):
    return fact(maillog.RECENT_SOURCE, host.read(maillog.RECENT_SECTION.script, timeout=5).output)


def test_the_recent_log_is_counted_and_classified(host, log):
    now, then = datetime.now(), datetime.now() - timedelta(hours=1)
    old = f"{then:%Y-%m-%d %H:%M:%S} {ID} == x@old.test R=r T=t defer (111): Connection refused\n"
    text = "".join(
        f"{now:%Y-%m-%d} {now:%H:%M:%S} {line[20:]}\n" if line.startswith("2026") else f"{line}\n"
        for line in fixture("exim/mainlog.txt").splitlines()
    )
    log.with_name("mainlog.1").write_text(old)
    log.write_text(old + text)
    found = recent(host)
    assert (found.arrived, found.completed) == (text.count(" <= "), text.count(" Completed"))
    assert found.delivered == text.count(" => ") + text.count(" -> ")
    assert found.count(Cause.TIMEOUT_AFTER_DATA) == 3
    assert found.causes()["hang.test"] == {Cause.TIMEOUT_AFTER_DATA: 3}
    assert found.causes()["tmp.test"] == {Cause.REMOTE_4XX: 2}
    assert "old.test" not in found.causes()


def test_a_recent_log_that_is_missing_or_cut_short_is_unknown(host, log):
    answer = host.read(maillog.RECENT_SECTION.script, timeout=5)
    assert answer.exit_code == 3
    with pytest.raises(FactUnknownError):
        fact(maillog.RECENT_SOURCE, output(maillog.RECENT_SECTION, answer.output, code=3))
    log.write_text(lines("Completed"))
    whole = host.read(maillog.RECENT_SECTION.script, timeout=5).output
    with pytest.raises(FactUnknownError, match="cut short"):
        fact(maillog.RECENT_SOURCE, whole.replace("end\n", ""))
