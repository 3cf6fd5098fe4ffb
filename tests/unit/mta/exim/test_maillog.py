import gzip
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.source import FactUnknownError, read_facts
from mxlib.mta import growth as growing
from mxlib.mta.event import Cause, EventKind
from mxlib.mta.exim import maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.adapter import ADAPTER
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
    assert growth.mark.startswith(f"{log.stat().st_ino}:{log.stat().st_size}:")


def test_growth_over_a_rotation_right_at_the_mark(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.COMPLETED]
    assert not growth.lost


def rotate(log, how):
    """Rotate as logrotate does, by one of its ways."""
    if how == "dateext":
        log.rename(log.with_name("mainlog-20261121"))
    elif how == "compress":
        log.with_name("mainlog.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
    elif how == "copytruncate":
        log.with_name("mainlog.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        return
    elif how == "twice":
        log.rename(log.with_name("mainlog.2"))
        log.with_name("mainlog.1").write_text(lines("-> between@ok.test R=r T=t"))
    log.write_text("")


@pytest.mark.parametrize("how", ["dateext", "compress", "copytruncate", "twice"])
def test_growth_is_found_however_the_log_was_rotated(host, log, how):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    with log.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    rotate(log, how)
    with log.open("a") as file:
        file.write(lines("Completed", *["-> later@ok.test R=r T=t"] * 9))
    growth = read_growth(host, mark)
    assert not growth.lost
    seen = [event.address for event in growth.events if event.address != "later@ok.test"]
    assert seen == ["b@ok.test", *(["between@ok.test"] if how == "twice" else []), ""]
    assert read_growth(host, growth.mark).events == ()


def test_a_log_that_is_gone_or_cut_is_said_to_be_lost(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1", "Completed"))
    mark = read_mark(host)
    log.unlink()
    log.write_text(lines("Completed"))
    assert read_growth(host, mark).lost
    here = read_mark(host)
    log.write_text("")
    assert read_growth(host, here).lost


def test_a_mark_of_an_older_run_is_followed_by_its_inode(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = f"{log.stat().st_ino}:{log.stat().st_size}"
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.COMPLETED]
    assert not growth.lost


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


def exim_says(directory, monkeypatch, **settings):
    """An exim4 that knows its settings and nothing else."""
    binary = directory / "exim4"
    said = "".join(f"[ $2 != {key} ] || echo '{key} = {value}'\n" for key, value in settings.items())
    binary.write_text(f"#!/bin/sh\n{said}")
    binary.chmod(0o755)
    return lambda script: script.replace(exim.BINARY, str(binary))


def ask(script, **environment):
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("host_zone", ["Asia/Tokyo", "America/New_York"])
def test_the_lines_are_in_exims_own_zone(tmp_path, monkeypatch, host_zone):
    told = exim_says(tmp_path, monkeypatch, timezone="UTC", log_file_path=f"{tmp_path}/%slog")
    young, old = (datetime.now(UTC) - timedelta(minutes=one) for one in (2, 240))
    (tmp_path / "mainlog").write_text("".join(
        f"{when:%Y-%m-%d %H:%M:%S} {ID} == b@{where}.test R=r T=t defer (111): Connection refused\n"
        for when, where in ((old, "old"), (young, "young"))
    ))  # fmt: skip
    done = ask(told(maillog.RECENT_SECTION.script), TZ=host_zone)
    found = fact(maillog.RECENT_SOURCE, done.stdout)
    assert {event.domain for event in found.events} == {"young.test"}
    assert abs((found.events[0].when - young).total_seconds()) < 1


def test_a_clock_that_was_just_changed_makes_the_last_minutes_unknown(tmp_path, monkeypatch):
    told = exim_says(tmp_path, monkeypatch, log_file_path=f"{tmp_path}/%slog")
    (tmp_path / "mainlog").touch()
    fake = 'date() { case "$*" in +%z) echo +0100 ;; *%z) echo +0200 ;; *) command date "$@" ;; esac; }\n'
    done = ask(fake + told(maillog.RECENT_SECTION.script))
    assert (done.returncode, done.stderr) == (4, "the clock has just been changed\n")


def test_a_dated_log_is_followed_from_day_to_day(tmp_path, monkeypatch):
    told = exim_says(tmp_path, monkeypatch, log_file_path=f": syslog : {tmp_path}/%slog-%D")
    yesterday = tmp_path / "mainlog-20261120"
    yesterday.write_text(lines("<= a@lab.test U=root P=local S=1"))
    found = ask(told(maillog.MARK.script)).stdout
    mark = fact(maillog.MARK_SOURCE, found)
    with yesterday.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    (tmp_path / f"mainlog-{datetime.now():%Y%m%d}").write_text(lines("Completed"))
    first = maillog.growth_source(mark)
    piece = fact(first, ask(told(first.sections[0].script)).stdout)
    assert ([event.kind for event in piece.events], piece.lost, piece.whole) == ([EventKind.DELIVERED], False, False)
    second = maillog.growth_source(piece.mark)
    rest = fact(second, ask(told(second.sections[0].script)).stdout)
    assert ([event.kind for event in rest.events], rest.lost, rest.whole) == ([EventKind.COMPLETED], False, True)


def test_a_log_that_goes_to_syslog_alone_is_unknown(tmp_path, monkeypatch):
    told = exim_says(tmp_path, monkeypatch, log_file_path="syslog")
    done = ask(told(maillog.MARK.script))
    assert (done.returncode, done.stderr) == (3, "Exim has no log file: syslog\n")


def test_a_subject_is_no_mark(host, log):
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    log.write_text(
        f'{now} 1xX4cT-0000000000H-2Dcw <= a@b.test U=root P=local S=339 T="Order Completed ** => x"\n'
        f"{now} 1xX4cT-0000000000H-2Dcw => user <user@b.test> R=local T=file\n"
        f"{now} 1xX4cT-0000000000H-2Dcw Completed\n"
    )
    found = recent(host)
    assert (found.arrived, found.delivered, found.completed, found.wrong) == (1, 1, 1, 0)
